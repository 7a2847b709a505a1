"""Bounds of the claims: they are those that were claimed, and verdicts follow them."""

from __future__ import annotations

import math

import pytest

from benchmarks.claims import page
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.claim import Bound, Result
from tests.helpers.claims import NAMES, passing


@pytest.mark.parametrize(
    ("bound", "values", "holds"),
    [
        (Bound("x", maximum=2.0), [0, 1, 2], True),
        (Bound("x", maximum=2.0), [0, 1, 2.01], False),
        (Bound("x", minimum=8.0), [8, 8], True),
        (Bound("x", minimum=8.0), [8, 7], False),
        (Bound("x", minimum=1.0, share=0.8), [1, 2, 3, 4, 0], True),
        (Bound("x", minimum=1.0, share=0.8), [1, 2, 3, 0, 0], False),
        (Bound("x", minimum=1.0, share=0.8), [0], False),
        (Bound("x", minimum=-0.3, maximum=0.3), [-0.31], False),
        (Bound("x", maximum=1.0), [math.nan], False),
        (Bound("x", maximum=1000.0), [math.inf], False),
        (Bound("x", maximum=1.0), [], False),
    ],
)
def test_bound_holds_when_enough_seeds_keep_it(bound: Bound, values: list[float], holds: bool) -> None:
    assert bound.holds(values) == holds


@pytest.mark.parametrize("name", NAMES)
def test_verdict_follows_the_bounds_and_names_what_breaks_them(name: str) -> None:
    claim = CLAIMS[name]
    good = passing(claim)
    seeds = dict.fromkeys(range(5), good)
    whole = page.verdict(claim, Result(seeds, 1.0, "here"))
    assert len(whole) == len({bound.statement for bound in claim.bounds})
    assert all(line.removeprefix(f"{bound.statement}: ") for line, bound in zip(whole, claim.bounds, strict=False))
    assert all(line.endswith("holds") for line in whole)
    for bound in claim.bounds:
        step = math.inf if bound.maximum < math.inf else -math.inf
        bad = {**good, bound.metric: math.nextafter(good[bound.metric], step)}
        broken = page.verdict(claim, Result({**seeds, 3: bad, 4: bad}, 1.0, "here"))
        (changed,) = set(broken) - set(whole)
        end = "holds; side condition not met: " if bound.side_condition else "does not hold ("
        assert changed == f"{bound.statement}: {end}{bound.metric}{'' if bound.side_condition else ')'}".removeprefix(
            ": "
        )


def test_a_side_condition_does_not_save_a_claim_and_cannot_break_one() -> None:
    claim = CLAIMS["wgan_covers"]
    alarms = {**passing(claim), "gp: alarms": 1.0}
    assert page.verdict(claim, Result({0: alarms}, 1.0, "here"))[0].endswith(
        "holds; side condition not met: gp: alarms"
    )
    collapsed = {**alarms, "gp: modes": 7.0}
    assert page.verdict(claim, Result({0: collapsed}, 1.0, "here"))[0].endswith(
        "does not hold (gp: modes); side condition not met: gp: alarms"
    )


def test_side_conditions_are_those_that_the_literature_does_not_claim_and_each_says_why() -> None:
    beside = {(claim.name, each.metric) for claim in CLAIMS.values() for each in claim.bounds if each.side_condition}
    assert beside == {("wgan_covers", "gp: alarms")}
    for claim in CLAIMS.values():
        text = page.section(claim, Result({0: passing(claim)}, 1.0, "here"), "images")
        for bound in claim.bounds:
            assert bound.side_condition in text


@pytest.mark.parametrize(
    ("name", "metric", "minimum", "maximum"),
    [
        ("optimal_discriminator", "mean abs. error of D", -math.inf, 0.02),
        ("optimal_discriminator", "|V(D) - V(D*)|", -math.inf, 0.02),
        ("jsd_saturates", "JSD: largest |estimate - log 2|, theta not 0", -math.inf, 0.02),
        ("jsd_saturates", "W: correlation with abs(theta)", 0.99, math.inf),
        ("vanishing_gradient", "log(1 - D): decades lost", 3.0, math.inf),
        ("noise_gives_overlap", "annealed: D's accuracy, first tenth", -math.inf, 0.95),
        ("mode_collapse", "minimax: modes", -math.inf, 2.0),
        ("mode_collapse", "jsd: alarm mode_collapse at step", -math.inf, 1000.0),
        ("mode_collapse", "unrolled protocol: modes", 8.0, math.inf),
        ("wgan_covers", "gp: modes", 8.0, math.inf),
        ("wgan_covers", "gp: alarms", -math.inf, 0.0),
    ],
)
def test_bounds_are_those_that_were_claimed(name: str, metric: str, minimum: float, maximum: float) -> None:
    (bound,) = (bound for bound in CLAIMS[name].bounds if bound.metric == metric)
    assert (bound.minimum, bound.maximum, bound.share) == (minimum, maximum, 1.0)
