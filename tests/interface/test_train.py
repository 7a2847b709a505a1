"""``gan_cli.train``: the run of the command, bit for bit, in a process whose state stays as it was."""

from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

import gan_cli
from gan_cli.errors import ConfigError, DataError, DivergedError, OutputError
from gan_cli.protocols.callbacks import CheckpointEvent, EndEvent, ReportEvent, StartEvent, StepEvent
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, TINY, start_gan_train
from tests.soak.equality import same_run

POINTS = ("dataset=ring8", *TINY, "train.batch_size=8", "train.log_every=2", "train.sample_every=2", "device.threads=1")
DIGITS = ("dataset=digits", *TINY, "train.batch_size=8", "train.log_every=2", "train.sample_every=2")


class Recorder(gan_cli.Callback):
    """Keeps the names of the events, with their steps."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def on_start(self, event: StartEvent) -> None:
        self.seen.append(("start", event.step))

    def on_step(self, event: StepEvent) -> None:
        self.seen.append(("step", event.step))

    def on_report(self, event: ReportEvent) -> None:
        self.seen.append(("report", event.step))

    def on_checkpoint(self, event: CheckpointEvent) -> None:
        self.seen.append(("checkpoint", event.step))

    def on_end(self, event: EndEvent) -> None:
        self.seen.append((event.status, event.step))


class Signals(gan_cli.Callback):
    """Sends this process a signal after a step, any number of times."""

    def __init__(self, number: signal.Signals, step: int, times: int = 1) -> None:
        self.number, self.step, self.times = number, step, times

    def on_step(self, event: StepEvent) -> None:
        for _ in range(self.times if event.step == self.step else 0):
            signal.raise_signal(self.number)


class Stop(gan_cli.Callback):
    """Asks for the end of the run at its first report."""

    def on_report(self, event: ReportEvent) -> ReportEvent:
        return replace(event, stop=True)


@pytest.fixture(autouse=True)
def in_workplace(workplace: Path) -> Iterator[None]:
    """Train in an empty folder, with Python's own handler of Ctrl-C: commands that were tested here leave another."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def other_program(folder: Path) -> Iterator[dict[str, object]]:
    """A program around that uses Hydra and has torch set up in its own way; yields what it finds again afterwards."""
    (folder / "theirs.yaml").write_text("value: ${twice:3}\n")
    OmegaConf.register_new_resolver("twice", lambda number: 2 * number, replace=True)
    initialize_config_dir(str(folder), version_base="1.3")
    HydraConfig.instance().set_config(compose("theirs", return_hydra_config=True))
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield {}
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None


def process_state() -> dict[str, object]:
    """All that a run of the command changes in a process."""
    package = logging.getLogger("gan_cli")
    return {
        "hydra": dict(Singleton._instances),
        "theirs": compose("theirs").value,
        "job": HydraConfig.get().job.name,
        "resolvers": dict(BaseContainer._resolvers),
        "torch": (torch.get_default_dtype(), torch.get_num_threads(), torch.get_float32_matmul_precision()),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "random": (random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "log": (package.level, package.propagate, list(package.handlers), list(logging.getLogger().handlers)),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "folder": Path.cwd(),
    }


@pytest.mark.parametrize("overrides", [POINTS, DIGITS], ids=["ring8", "digits"])
def test_run_is_that_of_the_command_and_leaves_the_process_as_it_was(
    overrides: tuple[str, ...], workplace: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = (*overrides, "device.threads=1", "train.steps=4")
    process = start_gan_train(*overrides, "hydra.run.dir=command")
    process.communicate(timeout=300)
    with other_program(tmp_path):
        before = process_state()
        run = gan_cli.train(*overrides)
        assert process_state() == before
    assert process.returncode == 0
    same_run(Path("command"), run.path)
    assert run.status == "completed"
    assert run.path.relative_to(workplace).parts[0] == "outputs"
    assert "completed at step 4" in capfd.readouterr().err
    assert "completed at step 4" in (run.path / "train.log").read_text()


def test_runs_of_one_process_are_those_of_two_and_resume_is_bitwise() -> None:
    first = gan_cli.train(*POINTS, "train.steps=4")
    second, third = (gan_cli.train(*POINTS, "train.steps=4", callbacks=[Stop()]) for _ in range(2))
    assert second.path != first.path
    assert (second.status, second.step) == ("stopped", 3)
    assert second.resume() is second
    same_run(first.path, second.path)
    assert gan_cli.train(f"resume={third.path}").path == third.path
    same_run(first.path, third.path)
    assert third.resume().step == 4, "there is nothing left to do"


def test_threads_may_train_and_take_turns() -> None:
    runs: list[gan_cli.Run] = []
    threads = [threading.Thread(target=lambda: runs.append(gan_cli.train(*POINTS, "train.steps=4"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    runs.append(gan_cli.train(*POINTS, "train.steps=4"))
    assert len({run.path for run in runs}) == 3
    for run in runs[1:]:
        same_run(runs[0].path, run.path)


def test_callbacks_receive_the_events_of_this_process() -> None:
    recorder = Recorder()
    run = gan_cli.train(*POINTS, "train.steps=2", callbacks=[recorder])
    events = [("start", 0), ("step", 1), ("step", 2), ("checkpoint", 2), ("report", 2), ("completed", 2)]
    assert recorder.seen == events
    again = Recorder()
    run.resume("train.steps=3", callbacks=(again,))
    assert again.seen[0] == ("start", 2)
    assert again.seen[-1] == ("completed", 3)
    assert recorder.seen == events


def test_callback_may_end_a_run() -> None:
    run = gan_cli.train(*POINTS, "train.steps=8", callbacks=[Stop()])
    assert (run.status, run.step) == ("stopped", 3)


def test_error_of_a_callback_is_raised_as_it_is() -> None:
    class Broken(gan_cli.Callback):
        def on_step(self, event: StepEvent) -> None:
            raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        gan_cli.train(*POINTS, "train.steps=2", callbacks=[Broken()])
    assert gan_cli.open("last").status == "failed"


def test_interrupt_saves_a_checkpoint_and_says_how_to_go_on() -> None:
    whole = gan_cli.train(*POINTS, "train.steps=6")
    with pytest.raises(KeyboardInterrupt) as stopped:
        gan_cli.train(*POINTS, "train.steps=6", callbacks=[Signals(signal.SIGINT, step=3)])
    run = gan_cli.open("last")
    assert (
        str(stopped.value)
        == f"step 3 is saved; gan_cli.open({str(run.path.relative_to(Path.cwd()))!r}).resume() trains on"
    )
    assert (run.status, run.step, run.checkpoints) == ("interrupted", 3, [3])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run.resume()
    same_run(whole.path, run.path)


def test_second_interrupt_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        gan_cli.train(*POINTS, "train.steps=6", callbacks=[Signals(signal.SIGINT, step=3, times=2)])
    assert gan_cli.open("last").status == "failed"


@pytest.mark.posix
@pytest.mark.parametrize("early", [False, True], ids=["training", "loading"])
@pytest.mark.slow
def test_signal_that_asks_to_end_ends_the_process_after_a_checkpoint(early: bool, workplace: Path) -> None:
    code = f"""
import signal, gan_cli
class Ends(gan_cli.Callback):
    def on_step(self, event):
        signal.raise_signal(signal.SIGTERM)
if {early}:
    import gan_cli.training.planning as planning
    planning.plan = lambda config: signal.raise_signal(signal.SIGTERM)
gan_cli.train(*{POINTS!r}, "train.steps=6", callbacks=[Ends()])
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert done.stdout == ""
    if not early:
        assert gan_cli.open("last").checkpoints == [1]


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["dataset=rng8"], ConfigError, "dataset=rng8: no such option. Did you mean dataset=ring8?"),
        (["train.stepps=3"], ConfigError, "train.stepps: train has no such key. Did you mean train.steps=3?"),
        (["train.steps=many"], ConfigError, "train.steps: "),
        (
            ["ring8"],
            ConfigError,
            "ring8: not a setting (key=value, in one word). Did you mean gan-train dataset=ring8?",
        ),
        (["seed=1,2"], ConfigError, "seed=1,2: several values; "),
        (["-m", "seed=1,2"], ConfigError, "-m: expected key=value or group=option: flags are those of gan-train"),
        (["--help"], ConfigError, "--help: expected key=value or group=option"),
        ([3], ConfigError, "overrides: expected texts such as 'train.steps=100', got 3"),
        (["dry_run=true"], ConfigError, "dry_run: expected false from Python, got true"),
        (["train.replicas=2", "dataset=ring8"], ConfigError, "train.replicas: expected 1 from Python, got 2"),
        (["resume=nowhere"], ConfigError, "nowhere is no run directory"),
        (["dataset=image_folder", "dataset.path=nowhere"], DataError, "there is no folder"),
        ([*POINTS, "hydra.run.dir=file/run"], OutputError, "Not a directory"),
        ([*POINTS, "train.steps=4", "optimizer.lr=1e30", "train.non_finite=stop"], DivergedError, ""),
    ],
)
def test_mistake_is_an_exception_of_one_line(
    overrides: list[str], error: type[Exception], message: str, workplace: Path
) -> None:
    (workplace / "file").touch()
    with pytest.raises(error) as raised:
        gan_cli.train(*overrides)
    assert str(raised.value).startswith(message) or message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    if error is not DivergedError:
        assert list(workplace.rglob(".hydra")) == []


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([3], "callbacks: expected objects of classes that extend gan_cli.Callback, got 3"),
        (Recorder(), "callbacks: expected a list of callbacks, got one: callbacks=[...]"),
    ],
)
def test_what_is_no_callback_is_rejected(callbacks: object, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        gan_cli.train(*POINTS, callbacks=callbacks)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_one_of_several_processes_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="WORLD_SIZE: expected one process, got 2"):
        gan_cli.train(*POINTS)


def test_options_of_ones_own(workplace: Path) -> None:
    (workplace / "mine" / "experiment").mkdir(parents=True)
    (workplace / "mine" / "experiment" / "own.yaml").write_text("# @package _global_\n\ntrain:\n  steps: 1\n")
    run = gan_cli.train(*POINTS, "experiment=own", config_dir="mine")
    assert run.step == 1
    with pytest.raises(ConfigError, match="--config-dir: there is no folder 'other'"):
        gan_cli.train(*POINTS, config_dir="other")


def test_summary_is_that_of_the_file() -> None:
    run = gan_cli.train(*POINTS, *SHORT)
    assert run.summary == json.loads((run.path / "summary.json").read_text())
    assert RunDirectory(run.path).stored_config() == run.config
