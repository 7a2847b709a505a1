"""``train.replicas``: runs trained as one, each in a directory that is that of a run alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from gan_cli.algorithms.gan.replicas import Replicas
from gan_cli.protocols.algorithm import Report
from tests.conftest import Command, Finished, start_gan_train
from tests.helpers.run_directories import has_reported, wait_for

SMALL = (
    "dataset=ring8",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
    "train.batch_size=8",
    "train.sample_count=4",
    "train.log_every=2",
    "train.sample_every=4",
    "train.checkpoint_every=4",
)


def metrics(run: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]


def summary(run: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(run, "summary.json").read_text())
    return found


def replicas(gan_train: Command, *overrides: str) -> Finished:
    done = gan_train(*SMALL, "train.replicas=3", "seed=4", "train.steps=8", "hydra.run.dir=replicas", *overrides)
    assert done.status == 0, done.err
    return done


def test_every_run_has_a_directory_like_that_of_a_run_alone(gan_train: Command, workplace: Path) -> None:
    done = replicas(gan_train)
    assert sorted(path.name for path in Path("replicas").iterdir()) == ["seed_4", "seed_5", "seed_6"]
    assert gan_train(*SMALL, "seed=5", "train.steps=8", "hydra.run.dir=alone").status == 0
    names = {path.relative_to("alone") for path in Path("alone").rglob("*") if "events" not in path.name}
    found = {
        path.relative_to("replicas/seed_5") for path in Path("replicas/seed_5").rglob("*") if "events" not in path.name
    }
    assert found == names
    for ours, theirs in zip(metrics("replicas/seed_5"), metrics("alone"), strict=True):
        assert ours.keys() == theirs.keys()
        for tag in ours.keys() - {"time", "speed/steps_per_second", "speed/images_per_second"}:
            assert ours[tag] == pytest.approx(theirs[tag], rel=1e-2, abs=1e-3), tag
    assert summary("replicas/seed_5")["images_seen"] == 64
    assert done.err.count("data: ") == 1, "what holds for all is said once"
    assert done.err.count("step 8/8") == 1
    assert done.err.splitlines()[-2].startswith("compare:   gan-report ")
    assert done.err.splitlines()[-2].endswith("/replicas") or done.err.splitlines()[-2].endswith(" replicas")
    assert "step 8/8" in Path("replicas/seed_6/train.log").read_text()


def test_one_of_the_runs_goes_on_alone(gan_train: Command, workplace: Path) -> None:
    replicas(gan_train)
    done = gan_train("resume=replicas/seed_6", "train.steps=12")
    assert done.status == 0, done.err
    assert [line["step"] for line in metrics("replicas/seed_6")] == [2, 4, 6, 8, 10, 12]
    assert summary("replicas/seed_5")["step"] == 8


def test_sweep_of_replicas(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *SMALL, "loss=jsd,wgan", "train.replicas=2", "train.steps=2", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    runs = sorted(str(path.parent.relative_to("sweep").name) for path in Path("sweep").rglob("summary.json"))
    assert runs == ["seed_0", "seed_0", "seed_1", "seed_1"]


def test_interruption_saves_every_run(workplace: Path) -> None:
    process = start_gan_train(*SMALL, "train.replicas=2", "train.steps=100000", "hydra.run.dir=replicas")
    wait_for(has_reported(Path("replicas/seed_0"), 4))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 143
    for seed in (0, 1):
        found = summary(f"replicas/seed_{seed}")
        assert found["status"] == "interrupted"
        assert Path(f"replicas/seed_{seed}/checkpoints/step_{found['step']:08d}.pt").exists()


def test_a_run_that_diverges_does_not_take_the_others_with_it(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Replicas.report

    def broken(self: Replicas) -> list[Report]:
        first, *others = whole(self)
        return [Report({**first.scalars, "loss/d": float("nan")}, first.histograms, first.headline), *others]

    monkeypatch.setattr(Replicas, "report", broken)
    done = gan_train(*SMALL, "train.replicas=3", "train.steps=8", "hydra.run.dir=replicas")
    assert done.status == 4
    assert "seed_0: training diverged at step 2: loss/d is nan" in done.err
    assert "1 of 3 runs diverged" in done.err
    assert [summary(f"replicas/seed_{seed}")["status"] for seed in range(3)] == ["diverged", "completed", "completed"]
    assert [line["step"] for line in metrics("replicas/seed_0")] == [2]
    assert [line["step"] for line in metrics("replicas/seed_1")] == [2, 4, 6, 8]


def test_a_mistake_writes_nothing(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*SMALL, "train.replicas=2", "loss=wgan_gp")
    assert done.status == 2
    assert "train.replicas: expected 1" in done.err
    assert list(workplace.iterdir()) == []
    done = gan_train(*SMALL, "train.replicas=0")
    assert done.status == 2
    assert "train.replicas" in done.err
