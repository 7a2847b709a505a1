"""N steps equal k steps, a stop of any kind, and N - k steps, bitwise; nothing reported is lost or doubled."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Command, locked, start_gan_train
from tests.helpers.run_directories import has_reported, wait_for
from tests.soak.equality import curves, figures, same_run

STEPS = 240
CADENCE = (
    "train.log_every=20",
    "train.sample_every=60",
    "train.checkpoint_every=50",
    "train.batch_size=16",
    "train.sample_count=4",
)
RUNS = {
    "jsd_noise_dcgan": (
        "loss=jsd",
        "noise=linear",
        f"noise.steps={STEPS}",
        "architecture=dcgan",
        "architecture.width=32",
    ),
    "wgan_mlp": (
        "loss=wgan",
        "architecture=mlp",
        "architecture.generator_hidden=[64,64]",
        "optimizer/decay=cosine",
        f"optimizer.decay.steps={STEPS}",
    ),
}

# The second recipe, whose processes double the time, waits for the slow tier.
RECIPES = ("jsd_noise_dcgan", pytest.param("wgan_mlp", marks=pytest.mark.slow))


def assert_same_run(resumed: Path, undisturbed: Path) -> None:
    same_run(resumed, undisturbed)
    for tag, points in curves(resumed).items():
        due = range(0, STEPS + 1, 60) if tag == "samples" else range(20, STEPS + 1, 20)
        assert [step for step, _ in points] == list(due), tag


@pytest.fixture
def undisturbed(shared_folder: Path) -> Callable[[str], Path]:
    """A run that nothing stopped, for each recipe once."""

    def run(recipe: str) -> Path:
        finished, unfinished = shared_folder / f"undisturbed_{recipe}", shared_folder / f"unfinished_{recipe}"
        with locked(shared_folder / f"undisturbed_{recipe}.lock"):
            if not finished.exists():
                process = start_gan_train(
                    *RUNS[recipe], *CADENCE, f"train.steps={STEPS}", f"hydra.run.dir={unfinished}"
                )
                _, err = process.communicate(timeout=300)
                assert process.returncode == 0, err
                unfinished.rename(finished)
        return finished

    return run


@pytest.mark.parametrize("recipe", RECIPES)
def test_after_a_normal_end(
    recipe: str, gan_train: Command, workplace: Path, undisturbed: Callable[[str], Path]
) -> None:
    # 130 is due neither for the log nor for a sample: what the first process reports at its end is taken back.
    assert gan_train(*RUNS[recipe], *CADENCE, "train.steps=130", "hydra.run.dir=run").status == 0
    assert figures(Path("run"))[-1]["step"] == 130
    done = gan_train("resume=run", f"train.steps={STEPS}")
    assert done.status == 0, done.err
    assert_same_run(workplace / "run", undisturbed(recipe))


@pytest.mark.parametrize(
    ("recipe", "number", "status"),
    [
        ("jsd_noise_dcgan", signal.SIGTERM, 143),
        pytest.param("wgan_mlp", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param("wgan_mlp", signal.SIGUSR1, 138, marks=pytest.mark.slow),
    ],
)
def test_after_a_signal(
    recipe: str,
    number: signal.Signals,
    status: int,
    gan_train: Command,
    workplace: Path,
    undisturbed: Callable[[str], Path],
) -> None:
    process = start_gan_train(*RUNS[recipe], *CADENCE, f"train.steps={STEPS}", "hydra.run.dir=run")
    wait_for(has_reported(workplace / "run", 60))
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    assert "Traceback" not in err
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert 60 <= summary["step"] < STEPS
    last = torch.load("run/checkpoints/last.pt", weights_only=True)
    assert last["step"] == summary["step"]
    assert gan_train("resume=run").status == 0
    assert_same_run(workplace / "run", undisturbed(recipe))


@pytest.mark.parametrize("recipe", RECIPES)
def test_after_a_kill_between_checkpoints(
    recipe: str, gan_train: Command, workplace: Path, undisturbed: Callable[[str], Path]
) -> None:
    process = start_gan_train(*RUNS[recipe], *CADENCE, f"train.steps={STEPS}", "hydra.run.dir=run")
    wait_for(has_reported(workplace / "run", 120))  # the last checkpoint then is that of step 100
    process.kill()
    process.communicate(timeout=300)
    assert not Path("run/summary.json").exists()
    assert gan_train("resume=run").status == 0
    assert_same_run(workplace / "run", undisturbed(recipe))


def test_after_the_clock_was_set_back(
    gan_train: Command, workplace: Path, undisturbed: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.time
    for back, steps in ((0, 70), (3600, 150), (7200, STEPS)):
        monkeypatch.setattr(time, "time", lambda back=back: clock() - back)
        done = gan_train(
            *(["resume=run"] if back else [*RUNS["wgan_mlp"], *CADENCE, "hydra.run.dir=run"]), f"train.steps={steps}"
        )
        assert done.status == 0, done.err
    assert_same_run(workplace / "run", undisturbed("wgan_mlp"))


def test_second_interrupt_leaves_at_once(workplace: Path) -> None:
    process = start_gan_train("train.steps=1000000", "hydra.run.dir=run", "train.log_every=1", "loss.d_steps=10000")
    wait_for((workplace / "run" / "samples" / "step_00000000.png").exists)
    # One step takes far longer than the test; the first signal waits for its end, the second does not.
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130


def test_finished_run_keeps_its_last_report(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS["wgan_mlp"], *CADENCE, "train.steps=30", "hydra.run.dir=run").status == 0
    before = figures(Path("run"))
    assert gan_train("resume=run").status == 0
    assert figures(Path("run")) == before
    assert [line["step"] for line in before] == [20, 30]


@pytest.mark.locks
def test_two_processes_do_not_train_in_one_directory(gan_train: Command, workplace: Path) -> None:
    process = start_gan_train(*RUNS["wgan_mlp"], *CADENCE, "train.steps=100000", "hydra.run.dir=run")
    wait_for(has_reported(workplace / "run", 60))
    refused = gan_train("resume=run")
    process.terminate()
    process.communicate(timeout=300)
    assert refused.status == 2
    assert "another process" in refused.err
