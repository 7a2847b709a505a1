"""A dry run estimates what a run will take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_cli.config.compose import compose
from gan_cli.runs import planning
from gan_cli.runs.estimate import StepCosts, estimate, measure
from tests.conftest import SHORT, TINY, Command


def planned(*overrides: str) -> planning.Plan:
    return planning.plan(compose([*TINY, *SHORT, *overrides]).config)


def test_time_is_that_of_steps_reports_and_pictures() -> None:
    plan = planned("train.steps=100", "train.log_every=10", "train.sample_every=50")
    need = estimate(plan, StepCosts(step=0.5, report=2.0, preview=3.0))
    assert need.seconds == pytest.approx(100 * 0.5 + 10 * 2 + 2 * 3)
    assert estimate(plan, StepCosts(why_not="no reason")).seconds is None


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


def test_dry_run_says_how_long_and_how_much(gan_train: Command, workplace: Path) -> None:
    done = gan_train("dry_run=true", *TINY, *SHORT)
    assert done.status == 0, done.err
    rows = {line[:16].strip(): line[16:] for line in done.out.splitlines()}
    assert rows["time"].startswith("about ")
    assert rows["time"].endswith("an estimate from a few steps, without evaluations")
    assert rows["disk"].startswith("about ")
    assert list(workplace.iterdir()) == []
