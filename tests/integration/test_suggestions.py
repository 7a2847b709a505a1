"""Each command of docs/diagnosis.md that raises an alarm raises it, and the same with the suggestion does better."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from gan_cli.config.reference.options import Catalog
from gan_cli.diagnostics.rules import NON_FINITE, Level
from tests.conftest import Command
from tests.helpers.paths import ROOT
from tests.helpers.plans import alarm_rules_of
from tests.helpers.run_directories import read_metrics, read_summary

PAGE = ROOT / "docs" / "diagnosis.md"
# By family and alarm, the metric that stands for the problem, and whether more of it is better.
MEASURE = {
    ("gan", "mode_collapse"): ("diagnosis/modes", True),
    ("gan", "discriminator_too_weak"): ("d/auc", True),
    ("gan", "discriminator_too_strong"): ("divergence/jsd", False),
    ("gan", "vanishing_gradient"): ("diagnosis/gradient", True),
    ("gan", "discriminator_overfits"): ("diagnosis/held_out_gap", False),
    ("gan", "oscillation"): ("diagnosis/swing", False),
    ("vae", "posterior_collapse"): ("vae/active_share", True),
    ("vae", NON_FINITE): ("step", True),
    ("diffusion", "loss_does_not_fall"): ("diffusion/explained", True),
    ("seqgan", "mode_collapse"): ("diagnosis/distinct_2", True),
    ("seqgan", "discriminator_too_strong"): ("reward/mean", True),
}
# Latest reports over which it is averaged.
REPORTS = 5
# Runs that take more than a minute on one core.
LONG = (("gan", "discriminator_overfits"),)


@dataclass(frozen=True)
class Case:
    """A command that raises an alarm, what the console shows then, and the command with the suggestion."""

    alarm: str
    raises: tuple[str, ...]
    lines: tuple[str, ...]
    follows: tuple[str, ...]

    @property
    def family(self) -> str:
        return next((word.partition("=")[2] for word in self.raises if word.startswith("algorithm=")), "gan")

    @property
    def added(self) -> tuple[str, ...]:
        """The overrides by which the second command is longer than the first."""
        return self.follows[len(self.raises) :]


def documented_cases() -> list[Case]:
    """Return the cases of the section "What triggers what", in the order of the page."""
    section = PAGE.read_text().partition("## What triggers what")[2].partition("\n## ")[0]
    pattern = re.compile(
        r"```bash\ngan-train ([^\n]*)\n```.*?```text\n(.*?)\n```.*?```bash\ngan-train ([^\n]*)\n```", re.DOTALL
    )
    blocks = section.split("\n### ")[1:]
    cases = []
    for block in blocks:
        found = pattern.search(block)
        assert found, block
        raises, lines, follows = found.groups()
        alarm = block.split("`")[1]
        cases.append(Case(alarm, tuple(shlex.split(raises)), tuple(lines.splitlines()), tuple(shlex.split(follows))))
    return cases


CASES = documented_cases()


def name_of(case: Case) -> str:
    return f"{case.family}-{case.alarm}"


def test_every_case_is_measured() -> None:
    assert {(case.family, case.alarm) for case in CASES} == set(MEASURE)


def test_every_alarm_of_every_family_has_a_case() -> None:
    known = set()
    for family in Catalog().names("algorithm"):
        data = ["dataset=oracle"] if family == "seqgan" else []
        rules = alarm_rules_of(f"algorithm={family}", *data)
        known |= {(family, rule.name) for rule in rules if rule.level is Level.alarm}
    cases = {(case.family, case.alarm) for case in CASES}
    assert {case for case in cases if case[1] != NON_FINITE} == known
    assert NON_FINITE in {alarm for _, alarm in cases}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_second_command_is_the_first_with_what_the_console_says(case: Case) -> None:
    assert case.follows[: len(case.raises)] == case.raises
    assert case.added
    assert [line for line in case.lines if line.endswith(f"Try {' '.join(case.added)}")]
    assert re.match(rf"step \d+: {case.alarm}: ", case.lines[-1])
    assert max(map(len, case.lines)) <= 110


def slow_case(case: Case) -> Any:
    mark = pytest.mark.long if (case.family, case.alarm) in LONG else pytest.mark.slow
    return pytest.param(case, id=name_of(case), marks=mark)


@pytest.mark.parametrize("case", [*map(slow_case, CASES)])
def test_a_suggestion_that_is_followed_helps(case: Case, gan_train: Command) -> None:
    quiet = ("device.threads=1", "train.sample_every=0", "train.sample_count=4")
    first = gan_train(*case.raises, *quiet, "hydra.run.dir=first")
    assert first.status == (4 if case.alarm == NON_FINITE else 0), first.err
    before = read_summary("first")
    (raised, *_) = [alarm for alarm in before["alarms"] if alarm["name"] == case.alarm]
    suggested = shlex.split([alarm["overrides"] for alarm in before["alarms"] if alarm["overrides"]][-1])
    assert suggested == list(case.added)
    assert raised["step"] > 0
    second = gan_train(*case.raises, *suggested, *quiet, "hydra.run.dir=second")
    assert second.status == 0, second.err
    after = read_summary("second")
    assert case.alarm not in {alarm["name"] for alarm in after["alarms"]}
    tag, more_is_better = MEASURE[case.family, case.alarm]
    values = [latest(name, tag) for name in ("first", "second")]
    assert (values[1] > values[0]) == more_is_better, (tag, values)


def latest(directory: str, tag: str) -> float:
    rows: list[dict[str, Any]] = read_metrics(directory)[-REPORTS:]
    return sum(row[tag] for row in rows) / len(rows)
