"""Each command of docs/diagnosis.md that raises an alarm raises it, and the same with the suggestion does better."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Command
from tests.helpers.paths import ROOT
from tests.helpers.run_directories import read_metrics, read_summary

PAGE = ROOT / "docs" / "diagnosis.md"
# The metric that stands for each problem, and whether more of it is better.
MEASURE = {
    "mode_collapse": ("diagnosis/modes", True),
    "discriminator_too_weak": ("d/auc", True),
}
# Latest reports over which it is averaged.
REPORTS = 5


@dataclass(frozen=True)
class Case:
    """A command that raises an alarm, the line that the console shows then, and the command with the suggestion."""

    alarm: str
    raises: tuple[str, ...]
    line: str
    follows: tuple[str, ...]


def documented_cases() -> list[Case]:
    """Return the cases of the section "What triggers what", in the order of the page."""
    section = PAGE.read_text().partition("## What triggers what")[2].partition("\n## ")[0]
    pattern = re.compile(r"```bash\ngan-train (.*)\n```.*?```text\n(.*)\n```.*?```bash\ngan-train (.*)\n```", re.DOTALL)
    blocks = section.split("\n### ")[1:]
    cases = []
    for block in blocks:
        found = pattern.search(block)
        assert found, block
        raises, line, follows = found.groups()
        cases.append(Case(block.split("`")[1], tuple(shlex.split(raises)), line, tuple(shlex.split(follows))))
    return cases


CASES = documented_cases()


def test_every_case_is_measured() -> None:
    assert {case.alarm for case in CASES} == set(MEASURE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alarm)
def test_the_second_command_is_the_first_with_what_the_line_says(case: Case) -> None:
    added = case.follows[len(case.raises) :]
    assert case.follows[: len(case.raises)] == case.raises
    assert added
    assert case.line.endswith(f"Try {' '.join(added)}")
    assert re.match(rf"step \d+: {case.alarm}: ", case.line)
    assert len(case.line) <= 110


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alarm)
def test_a_suggestion_that_is_followed_helps(case: Case, gan_train: Command) -> None:
    quiet = ("device.threads=1", "train.sample_every=0", "train.sample_count=4")
    first = gan_train(*case.raises, *quiet, "hydra.run.dir=first")
    assert first.status == 0, first.err
    before = read_summary("first")
    (raised, *_) = [alarm for alarm in before["alarms"] if alarm["name"] == case.alarm]
    suggested = shlex.split([alarm["overrides"] for alarm in before["alarms"] if alarm["overrides"]][-1])
    assert suggested == list(case.follows[len(case.raises) :])
    assert raised["step"] > 0
    second = gan_train(*case.raises, *suggested, *quiet, "hydra.run.dir=second")
    assert second.status == 0, second.err
    after = read_summary("second")
    assert case.alarm not in {alarm["name"] for alarm in after["alarms"]}
    tag, more_is_better = MEASURE[case.alarm]
    values = [latest(name, tag) for name in ("first", "second")]
    assert (values[1] > values[0]) == more_is_better, (tag, values)


def latest(directory: str, tag: str) -> float:
    rows: list[dict[str, Any]] = read_metrics(directory)
    return sum(row[tag] for row in rows[-REPORTS:]) / REPORTS
