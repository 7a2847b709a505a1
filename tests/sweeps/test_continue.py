"""A sweep continues after whatever ended it, and loses and doubles nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from gan_cli.storage.run_directory import RunDirectory
from gan_cli.sweeps.command import Command as SweepCommand
from gan_cli.sweeps.job_registry import JobRegistry
from tests.conftest import TINY, Command
from tests.helpers.preloaded import PreloadedProcess
from tests.helpers.run_directories import has_reported, read_summary, wait_for
from tests.helpers.sweeps import jobs_of
from tests.soak.equality import figures, same

SMALL = (*TINY, "train.batch_size=4", "train.sample_count=4", "train.log_every=5", "train.sample_every=0")
STEPS = ("train.steps=150", "train.checkpoint_every=25")


def statuses(sweep: Path) -> list[object]:
    return [read_summary(directory)["status"] for directory in jobs_of(sweep)]


def files(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Time of the last change and content of every file."""
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def start_sweep(*arguments: str) -> PreloadedProcess:
    """Start a sweep that leads a process group of its own."""
    return PreloadedProcess("gan_cli", ["-m", *arguments], new_session=True)


def assert_same_runs(directories: Sequence[Path], others: Sequence[Path]) -> None:
    for one, other in zip(directories, others, strict=True):
        assert one.name == other.name
        assert read_summary(one)["status"] == read_summary(other)["status"]
        if read_summary(one)["status"] == "completed":
            assert figures(one) == figures(other)
            states = [torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (one, other)]
            same(states[0]["algorithm"], states[1]["algorithm"], "algorithm")


def finishes_what_was_missing(gan_train: Command, arguments: Sequence[str], half: int) -> None:
    """Kill a sweep while job number ``half`` is half done, continue it, and compare it with an undisturbed one."""
    process = start_sweep(*arguments, "hydra.sweep.dir=killed")
    whole = jobs_of(Path("whole"))
    half_done = Path("killed") / whole[half].name
    wait_for(has_reported(half_done, 30))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (half_done / "summary.json").exists(), "it was to be killed half-way"
    started = jobs_of(Path("killed"))
    assert len(started) == half + 1
    completed = [job for job in started[:half] if read_summary(job)["status"] == "completed"]
    before = [files(directory) for directory in completed]

    done = gan_train("-m", *arguments, "sweep.continue=killed")
    assert done.status == (1 if "failed" in statuses(Path("whole")) else 0), done.err
    continued = re.findall(r"continuing from step (\d+) in (.*)", done.err)
    assert [(int(step) % 25, directory) for step, directory in continued] == [(0, str(half_done.absolute()))]
    assert f"{len(completed)} skipped (completed before), 1 resumed" in done.err
    assert [files(directory) for directory in completed] == before
    assert_same_runs(jobs_of(Path("killed")), whole)


@pytest.mark.slow
def test_killed_sweep_finishes_exactly_what_was_missing(gan_train: Command, workplace: Path) -> None:
    arguments = ("seed=0,1,2", *SMALL, *STEPS)
    assert gan_train("-m", *arguments, "hydra.sweep.dir=whole").status == 0
    finishes_what_was_missing(gan_train, arguments, half=1)


@pytest.mark.slow
def test_killed_sweep_with_bad_combinations(gan_train: Command, workplace: Path) -> None:
    arguments = ("loss=jsd,wgan,hinge", "seed=0,1", "optimizer.lr_g=1e-4,-1", *SMALL, *STEPS)
    undisturbed = gan_train("-m", *arguments, "hydra.sweep.dir=whole")
    assert undisturbed.status == 1
    assert undisturbed.err.count("optimizer.lr_g: expected a number from 0 to 1e+38") == 6
    assert "gan-train: job 3 (loss=jsd,optimizer.lr_g=-1,seed=1): optimizer.lr_g: expected" in undisturbed.err
    assert (
        "6 of 12 jobs failed: loss=jsd,optimizer.lr_g=-1,seed=0; loss=jsd,optimizer.lr_g=-1,seed=1" in undisturbed.err
    )
    assert "Traceback" not in undisturbed.err
    assert statuses(Path("whole")) == ["completed", "failed"] * 6
    finishes_what_was_missing(gan_train, arguments, half=4)


@pytest.mark.slow
def test_interrupted_sweep_goes_on_with_more_steps(gan_train: Command, workplace: Path) -> None:
    process = start_sweep("seed=0,1", *SMALL, "train.steps=1000000", "hydra.sweep.dir=sweep")
    wait_for(has_reported(Path("sweep/seed=0"), 30))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 143
    assert f"sweep.continue={Path('sweep').absolute()} continues" in err
    (interrupted,) = jobs_of(Path("sweep"))
    step = read_summary(interrupted)["step"]
    assert isinstance(step, int)
    # A name that Hydra would make of this command is another one.
    done = gan_train("-m", "seed=0,1", *SMALL, f"train.steps={step + 5}", "sweep.continue=sweep")
    assert done.status == 0, done.err
    assert "0 skipped (completed before), 1 resumed" in done.err
    assert [read_summary(directory)["step"] for directory in jobs_of(Path("sweep"))] == [step + 5] * 2
    assert jobs_of(Path("sweep"))[0] == interrupted
    # The command is kept: what may change is all that has to be typed.
    done = gan_train("-m", "sweep.continue=sweep", f"train.steps={step + 4}", "device.threads=1")
    assert done.status == 0, done.err
    assert "2 skipped (completed before), 0 resumed" in done.err


@pytest.mark.slow
def test_equal_jobs_have_a_directory_each_and_keep_it(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "seed=0,0", *SMALL, "train.steps=2", "device.deterministic=true", "device.threads=2")
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert gan_train(*arguments, "hydra.sweep.dir=sweep").status == 0
    assert not torch.are_deterministic_algorithms_enabled(), "the process is as it was before the jobs"
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    names = [directory.name for directory in jobs_of(Path("sweep"))]
    assert names[1] == f"{names[0]}_1"
    before = [files(directory) for directory in jobs_of(Path("sweep"))]
    done = gan_train(*arguments, "sweep.continue=sweep")
    assert (done.status, "2 skipped" in done.err) == (0, True)
    assert [files(directory) for directory in jobs_of(Path("sweep"))] == before


@pytest.mark.slow
def test_run_that_died_before_its_first_checkpoint_begins_again(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "seed=0,1", *SMALL, "train.steps=5", "hydra.sweep.dir=sweep")
    assert gan_train(*arguments).status == 0
    (first, second), dead = jobs_of(Path("sweep")), RunDirectory(jobs_of(Path("sweep"))[1])
    expected = figures(second)
    for file in (*dead.checkpoints.iterdir(), dead.summary, dead.hydra / "config.yaml"):
        file.unlink()
    (second / "notes.txt").write_text("somebody else's")
    assert gan_train(*arguments[:-1], "sweep.continue=sweep").status == 0
    assert jobs_of(Path("sweep")) == [first, second]
    assert figures(second) == expected
    assert (second / "notes.txt").exists()
    assert len(list(second.glob("events.out.*"))) == 1


@pytest.mark.slow
def test_what_diverged_is_run_again_only_otherwise(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "optimizer=sgd", "optimizer.lr=1e-3,1e4", *SMALL, "train.steps=10", "train.checkpoint_every=2")
    assert gan_train(*arguments, "hydra.sweep.dir=sweep").status == 1
    diverged = jobs_of(Path("sweep"))[1]
    found = read_summary(diverged)
    assert (found["status"], found["exit_status"]) == ("diverged", 4)
    before = files(diverged)
    done = gan_train(*arguments, "sweep.continue=sweep")
    assert done.status == 1
    assert "not run again, since nothing has changed" in done.err
    assert "1 of 2 jobs failed: optimizer.lr=10000.0" in done.err
    assert files(diverged) == before
    gan_train(*arguments, "train.non_finite=skip", "sweep.continue=sweep")
    assert files(diverged) != before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=1,2"], ["seed=1,2, which had seed=0,1"]),
        (["seed=0,1", "loss=wgan"], ["loss=wgan, which it did not have"]),
        (["loss=jsd"], ["loss=jsd, which it did not have; without seed=0,1"]),
        (["seed=0,1", "train.steps=2,3"], ["train.steps=2,3"]),
        (["seed=0,1", "hydra/sweeper=optuna"], ["hydra/sweeper=optuna"]),
    ],
)
def test_another_command_is_refused(
    arguments: list[str], words: list[str], gan_train: Command, workplace: Path
) -> None:
    SweepCommand(("seed=0,1", "train.steps=1"), ("hydra.launcher.n_jobs=2",)).write(
        JobRegistry(workplace / "sweep").folder
    )
    done = gan_train("-m", *arguments, "sweep.continue=sweep")
    assert done.status == 2
    assert done.err.startswith("gan-train: sweep.continue=sweep: the sweep began with another command")
    assert len(done.err.splitlines()) == 1
    for word in words:
        assert word in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "sweep.continue=nowhere"], ["nowhere", "no such folder"]),
        (["-m", "sweep.continue=."], ["no sweep", "multirun.yaml"]),
        (["-m", "sweep.continue="], ["expected the directory of a sweep"]),
        (["sweep.continue=."], ["--multirun"]),
        (["-m", "sweep.continue=run"], ["one run", "resume=run"]),
    ],
)
def test_continue_what_is_no_sweep(arguments: list[str], words: list[str], gan_train: Command, workplace: Path) -> None:
    (workplace / "run" / ".hydra").mkdir(parents=True)
    done = gan_train(*arguments)
    assert done.status == 2
    assert len(done.err.splitlines()) == 1
    for word in words:
        assert word in done.err
    assert [path.name for path in workplace.iterdir()] == ["run"]


@pytest.mark.slow
def test_fail_fast_ends_the_sweep_and_continue_opens_it_again(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "optimizer.lr=1e-3,-1,1e-4", *SMALL, "train.steps=1")
    done = gan_train(*arguments, "sweep.fail_fast=true", "hydra.sweep.dir=sweep")
    assert done.status == 1
    assert "1 of 2 jobs failed" in done.err
    assert "sweep.fail_fast" in done.err
    assert statuses(Path("sweep")) == ["completed", "failed"]
    done = gan_train(*arguments, "sweep.continue=sweep")
    assert done.status == 1
    assert "1 of 3 jobs failed" in done.err
    assert statuses(Path("sweep")) == ["completed", "failed", "completed"]


def test_bug_shows_its_traceback_and_takes_no_other_job_with_it(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_cli.training import loop

    trained, calls = loop.train, iter([True, False])

    def broken(*arguments: object) -> int:
        if next(calls):
            raise ZeroDivisionError("a mistake of ours")
        return trained(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "train", broken)
    done = gan_train("-m", "seed=0,1", *SMALL, "train.steps=1", "hydra.sweep.dir=sweep")
    assert done.status == 1
    assert "Traceback" in done.err
    assert "job 0 (seed=0): a bug: ZeroDivisionError: a mistake of ours" in done.err
    assert statuses(Path("sweep")) == ["failed", "completed"]
    found = read_summary(jobs_of(Path("sweep"))[0])
    assert (found["exit_status"], found["error"]) == (1, "a bug: ZeroDivisionError: a mistake of ours")


@pytest.mark.slow
def test_runs_trained_as_one_are_never_overwritten(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "loss=jsd,wgan", *SMALL, "train.replicas=2", "train.steps=2")
    assert gan_train(*arguments, "hydra.sweep.dir=sweep").status == 0
    done = gan_train(*arguments, "sweep.continue=sweep")
    assert (done.status, "2 skipped" in done.err) == (0, True)
    first = jobs_of(Path("sweep"))[0]
    (first / "seed_1" / "summary.json").unlink()
    before = files(first)
    done = gan_train(*arguments, "sweep.continue=sweep")
    assert done.status == 1
    assert "job 0 (loss=jsd): started and not ended at step 0; runs that are trained as one" in done.err
    assert "1 of 2 jobs failed" in done.err
    assert files(first) == before


@pytest.mark.slow
def test_job_that_another_process_is_at_is_left_alone(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", "seed=0,1", *SMALL, "train.steps=2")
    assert gan_train(*arguments, "hydra.sweep.dir=sweep").status == 0
    first, second = jobs_of(Path("sweep"))
    for directory in (first, second):
        (directory / "summary.json").unlink()
    before = files(first), files(second)
    registry = JobRegistry(Path("sweep"))
    with registry.locked(registry.entries()[0]), RunDirectory(second).locked():
        done = gan_train(*arguments, "sweep.continue=sweep")
    assert done.status == 1
    assert done.err.count("another process is training in this directory") == 2
    assert (files(first), files(second)) == before
