"""Alarms of whole runs, from the metrics that were recorded of them: what is raised, when, and what is suggested.

The runs are those of docs/diagnosis.md on the ring of eight Gaussians; ``recorded/`` has what the rules need.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_cli.diagnostics.monitor import AlarmMonitor
from tests.helpers.plans import planned

RECORDED = Path(__file__).parent / "recorded"
SETTINGS = {
    "modes_lost": ("dataset=ring8", "optimizer.lr=1e-3"),
    "hopping": ("dataset=ring8", "optimizer.lr_g=1e-3", "optimizer.lr_d=2e-4"),
    "saturated": ("dataset=ring8", "loss=minimax", "optimizer.lr_d=1e-3", "optimizer.lr_g=1e-4"),
    "slow_start": ("dataset=ring8", "optimizer.lr=2e-4"),
}
EXPECTED = {
    # G finds all modes, and loses five of eight between steps 1,500 and 2,500.
    "modes_lost": ["step 3200: mode_collapse: samples cover 29% of the modes. Try pac=4"],
    # G covers one mode, and moves on to the next when D has learned it.
    "hopping": [
        "step 250: discriminator_too_weak: D's AUC is 0.49, where 0.5 is chance. Try optimizer.lr_d=0.001",
        "step 400: mode_collapse: samples cover 20% of the modes. See discriminator_too_weak (step 250)",
    ],
    # D is trained 20 times as often as G, whose loss is log(1 - D).
    "saturated": [
        "step 80: mode_collapse: samples differ 6% as much as data do. Try pac=4",
        "step 100: discriminator_too_strong: D classifies 100.0% of samples correctly. Try noise=adaptive",
        "step 300: vanishing_gradient: G's gradient is 0.0028 of its peak. See discriminator_too_strong (step 100)",
    ],
    # All modes after 1,000 steps.
    "slow_start": [],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_recorded_run(name: str) -> None:
    plan = planned(*SETTINGS[name])
    monitor = AlarmMonitor(plan.config.diagnostics, plan.family.alarm_rules(plan.config, plan))
    lines = []
    for row in map(json.loads, (RECORDED / f"{name}.jsonl").read_text().splitlines()):
        checked = monitor.check(step := row.pop("step"), row)
        lines += [f"step {step}: {alarm}" for alarm in checked.raised]
        lines += [f"step {step}: {ended} is over" for ended in checked.ended]
    assert lines == EXPECTED[name]
    assert len(monitor.lasting) == len(lines)
