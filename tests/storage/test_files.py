"""Files on a disk that fills up: whole or as they were, and the run stops or continues as configured."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.errors import OutputError
from gan_cli.protocols.callbacks import StepEvent
from gan_cli.storage.files import (
    AppendOnlyFile,
    OnWriteError,
    WriteErrorHandler,
    _warn_of_missing_flush,
    write_atomic,
)
from gan_cli.telemetry import event_file
from gan_cli.telemetry.console import Progress
from tests.conftest import TINY, Command, log_messages
from tests.helpers.run_directories import read_metrics

RUN = (
    *TINY,
    "train.batch_size=8",
    "train.sample_count=4",
    "train.log_every=1",
    "train.sample_every=2",
    "train.checkpoint_every=2",
)


@contextlib.contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes: a write that would fails, or writes a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def at_steps(monkeypatch: pytest.MonkeyPatch, acts: dict[int, Callable[[], None]]) -> None:
    """Do something right after the updates of these numbers, counted from 1."""
    done = [0]
    on_step = Progress.on_step

    def stepped(self: Progress, event: StepEvent) -> None:
        done[0] += 1
        acts.get(done[0], lambda: None)()
        on_step(self, event)

    monkeypatch.setattr(Progress, "on_step", stepped)


def steps_of(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run)]


def leftovers(run: Path) -> list[str]:
    return [path.name for path in run.rglob("*.tmp")]


# ---- files


def test_piece_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = AppendOnlyFile(tmp_path / "lines")
    file.write(b"first\n")
    with longest_file(10), pytest.raises(OSError, match="File too large"):
        file.write(b"second\n")  # 4 bytes of it would fit
    assert (tmp_path / "lines").read_bytes() == b"first\n"
    file.write(b"third\n")
    file.close()
    assert (tmp_path / "lines").read_bytes() == b"first\nthird\n"


def test_rest_that_cannot_be_cut_off_at_once_is_cut_off_before_the_next_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AppendOnlyFile(tmp_path / "lines")
    file.write(b"first\n")

    def refuse() -> None:
        raise OSError("Input/output error")

    with monkeypatch.context() as broken, longest_file(10):
        broken.setattr(file, "_cut", refuse)
        with pytest.raises(OSError, match="File too large"):
            file.write(b"second\n")
    assert (tmp_path / "lines").read_bytes() == b"first\nseco"
    file.write(b"third\n")
    assert (tmp_path / "lines").read_bytes() == b"first\nthird\n"


def test_whole_file_replaces_the_one_before_or_leaves_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"before")
    with longest_file(10), pytest.raises(OSError, match="File too large"):
        write_atomic(tmp_path / "file", bytes(11))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"
    write_atomic(tmp_path / "file", b"after")
    assert (tmp_path / "file").read_bytes() == b"after"


def test_tensorboard_reads_what_comes_after_a_record_that_did_not_fit(tmp_path: Path) -> None:
    file = event_file.EventFile(tmp_path)
    file.add([event_file.scalar("a", 1.0)], 1)
    with longest_file(file.path.stat().st_size + 7), pytest.raises(OSError, match="File too large"):
        file.add([event_file.scalar("a", 2.0)], 2)
    file.add([event_file.scalar("a", 3.0)], 3)
    file.close()
    assert [event.step for event in EventAccumulator(str(tmp_path)).Reload().Scalars("a")] == [1, 3]


# ---- what comes of an error


def test_errors_are_raised_or_warned_of_once_a_kind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def failing(errors: WriteErrorHandler, kind: str) -> None:
        with errors.writing(kind, tmp_path / kind):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot write .*/a: No space left on device"):
        failing(WriteErrorHandler(OnWriteError.stop), "a")
    going_on = WriteErrorHandler(OnWriteError.go_on)
    with caplog.at_level("INFO", "gan_cli"):
        for kind in ("a", "a", "b"):
            failing(going_on, kind)
        for _ in range(2):
            with going_on.writing("a", tmp_path / "a"):
                pass
        failing(going_on, "a")
    assert [line.rpartition("/")[2].partition(":")[0] for line in log_messages(caplog)] == ["a", "b", "a", "a"]
    assert log_messages(caplog)[2] == "a: can be written again"


def test_deferred_error_is_raised_once_where_it_is_asked_for(tmp_path: Path) -> None:
    errors = WriteErrorHandler(OnWriteError.stop)
    errors.check()
    for name in ("first", "second"):
        with errors.deferring("train.log", tmp_path / name):
            raise OSError(5, "Input/output error")
    with pytest.raises(OutputError, match="first: Input/output error"):
        errors.check()
    errors.check()


# ---- runs


def test_run_stops_with_one_line_and_keeps_its_checkpoint(gan_train: Command, workplace: Path) -> None:
    """The checkpoint is the largest file by far."""
    assert gan_train(*RUN, "train.steps=2", "hydra.run.dir=run").status == 0
    before = {path.name: path.read_bytes() for path in Path("run/checkpoints").iterdir()}
    with longest_file(max(map(len, before.values())) - 1000):
        done = gan_train("resume=run", "train.steps=4")
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith("gan-train: cannot write checkpoint run/checkpoints/step_00000004.pt")
    assert "File too large" in done.err
    assert "Traceback" not in done.err
    assert {path.name: path.read_bytes() for path in Path("run/checkpoints").iterdir()} == before
    assert leftovers(workplace) == []
    assert json.loads(Path("run/summary.json").read_text())["status"] == "failed"
    assert gan_train("resume=run", "train.steps=4").status == 0


@pytest.mark.parametrize("name", ["metrics.jsonl", "train.log", "samples"])
def test_every_kind_of_file_stops_a_run(
    name: str, gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil() -> None:
        if name == "samples":
            shutil.rmtree("run/samples")
            return
        writes = AppendOnlyFile.write

        def write(self: AppendOnlyFile, piece: bytes) -> None:
            if self._file.name == f"run/{name}":
                raise OSError(28, os.strerror(28))
            writes(self, piece)

        monkeypatch.setattr(AppendOnlyFile, "write", write)

    at_steps(monkeypatch, {3: spoil})
    done = gan_train(*RUN, "train.steps=1000", "hydra.run.dir=run")
    assert done.status == 2, done.err
    assert done.err.splitlines()[-1].startswith(f"gan-train: cannot write run/{name}")
    assert "Traceback" not in done.err
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "failed"
    assert summary["step"] < 10


def test_run_goes_on_over_a_full_disk_and_writes_again_once_there_is_room(
    gan_train: Command, workplace: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_disk / "run"
    at_steps(monkeypatch, {5: lambda: fill(small_disk), 11: (small_disk / "filler").unlink})
    done = gan_train(*RUN, "train.steps=16", "train.on_write_error=go_on", f"hydra.run.dir={run}")
    assert done.status == 0, done.err
    for kind in ("metrics.jsonl", "events.out", "samples/step", "checkpoint"):
        warned = [line for line in done.err.splitlines() if "go_on" in line and kind in line]
        # A record of events that still fits into its file's last block is written, and the next failure told anew.
        assert 1 <= len(warned) <= (3 if kind == "events.out" else 1), (kind, done.err)
    steps = steps_of(run)
    assert steps[:4] == [1, 2, 3, 4]
    assert steps[-5:] == [12, 13, 14, 15, 16]
    shown = EventAccumulator(str(run)).Reload().Scalars("loss/d")
    assert {event.step for event in shown} >= {1, 2, 3, 4, 12, 13, 14, 15, 16}
    for picture in (run / "samples").glob("*.png"):
        Image.open(picture).load()
    for file in (run / "checkpoints").iterdir():
        torch.load(file, weights_only=True)
    assert torch.load(run / "checkpoints" / "last.pt", weights_only=True)["step"] == 16
    assert leftovers(run) == []
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


def test_run_that_goes_on_still_fails_if_its_end_cannot_be_saved(
    gan_train: Command, workplace: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_disk / "run"
    at_steps(monkeypatch, {5: lambda: fill(small_disk)})
    done = gan_train(*RUN, "train.steps=8", "train.on_write_error=go_on", f"hydra.run.dir={run}")
    assert done.status == 2
    assert "step_00000008.pt: No space left on device" in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert torch.load(run / "checkpoints" / "last.pt", weights_only=True)["step"] == 4
    (small_disk / "filler").unlink()
    assert gan_train(f"resume={run}").status == 0
    assert steps_of(run) == list(range(1, 9))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_file_system_that_cannot_flush_costs_a_warning(
    number: int, gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", unsupported)
    _warn_of_missing_flush.cache_clear()
    done = gan_train(*RUN, "train.steps=6", "hydra.run.dir=run")
    assert done.status == 0
    assert done.err.count("this file system cannot flush a folder to the disk") == 1
    assert Path("run/checkpoints/step_00000006.pt").is_file()
