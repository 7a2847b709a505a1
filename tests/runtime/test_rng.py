"""Latents of previews and samples: a row does not depend on how many are drawn, a walk stays among likely ones."""

from __future__ import annotations

import pytest
import torch

from gan_cli.runtime.rng import BLOCK, fixed_latents, latent_walk


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
    path = latent_walk(corners, frames=20)
    assert path.shape == (60, 4, 16)
    torch.testing.assert_close(path[::20], corners)
    strides = (path.roll(-1, dims=0) - path).norm(dim=-1)  # the last of them leads back to the first frame
    for leg in strides.split(20):
        torch.testing.assert_close(leg, leg[:1].expand_as(leg), rtol=1e-3, atol=1e-5)


def test_walk_stays_on_the_sphere() -> None:
    corners = 4.0 * torch.eye(3).reshape(3, 1, 3)  # a straight line between two would pass at 2.83
    torch.testing.assert_close(latent_walk(corners, frames=7).norm(dim=-1), torch.full((21, 1), 4.0))


def test_walk_between_equal_or_opposite_corners_stays_finite() -> None:
    corner = torch.eye(2, 8)[None]  # their cosine is 1 or -1 exactly
    for corners in (corner, torch.cat([corner, corner]), torch.cat([corner, -corner])):
        assert latent_walk(corners, frames=5).isfinite().all()
