"""Mixtures in the plane: the protocols of VEEGAN and PacGAN, to the number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_cli.datasets.toy import Grid, Ring
from gan_cli.device import seeded_generator
from gan_cli.errors import InvalidValueError

MIXTURES = [Ring(), Grid()]


def drawn(mixture: Ring | Grid, count: int = 40_000) -> np.ndarray:
    """Points in the data's own coordinates."""
    stream = seeded_generator(0, "data", torch.device("cpu"))
    return mixture.coordinates(mixture.load().draw(count, stream).numpy())


def test_ring_has_8_different_centres_on_the_unit_circle() -> None:
    """A linspace that holds both 0 and 2 pi puts two of eight modes in one place."""
    centres = Ring().centres()
    half = 0.5**0.5
    expected = [(1, 0), (half, half), (0, 1), (-half, half), (-1, 0), (-half, -half), (0, -1), (half, -half)]
    np.testing.assert_allclose(centres, expected, atol=1e-7)
    assert float(torch.pdist(centres).min()) == pytest.approx(2 * np.sin(np.pi / 8))


@pytest.mark.parametrize(("modes", "radius"), [(3, 2.0), (1, 1.0), (25, 0.5)])
def test_ring_of_any_size_is_evenly_spaced(modes: int, radius: float) -> None:
    centres = Ring(modes=modes, radius=radius).centres()
    assert centres.shape == (modes, 2)
    np.testing.assert_allclose(centres.norm(dim=1), radius, rtol=1e-6)
    neighbours = (centres - centres.roll(1, dims=0)).norm(dim=1)
    np.testing.assert_allclose(neighbours, 2 * radius * np.sin(np.pi / modes), atol=1e-6)


def test_grid_is_minus_4_to_4_by_2_in_both_directions() -> None:
    ticks = (-4.0, -2.0, 0.0, 2.0, 4.0)
    centres = Grid().centres()
    assert len(centres) == 25
    assert {tuple(centre) for centre in centres.tolist()} == {(x, y) for x in ticks for y in ticks}


@pytest.mark.parametrize(("mixture", "std"), [(Ring(), 0.01), (Grid(), 0.05), (Grid(std=0.2), 0.2)])
def test_draws_lie_around_all_centres_equally_often_with_the_std_of_the_protocol(
    mixture: Ring | Grid, std: float
) -> None:
    points, centres = drawn(mixture), mixture.centres().numpy()
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(centres)) / len(points)
    np.testing.assert_allclose(shares, 1 / len(centres), rtol=0.1)
    deviations = points - centres[nearest]
    np.testing.assert_allclose(deviations.std(axis=0), std, rtol=0.02)
    np.testing.assert_allclose(deviations.mean(axis=0), 0.0, atol=0.02 * std)
    assert abs(np.corrcoef(deviations.T)[0, 1]) < 0.03


@pytest.mark.parametrize("mixture", [*MIXTURES, Ring(std=0.5), Grid(side=1, std=1.0), Ring(radius=100.0)])
def test_scaled_draws_lie_within_minus_1_and_1_and_fill_it(mixture: Ring | Grid) -> None:
    scaled = drawn(mixture) / mixture.scale
    assert 0.7 < np.abs(scaled).max() <= 1


def test_draws_are_a_function_of_their_stream() -> None:
    torch.manual_seed(1)
    first = drawn(Ring(), 10)
    torch.manual_seed(2)
    np.testing.assert_array_equal(drawn(Ring(), 10), first)


@pytest.mark.parametrize(
    ("kind", "key"),
    [(Ring, "modes"), (Ring, "radius"), (Ring, "std"), (Grid, "side"), (Grid, "spacing"), (Grid, "std")],
)
def test_impossible_mixtures_are_refused_by_name(kind: type, key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        kind(**{key: 0})
    assert refused.value.key == key
