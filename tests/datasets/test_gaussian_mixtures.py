"""Points in the plane: the mixtures of VEEGAN and PacGAN to the number, and the curves in their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gan_cli.datasets.curves import ParallelLines, SwissRoll, TwoMoons
from gan_cli.datasets.gaussian_mixtures import Grid, Ring
from gan_cli.errors import InvalidValueError
from gan_cli.runtime.rng import seeded_generator

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


CURVES = [SwissRoll(), TwoMoons(), ParallelLines()]


def along(curve: SwissRoll | TwoMoons | ParallelLines, count: int = 20_000) -> np.ndarray:
    """Points ``(2, count)`` in the curve's own coordinates, in float64."""
    stream = seeded_generator(0, "data", torch.device("cpu"))
    return curve.coordinates(curve.load().draw(count, stream).numpy()).astype(float).T


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    """Kolmogorov-Smirnov: off by chance once in a thousand streams."""
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_swiss_roll_without_noise_is_its_spiral() -> None:
    x, y = along(SwissRoll(std=0.0))
    radius = np.hypot(x, y)
    assert_uniform(radius, 1.5 * np.pi, 4.5 * np.pi)
    np.testing.assert_allclose([x, y], [radius * np.cos(radius), radius * np.sin(radius)], atol=1e-3)


def test_two_moons_without_noise_are_two_half_circles_equally_often() -> None:
    x, y = along(TwoMoons(std=0.0))
    upper = np.abs(np.hypot(x, y) - 1) < 1e-5
    assert upper.mean() == pytest.approx(0.5, abs=4 * 0.5 / 20_000**0.5)
    assert y[upper].min() >= -1e-6
    assert_uniform(np.arctan2(y[upper], x[upper]), 0, np.pi)
    x, y = 1 - x[~upper], 0.5 - y[~upper]
    np.testing.assert_allclose(np.hypot(x, y), 1, atol=1e-5)
    assert y.min() >= -1e-6
    assert_uniform(np.arctan2(y, x), 0, np.pi)


@pytest.mark.parametrize("theta", [0.5, -1.0, 0.0, 7.0])
def test_parallel_line_stands_at_theta_and_is_uniform(theta: float) -> None:
    x, y = along(ParallelLines(theta=theta))
    np.testing.assert_allclose(x, theta, rtol=1e-6)
    assert_uniform(y, 0, 1)


def test_parallel_lines_up_to_1_are_the_papers_distances() -> None:
    for theta in (-1.0, 0.25, 1.0):
        assert ParallelLines(theta=theta).scale == 1
        drawn = ParallelLines(theta=theta).load().draw(100, torch.Generator().manual_seed(0))
        assert drawn[:, 0].tolist() == [theta] * 100


@pytest.mark.parametrize("std", [0.1, 1.0])
def test_noise_of_a_curve_has_its_std(std: float) -> None:
    """The line lies along y: all that varies in x is noise."""
    x, y = along(ParallelLines(theta=0.5, std=std))
    assert stats.kstest((x - 0.5) / std, "norm").pvalue > 1e-3
    assert y.var() == pytest.approx(1 / 12 + std**2, rel=0.05)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.03


@pytest.mark.parametrize("curve", CURVES)
def test_noise_is_added_to_every_curve(curve: SwissRoll | TwoMoons | ParallelLines) -> None:
    """Same stream, with and without: what is between is normal, in both coordinates."""
    noisy, bare = along(replace(curve, std=0.3)), along(replace(curve, std=0.0))
    for deviations in (noisy - bare) / 0.3:
        assert stats.kstest(deviations, "norm").pvalue > 1e-3


@pytest.mark.parametrize("curve", [*CURVES, SwissRoll(std=2.0), TwoMoons(std=0.5), ParallelLines(theta=-30.0, std=1.0)])
def test_scaled_curves_lie_within_minus_1_and_1_and_fill_it(curve: SwissRoll | TwoMoons | ParallelLines) -> None:
    scaled = curve.load().draw(20_000, torch.Generator().manual_seed(0))
    assert (scaled.shape, scaled.dtype) == ((20_000, *curve.shape), torch.float32)
    assert 0.7 < float(scaled.abs().max()) <= 1
    assert curve.classes == 0


@pytest.mark.parametrize("curve", CURVES)
def test_curves_are_functions_of_their_stream(curve: SwissRoll | TwoMoons | ParallelLines) -> None:
    torch.manual_seed(1)
    first = along(curve, 10)
    torch.manual_seed(2)
    np.testing.assert_array_equal(along(curve, 10), first)


@pytest.mark.gpu
@pytest.mark.parametrize("source", [*MIXTURES, *CURVES])
def test_points_are_drawn_where_their_stream_is(source: Ring | Grid | SwissRoll | TwoMoons | ParallelLines) -> None:
    drawn = source.load().on(torch.device("cuda")).draw(10, torch.Generator("cuda").manual_seed(0))
    assert drawn.device.type == "cuda"


@pytest.mark.parametrize("source", [*MIXTURES, *CURVES])
def test_nothing_is_drawn_elsewhere(
    source: Ring | Grid | SwissRoll | TwoMoons | ParallelLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a second device: every random number and every new tensor asks for the stream's device."""
    asked = []
    for name in ("rand", "randn", "randint", "tensor"):
        make = getattr(torch, name)

        def recorded(*arguments: object, make: Callable[..., Tensor] = make, **settings: object) -> Tensor:
            asked.append(settings.get("device"))
            return make(*arguments, **settings)

        monkeypatch.setattr(torch, name, recorded)
    density = source.load()
    asked.clear()
    stream = torch.Generator().manual_seed(0)
    density.draw(10, stream)
    assert len(asked) >= 2
    assert set(asked) == {stream.device}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SwissRoll, {"std": -0.1}),
        (TwoMoons, {"std": -0.1}),
        (ParallelLines, {"std": -0.1}),
        (ParallelLines, {"theta": 101.0}),
        (ParallelLines, {"theta": float("nan")}),
    ],
)
def test_impossible_curves_are_refused_by_name(kind: type, settings: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError) as refused:
        kind(**settings)
    assert [refused.value.key] == list(settings)


def test_fixed_points_are_few_the_same_in_every_run_and_drawn_from_again_and_again() -> None:
    sources = [Ring(count=50).load() for _ in range(2)]
    drawn = [source.draw(2000, torch.Generator().manual_seed(seed)) for seed, source in enumerate(sources)]
    first, second = ({tuple(point) for point in points.tolist()} for points in drawn)
    assert len(first) == 50
    assert first == second
    assert not torch.equal(*drawn)


def test_fixed_points_that_are_too_few_to_hold_out_serve_as_both_parts() -> None:
    """As images do: a run on 100 points has a probe, too."""
    source = Ring(count=100).load()
    train, heldout = source.split(0.05)  # 5 points
    for part in (train, heldout):
        points = part.draw(2000, torch.Generator().manual_seed(0))
        assert len({tuple(point) for point in points.tolist()}) == 100
    train, heldout = source.split(0.5)
    both = [{tuple(point) for point in part.draw(2000, torch.Generator()).tolist()} for part in (train, heldout)]
    assert [len(points) for points in both] == [50, 50]
    assert not both[0] & both[1]


@pytest.mark.parametrize("unit", [1.0, 0.5, 4.0])
def test_mixtures_can_be_seen_in_units_of_ones_own(unit: float) -> None:
    ring = Ring(radius=2.0, std=0.02, unit=unit)
    points = ring.load().draw(1000, torch.Generator().manual_seed(0)).numpy()
    assert np.hypot(*points.T).mean() == pytest.approx(2 / unit, rel=0.01)
    assert np.hypot(*ring.coordinates(points).T).mean() == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("unit", [0.0, -1.0])
def test_mixtures_refuse_a_unit_that_is_no_length(unit: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Ring(unit=unit)
    assert refused.value.key == "unit"
