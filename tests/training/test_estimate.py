"""A dry run estimates what a run will take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_cli.config.compose import compose, register
from gan_cli.runtime import memory
from gan_cli.training import planning
from gan_cli.training.estimate import MAX_FORWARD_FLOPS, StepCosts, estimate, measure
from gan_cli.training.plan_summary import rows_of_estimate, rows_of_plan
from tests.conftest import SHORT, TINY, Command


def planned(*overrides: str) -> planning.Plan:
    register()
    return planning.plan(compose([*TINY, *SHORT, *overrides]).config)


def test_time_is_that_of_steps_reports_and_pictures() -> None:
    plan = planned("train.steps=100", "train.log_every=10", "train.sample_every=50")
    need = estimate(plan, StepCosts(step=0.5, report=2.0, preview=3.0))
    assert need.seconds == pytest.approx(100 * 0.5 + 10 * 2 + 2 * 3)
    assert estimate(plan, StepCosts(why_not="no reason")).seconds is None


def test_evaluations_count_apart_with_the_time_of_drawing_samples() -> None:
    plan = planned("train.steps=95", "train.eval_every=10", "evaluation.samples=300")
    need = estimate(plan, StepCosts(step=0.5, report=0.0, preview=0.0, sample=0.01))
    assert (need.evaluations, need.drawn, need.drawing) == (10, 300, pytest.approx(3.0))
    assert need.seconds == pytest.approx(95 * 0.5)
    line = "10 of up to 300 samples, beside that time"
    drawing = "drawing them takes about 3.0 s each, comparing them with real ones comes on top"
    assert rows_of_estimate(need)["evaluations"] == f"{line}: {drawing}"
    assert rows_of_estimate(estimate(plan, StepCosts(why_not="no reason")))["evaluations"] == line
    assert "evaluations" not in rows_of_estimate(estimate(planned(), StepCosts(why_not="no reason")))


def test_checkpoints_are_those_that_are_kept() -> None:
    plan = planned("train.steps=10", "train.checkpoint_every=4", "train.keep_checkpoints=2")
    need = estimate(plan, StepCosts(why_not="no reason"))
    assert need.checkpoints == 2
    assert "with 2 checkpoints of " in rows_of_estimate(need)["disk"]
    assert estimate(planned("train.steps=3", "train.checkpoint_every=4"), StepCosts()).checkpoints == 1
    best = planned(
        "train.steps=10", "train.keep_checkpoints=2", "train.eval_every=5", "checkpoint.best=metrics/frechet"
    )
    assert estimate(best, StepCosts()).checkpoints == 2


def test_disk_is_about_what_a_run_writes(gan_train: Command, workplace: Path) -> None:
    wide = ("architecture.generator_hidden=[512]", "architecture.discriminator_hidden=[512]")
    command = (*TINY, *SHORT, *wide, "train.steps=6", "train.checkpoint_every=2", "train.sample_every=0")
    assert gan_train(*command, "hydra.run.dir=run").status == 0
    written = sum(file.stat().st_size for file in Path("run").rglob("*") if file.is_file() and not file.is_symlink())
    need = estimate(planning.plan(compose(command).config), StepCosts())
    assert need.disk == pytest.approx(written, rel=0.5)


@pytest.mark.parametrize("overrides", [(), ("dataset=ring8",), ("algorithm=vae",), ("dataset=mnist",)])
def test_steps_are_measured_without_the_data(overrides: tuple[str, ...], workplace: Path) -> None:
    state = torch.get_rng_state()
    tiny = () if "algorithm=vae" in overrides else TINY
    costs = measure(planning.plan(compose([*tiny, *SHORT, *overrides]).config))
    assert 0 < costs.step < 60
    assert torch.equal(torch.get_rng_state(), state)
    assert list(workplace.parent.iterdir()) == [workplace], "nothing is written, nor downloaded"


def test_what_is_not_measured_says_why() -> None:
    large = replace(planned(), forward_flops=10**15)
    assert measure(large).why_not == "a step takes long on this machine"


def test_long_steps_are_those_of_a_smaller_batch_scaled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("train.batch_size=64")
    monkeypatch.setitem(MAX_FORWARD_FLOPS, "cpu", plan.forward_flops / 4)
    costs = measure(plan)
    assert (costs.batch, costs.peak) == (16, 0)
    assert costs.step > 0
    assert rows_of_estimate(estimate(plan, costs))["time"].endswith("a few steps of 16 samples, scaled up")
    whole = replace(costs, batch=0)
    assert rows_of_estimate(estimate(plan, whole))["time"].endswith("a step; an estimate from a few steps")


def test_peak_is_what_the_system_says_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, clear = tmp_path / "status", tmp_path / "clear_refs"
    status.write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n")
    monkeypatch.setattr(memory, "PROCESS_STATUS", status)
    monkeypatch.setattr(memory, "PROCESS_CLEAR", clear)
    assert memory.PeakMemory(torch.device("cpu")).read() == 2 * 2**20
    assert clear.read_text() == "5", "what was largest before does not count"
    costs = measure(planned("dataset=ring8"))
    assert costs.peak == 2 * 2**20
    assert rows_of_estimate(estimate(planned(), costs))["peak memory"].startswith("about 2.0 MiB")
    monkeypatch.setattr(memory, "PROCESS_CLEAR", tmp_path / "none" / "clear_refs")
    assert memory.PeakMemory(torch.device("cpu")).read() == 0, "systems without it"


def test_parts_of_memory_are_lines_the_largest_first() -> None:
    lines = rows_of_plan(planned("train.batch_size=2", "train.sample_every=1", "train.sample_count=1000"))["memory"]
    first, largest, *_ = lines.splitlines()
    assert first.endswith(" or more")
    assert largest.endswith("for sample grids (train.sample_count=1000)")


def test_dry_run_says_how_long_and_how_much(gan_train: Command, workplace: Path) -> None:
    done = gan_train("dry_run=true", *TINY, *SHORT)
    assert done.status == 0, done.err
    rows = {line[:16].strip(): line[16:] for line in done.out.splitlines()}
    assert rows["time"].startswith("about ")
    assert rows["time"].endswith(" a step; an estimate from a few steps")
    assert rows["disk"].startswith("about ")
    assert list(workplace.iterdir()) == []
