"""Suggestions of a GAN's alarms: each changes the command, fits the settings, and takes one line."""

from __future__ import annotations

import math
import shlex

import pytest

from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.diagnostics.rules import Level
from gan_cli.protocols.callbacks import Alarm, Note
from tests.helpers.monitors import HEALTHY, SICK, new_monitor
from tests.helpers.plans import alarm_rules_of, planned

# Settings for which every suggestion is another one than without them.
RUNS = {
    "plain": (),
    "points": ("dataset=ring8",),
    "noisy": ("noise=linear", "noise.start=0.3"),
    "slow D": ("optimizer.lr_d=1e-4", "optimizer.lr_g=1e-3"),
    "packed": ("pac=2",),
    "conditional": ("conditional=true",),
    "penalized": ("loss/penalty=r1",),
    "augmented": ("loss/penalty=r1", "augment=ada"),
    "critic": ("loss=wgan_gp",),
    "clipped": ("loss=wgan",),
    "saturating": ("loss=minimax",),
    "momentum": ("optimizer.betas=[0.9,0.99]",),
    "descent": ("optimizer=sgd",),
}


@pytest.mark.parametrize("run", RUNS)
def test_every_suggestion_is_a_change_of_the_command_that_works(run: str) -> None:
    plan = planned(*RUNS[run])
    for rule in plan.family.alarm_rules(plan.config, plan):
        figures = {**HEALTHY, **dict.fromkeys(rule.needs, 0.1), **SICK.get(rule.name, {})}
        if run != "saturating":  # then G's loss is -log D itself, or neither of the two
            del figures["diagnosis/gradient_non_saturating"]
        overrides = shlex.split(rule.suggestion(figures).overrides)
        followed = planned(*RUNS[run], *overrides)
        assert followed.config != plan.config, (rule.name, overrides)


@pytest.mark.parametrize("run", RUNS)
def test_an_alarm_takes_one_line_of_110_characters(run: str) -> None:
    plan = planned(*RUNS[run])
    divergence = next(iter(sorted(plan.family.reports(plan.loss)))).removesuffix("_held_out")
    for rule in plan.family.alarm_rules(plan.config, plan):
        figures = {**HEALTHY, divergence: 0.5, **SICK.get(rule.name, {})}
        figures |= {tag: figures.get(tag, 0.123) for tag in rule.needs}
        evidence, overrides = rule.evidence(figures), rule.suggestion(figures).overrides
        alarm = Alarm(rule.name, 1, 1, {}, "", "", evidence, overrides)
        note = Note(rule.name, evidence, {}, overrides, "")
        line = f"step 10000: {alarm}" if rule.level is Level.alarm else str(note)
        assert len(line) <= 110, line


@pytest.mark.parametrize(
    ("run", "overrides"),
    [
        ("plain", "loss/penalty=r1"),
        ("momentum", "optimizer.betas=[0.5,0.99]"),
        ("descent", "loss/penalty=r1"),
        ("penalized", "optimizer.lr_d=0.001 optimizer.lr_g=0.001"),
    ],
)
def test_oscillation_asks_for_less_momentum_then_a_penalty_then_smaller_rates(run: str, overrides: str) -> None:
    (rule,) = (rule for rule in alarm_rules_of("dataset=ring8", *RUNS[run]) if rule.name == "oscillation")
    assert rule.suggestion({}).overrides == overrides


def test_a_gradient_that_saturates_has_the_suggestion_of_a_strong_d() -> None:
    # loss=jsd would have to replace loss=minimax, which a suggestion that is appended cannot.
    rules = {rule.name: rule for rule in alarm_rules_of("loss=minimax")}
    saturated = {**HEALTHY, **SICK["vanishing_gradient"]}
    assert "-log D" in rules["vanishing_gradient"].message(saturated | {"diagnosis/gradient_peak": 1.0})
    assert rules["vanishing_gradient"].suggestion(saturated) == rules["discriminator_too_strong"].suggestion(saturated)


@pytest.mark.parametrize(
    ("rates", "overrides"),
    [
        ({"lr/g": 2e-4, "lr/d": 1e-4}, "optimizer.lr_g=5e-05 optimizer.lr_d=2.5e-05"),
        ({"lr/g": 10.0, "lr/d": 10.0}, "optimizer.lr_g=0.0002 optimizer.lr_d=0.0002"),
        ({"lr/g": 2e-4, "lr/d": 10.0}, "optimizer.lr_d=0.0002"),
        ({"lr/g": 0.0, "lr/d": 2e-4}, "optimizer.lr_d=5e-05"),
        ({"lr/g": 1e-3}, "optimizer.lr=0.00025"),
        ({"lr/g": 1.0}, "optimizer.lr=0.001"),
    ],
)
def test_a_number_that_is_not_finite_asks_for_smaller_rates_of_each_network(
    rates: dict[str, float], overrides: str
) -> None:
    (alarm,) = AlarmMonitor(DiagnosticsSection(), []).check(7, {"loss/d": math.nan, **rates}).raised
    assert alarm.overrides == overrides


def test_a_number_that_is_not_finite_takes_one_line_of_110_characters() -> None:
    scalars = {**HEALTHY, **dict.fromkeys(HEALTHY, math.nan), "lr/g": 10.0, "lr/d": 10.0}
    (alarm,) = new_monitor().check(100_000, scalars, "a loss was not finite at step 99951").raised
    assert len(f"step 100000: {alarm}") <= 110
    assert "more metrics are not finite" in alarm.message
