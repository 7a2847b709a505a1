"""Lines before the first step and after the last."""

from __future__ import annotations

import pytest

from gan_cli.config.compose import compose, register
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.callbacks import Alarm
from gan_cli.training import planning
from gan_cli.training.announcements import describe_alarms, opening
from gan_cli.training.plan_summary import rows_of_plan


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def alarm(name: str, step: int = 5) -> Alarm:
    return Alarm(name, step, step, {}, "message", "suggestion")


@pytest.mark.parametrize(
    ("raised", "lasting", "line"),
    [
        ([], [], ""),
        (["a"], ["a"], ""),
        (["a", "b"], ["a", "b"], ""),
        (["a"], [], "alarms: a"),
        (["a", "a"], ["a"], "alarms: a (2 times)"),
        (["a", "b"], ["b"], "alarms: a, b"),
        ([NON_FINITE], [], ""),
    ],
)
def test_alarms_are_counted_unless_all_are_named_as_lasting(raised: list[str], lasting: list[str], line: str) -> None:
    assert describe_alarms([alarm(name) for name in raised], [alarm(name) for name in lasting]) == line


@pytest.mark.parametrize(
    ("penalty", "words"),
    [("none", "loss jsd, 1"), ("r1", "loss jsd, penalty r1, 1"), ("[r1,r2]", "loss jsd, penalties r1, r2, 1")],
)
def test_loss_is_named_with_its_penalties(penalty: str, words: str) -> None:
    composed = compose(["dataset=ring8", "loss=jsd", f"loss/penalty={penalty}"])
    lines = list(opening(planning.plan(composed.config), composed))
    assert any(line.startswith(words) for line in lines), lines


def test_dry_run_has_options_as_they_are_typed() -> None:
    rows = rows_of_plan(planning.plan(compose(["dataset=mnist", "architecture=mlp", "train.steps=12000"]).config))
    assert "activation=relu, " in rows["architecture"] or "activation=leaky_relu, " in rows["architecture"]
    assert "<" not in "".join(rows.values())
    assert rows["train"].startswith("12,000 steps")
