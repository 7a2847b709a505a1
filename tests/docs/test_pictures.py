"""The pictures of the README can be made again, and show what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
from website import pictures

pytestmark = pytest.mark.slow


def test_run_that_collapses_raises_its_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.alarm()
    alarms = json.loads((tmp_path / "runs/collapsed/summary.json").read_text())["alarms"]
    assert "mode_collapse" in [alarm["name"] for alarm in alarms]
    assert (tmp_path / "alarm.png").stat().st_size > 10_000
