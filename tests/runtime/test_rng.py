"""Latents of previews and samples: a row does not depend on how many are drawn, a walk stays among likely ones."""

from __future__ import annotations

import pytest
import torch

from gan_cli.runtime.rng import BLOCK, RandomState, SeededStream, fixed_latents, latent_walk


@pytest.mark.parametrize(("few", "many"), [(1, 64), (64, BLOCK), (BLOCK - 1, BLOCK + 1), (BLOCK, 3 * BLOCK)])
def test_first_rows_do_not_depend_on_the_count(few: int, many: int) -> None:
    assert torch.equal(fixed_latents(3, few, 5), fixed_latents(3, many, 5)[:few])


def test_latents_are_standard_normal_all_different_and_a_function_of_the_seed() -> None:
    latents = fixed_latents(0, 3 * BLOCK, 100)
    assert latents.shape == (3 * BLOCK, 100)
    assert len(latents.unique(dim=0)) == 3 * BLOCK
    assert abs(float(latents.mean())) < 0.02
    assert float(latents.std()) == pytest.approx(1.0, abs=0.02)
    torch.manual_seed(1234)
    assert torch.equal(fixed_latents(0, 3 * BLOCK, 100), latents)
    assert not torch.equal(fixed_latents(1, 3 * BLOCK, 100), latents)


def test_walk_passes_its_corners_and_closes_without_a_jump() -> None:
    corners = torch.nn.functional.normalize(torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    path = latent_walk(corners, frames=60)
    assert path.shape == (60, 4, 16)
    torch.testing.assert_close(path[::20], corners)
    strides = (path.roll(-1, dims=0) - path).norm(dim=-1)  # the last of them leads back to the first frame
    for leg in strides.split(20):
        torch.testing.assert_close(leg, leg[:1].expand_as(leg), rtol=1e-3, atol=1e-5)


def test_walk_stays_on_the_sphere() -> None:
    corners = 4.0 * torch.eye(3).reshape(3, 1, 3)  # a straight line between two would pass at 2.83
    torch.testing.assert_close(latent_walk(corners, frames=21).norm(dim=-1), torch.full((21, 1), 4.0))


def test_walk_of_any_length_is_evenly_spaced() -> None:
    corners = torch.eye(3).reshape(3, 1, 3)
    path = latent_walk(corners, frames=7)
    assert path.shape == (7, 1, 3)
    strides = torch.nn.functional.cosine_similarity(path.roll(-1, dims=0), path, dim=-1).acos()
    torch.testing.assert_close(path[0], corners[0])
    assert float(strides.max()) <= 3 * torch.pi / 2 / 7 + 1e-5  # less where a corner is passed between two frames


def test_walk_between_equal_or_opposite_corners_stays_finite() -> None:
    corner = torch.eye(2, 8)[None]  # their cosine is 1 or -1 exactly
    for corners in (corner, torch.cat([corner, corner]), torch.cat([corner, -corner])):
        assert latent_walk(corners, frames=10).isfinite().all()


CPU = torch.device("cpu")
# What a CUDA generator's state is: seed and offset of Philox, 8 bytes each.
CUDA_STATES = [torch.arange(16, dtype=torch.uint8), torch.arange(16, 32, dtype=torch.uint8)]


def drawn_after(state: torch.Tensor, seed: int = 0, name: str = "latents") -> list[float]:
    stream = SeededStream(seed, name, CPU)
    stream.normal(3, 5)  # what was drawn before does not matter
    stream.set_state(state)
    return stream.normal(1, 4).flatten().tolist()


def test_a_state_of_another_kind_of_device_seeds_the_stream_anew_by_seed_name_and_state() -> None:
    first, second = CUDA_STATES
    assert drawn_after(first) == drawn_after(first)
    others = [drawn_after(second), drawn_after(first, seed=1), drawn_after(first, name="noise"), drawn_start()]
    assert all(other != drawn_after(first) for other in others)


def drawn_start() -> list[float]:
    return SeededStream(0, "latents", CPU).normal(1, 4).flatten().tolist()


def test_a_state_of_the_same_kind_continues_the_stream() -> None:
    stream = SeededStream(0, "latents", CPU)
    stream.normal(3, 5)
    state = stream.get_state()
    expected = stream.normal(1, 4).flatten().tolist()
    assert drawn_after(state) == expected


def test_the_global_generator_of_a_new_device_is_seeded_from_the_hosts_state(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(RandomState(CPU).state_dict())
    for state in (*states, states[0]):
        RandomState(torch.device("cuda")).load_state_dict(state)
    assert seeds[0] != seeds[1]
    assert seeds[0] == seeds[2]
