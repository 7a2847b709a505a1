"""The command that shows where a step's time goes: its tables cover the whole step and the whole limit."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.recipes import CONF_DIR
from gan_cli.bench import limit as bench_limit
from gan_cli.bench.profiling import OperatorTimes
from gan_cli.config.compose import compose, register
from gan_cli.training import planning
from tests.benchmarks.test_speed import script
from tests.conftest import SHORT, TINY
from tests.helpers.paths import ROOT

limit = script("limit")

PAGE = (ROOT / "docs" / "performance.md").read_text()
COMMANDS = [shlex.split(line)[2:] for line in re.findall(r"^python benchmarks/limit\.py.*$", PAGE, re.MULTILINE)]


def test_tables_of_a_run(workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_limit, "ROUND_SECONDS", 1e-5)
    monkeypatch.setattr(limit, "PERIODS", 2)
    overrides = ["dataset=ring8", "loss.d_steps=2", "device.precision=fp32", *TINY, *SHORT]
    monkeypatch.setattr(sys, "argv", ["limit.py", *overrides, "--seconds", "0.05", "--json", "limit.json"])
    limit.main()
    printed = capsys.readouterr().out
    found = json.loads((workplace / "limit.json").read_text())
    assert found["overrides"] == overrides
    assert sum(each["count"] for each in found["products"] if each["flops"]) == found["limit"]["products"] == 21
    assert next(each for each in found["products"] if not each["flops"])["count"] == 2 + 1 + 1  # D, G, average
    assert min(found["operators"].values()) > 0
    assert "| addmm 8x2, 2x8T |" in printed
    assert "| aten::addmm |" in printed


def test_short_operators_are_summed() -> None:
    profiled = OperatorTimes(100.0, {"long": 60.0, "short": 0.3, "shorter": 0.2})
    found = limit.operator_lines(profiled)
    assert found == [("long", 60.0), (limit.OTHERS, pytest.approx(0.5)), (limit.OUTSIDE, 39.5)]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_of_the_page_are_valid(arguments: list[str]) -> None:
    register()
    overrides = [word for word in arguments if "=" in word]
    planning.plan(compose([*overrides, "device=cpu"], CONF_DIR).config)
    assert COMMANDS
