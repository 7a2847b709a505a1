"""Checkpoints that are written while training continues: from a copy, one at a time, and no error is lost."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gan_cli.components.ema import MovingAverage
from gan_cli.errors import OutputError
from gan_cli.protocols.callbacks import ReportEvent
from gan_cli.storage import checkpoints
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import OnWriteError, WriteErrorHandler
from gan_cli.storage.snapshot import snapshot
from gan_cli.telemetry.metrics_file import MetricsFileWriter
from tests.conftest import TINY, Command

SECONDS = 30  # no test waits that long, unless it fails


def writer(policy: OnWriteError = OnWriteError.stop) -> BackgroundWriter:
    return BackgroundWriter(WriteErrorHandler(policy), Path("checkpoints"))


def full_disk() -> None:
    raise OutputError("cannot write checkpoint: No space left on device")


# ---- the thread


def test_training_goes_on_while_a_checkpoint_is_written_and_waits_before_the_next() -> None:
    written, release, order = writer(), threading.Event(), []

    def first() -> None:
        assert release.wait(SECONDS)
        order.append("first")

    written.submit(first)
    written.check()  # does not wait, or the event would never come
    release.set()
    written.wait()
    written.submit(lambda: order.append("second"))
    written.close()
    assert order == ["first", "second"]


def test_thread_ends_with_the_run() -> None:
    before = threading.active_count()
    written = writer()
    written.submit(lambda: None)
    assert threading.active_count() == before + 1
    written.close()
    assert threading.active_count() == before


def test_error_comes_up_in_the_loop() -> None:
    for ask in (BackgroundWriter.wait, BackgroundWriter.finish):
        written = writer()
        written.submit(full_disk)
        with pytest.raises(OutputError, match="No space left"):
            ask(written)
        ask(written)  # once
        written.close()


def test_error_comes_up_without_waiting_once_it_is_there() -> None:
    written, failing = writer(), threading.Event()

    def fail() -> None:
        assert failing.wait(SECONDS)
        full_disk()

    written.submit(fail)
    written.check()
    failing.set()
    assert written._pending is not None
    written._pending.exception(SECONDS)
    with pytest.raises(OutputError):
        written.check()
    written.close()


def test_run_that_goes_on_passes_over_any_but_the_last_error() -> None:
    written = writer(OnWriteError.go_on)
    written.submit(full_disk)
    written.wait()
    written.submit(full_disk)
    with pytest.raises(OutputError):
        written.finish()
    written.close()


def test_bug_in_the_thread_is_raised_whatever_the_policy() -> None:
    written = writer(OnWriteError.go_on)
    written.submit(lambda: [][0])
    with pytest.raises(IndexError):
        written.wait()
    written.close()


def test_closing_waits_for_what_is_being_written() -> None:
    """An error on its way up must not cut a checkpoint short."""
    written, release, done = writer(), threading.Event(), threading.Event()

    def write() -> None:
        assert release.wait(SECONDS)
        done.set()

    written.submit(write)
    threading.Timer(0.05, release.set).start()
    written.close()
    assert done.is_set()


# ---- the copy


def test_copy_does_not_change_with_the_original() -> None:
    weights, numbers = torch.arange(6.0).reshape(2, 3).t(), [1, 2]
    copied = snapshot({"weights": weights, "nested": [{"numbers": numbers, "again": (weights,)}]}).state()
    weights.zero_()
    numbers.append(3)
    expected = torch.arange(6.0).reshape(2, 3).t()
    assert torch.equal(copied["weights"], expected)
    assert copied["weights"].stride() == expected.stride()
    assert copied["nested"][0]["numbers"] == [1, 2]
    assert torch.equal(copied["nested"][0]["again"][0], expected)


def saved_size(state: Any) -> int:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getbuffer().nbytes


def test_tensors_that_share_a_storage_still_do() -> None:
    network = nn.Sequential(nn.Linear(40, 50), nn.BatchNorm1d(50), nn.Linear(50, 40))
    average = MovingAverage(network, half_life=1.0)
    state = {"generator": network.state_dict(), "average": average.network.state_dict()}
    copied = snapshot(state).state()
    for name, tensors in state.items():
        assert copied[name].keys() == tensors.keys()
        assert copied[name]._metadata == tensors._metadata
        assert all(torch.equal(copied[name][key], tensors[key]) for key in tensors)
        storages = {tensor.untyped_storage().data_ptr() for tensor in copied[name].values()}
        assert len(storages) == 2, "that of all floats, and the counter of batch norm"
    assert saved_size(copied) <= saved_size(state)


def test_part_of_a_large_storage_does_not_take_all_of_it_along() -> None:
    stacked = torch.randn(20, 1000)
    copied = snapshot({"mine": stacked[3], "corner": stacked[3, :10], "same": stacked[3]}).state()
    assert torch.equal(copied["mine"], stacked[3])
    assert torch.equal(copied["corner"], stacked[3, :10])
    assert copied["mine"].data_ptr() == copied["same"].data_ptr()
    assert saved_size(copied) < 2 * 4 * 1000


def test_copied_state_is_written_and_read_as_it_was(tmp_path: Path) -> None:
    whole = torch.randn(100)
    state = {"step": 3, "half": whole[:60], "rest": whole[60:], "bits": torch.zeros(5, dtype=torch.uint8), "x": None}
    checkpoints.save(tmp_path, 3, snapshot(state).state(), keep=1)
    loaded = checkpoints.load_latest(tmp_path)
    for key, value in state.items():
        assert torch.equal(loaded[key], value) if isinstance(value, torch.Tensor) else loaded[key] == value


# ---- a run


def test_run_makes_steps_while_a_checkpoint_is_being_written(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of step 2 ends once step 3 is reported; that of step 4 comes after it."""
    reported, writes, on_report = threading.Event(), checkpoints.save, MetricsFileWriter.on_report

    def save(folder: Path, step: int, state: dict[str, Any], keep: int, best_steps: Collection[int]) -> Path:
        assert step > 2 or reported.wait(SECONDS), "training stood still"
        assert state["step"] == step
        return writes(folder, step, state, keep, best_steps)

    def report(self: MetricsFileWriter, event: ReportEvent) -> None:
        on_report(self, event)
        if event.step == 3:
            reported.set()

    monkeypatch.setattr(MetricsFileWriter, "on_report", report)
    monkeypatch.setattr(checkpoints, "save", save)
    cadence = ("train.steps=6", "train.log_every=1", "train.sample_every=0", "train.checkpoint_every=2")
    done = gan_train(*TINY, *cadence, "train.batch_size=8", "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert sorted(path.name for path in Path("run/checkpoints").glob("step*")) == [
        "step_00000002.pt",
        "step_00000004.pt",
        "step_00000006.pt",
    ]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("checkpoint")]


def test_error_of_the_thread_ends_the_run_long_before_the_next_checkpoint(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(torch, "save", fail)
    cadence = ("train.steps=1000", "train.checkpoint_every=1000", "train.log_every=1", "train.sample_every=0")
    # Has a checkpoint of step 0 written.
    done = gan_train(*TINY, *cadence, "diagnostics.on_alarm=rollback", "train.batch_size=8", "hydra.run.dir=run")
    assert done.status == 2
    assert done.err.splitlines()[-1].endswith("step_00000000.pt: Disk quota exceeded")
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "failed"
    assert summary["step"] < 900
    assert list(Path("run/checkpoints").iterdir()) == []
