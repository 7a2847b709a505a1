"""A run under way gives up threads to other processes and takes them back, and a resumed one repeats it exactly."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.protocols.callbacks import StartEvent
from gan_cli.runtime import cpu, device
from gan_cli.storage import checkpoints, thread_record
from gan_cli.storage.thread_record import ThreadChange, threads_at
from gan_cli.training import thread_adaptation
from gan_cli.training.thread_adaptation import AdaptThreads, WarnOfContention
from tests.conftest import TINY, Command, log_messages

RUN = (
    "train.steps=8",
    "train.log_every=2",
    "train.checkpoint_every=2",
    "train.keep_checkpoints=9",
    "train.sample_every=0",
    "train.batch_size=4",
    "device=cpu",
    *TINY,  # with more to compute, two threads would fight for the cores of the machine that tests it
)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Start with two threads, and leave the number as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def suggestions(monkeypatch: pytest.MonkeyPatch) -> dict[int, int | None]:
    """What the load suggests after the first report, the second and so on; nothing by default."""
    by_report: dict[int, int | None] = {}

    class Scripted:
        def __init__(self, most: int) -> None:
            self.reports = 0

        def suggestion(self) -> int | None:
            self.reports += 1
            return by_report.get(self.reports)

    monkeypatch.setattr(thread_adaptation, "ContentionMonitor", Scripted)
    return by_report


def started(record: Path | None, step: int = 0) -> AdaptThreads:
    callback = AdaptThreads(4, record)
    callback.on_start(StartEvent(step))
    return callback


def test_resumed_run_repeats_the_changes_bitwise(
    gan_train: Command, workplace: Path, suggestions: dict[int, int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "MIN_FLOPS_PER_THREAD", 1)
    monkeypatch.setattr(device, "DEFAULT_THREADS", 2)
    monkeypatch.setattr(cpu, "busy_cores", lambda: 0)
    threads, update = {}, GANTrainer.update

    def counting(self: GANTrainer, step: int) -> None:
        threads[step] = torch.get_num_threads()
        update(self, step)

    monkeypatch.setattr(GANTrainer, "update", counting)
    suggestions |= {2: 1, 3: 2}
    assert gan_train(*RUN, "hydra.run.dir=run").status == 0
    changed = dict(enumerate([2, 2, 2, 2, 1, 1, 2, 2]))
    assert threads == changed
    record = [ThreadChange(4, 2, 1), ThreadChange(6, 1, 2)]
    assert thread_record.read(Path("run/threads.jsonl")) == record
    assert "step 4: 1 instead of 2 threads" in Path("run/train.log").read_text()
    undisturbed = checkpoints.load_latest(Path("run/checkpoints"))["algorithm"]["generator"]
    suggestions.clear()
    for start in (2, 4):
        checkpoints.delete_after(Path("run/checkpoints"), start)
        Path("run/checkpoints/last.pt").unlink()
        threads.clear()
        assert gan_train("resume=run").status == 0
        assert threads == {step: count for step, count in changed.items() if step >= start}
        resumed = checkpoints.load_latest(Path("run/checkpoints"))["algorithm"]["generator"]
        assert all(torch.equal(resumed[name], undisturbed[name]) for name in undisturbed)
    assert thread_record.read(Path("run/threads.jsonl")) == record


def test_load_decides_again_after_the_last_recorded_change(tmp_path: Path, suggestions: dict[int, int | None]) -> None:
    record = tmp_path / "threads.jsonl"
    thread_record.write(record, [ThreadChange(10, 2, 1)])
    callback = started(record, step=5)
    suggestions |= {1: 4}
    callback.after_report(5)
    assert torch.get_num_threads() == 2, "a change is still to come"
    callback.after_report(10)
    assert torch.get_num_threads() == 4
    assert thread_record.read(record) == [ThreadChange(10, 2, 1), ThreadChange(10, 1, 4)]


def test_rollback_drops_what_is_recorded_of_later_steps(tmp_path: Path, suggestions: dict[int, int | None]) -> None:
    record = tmp_path / "threads.jsonl"
    callback = started(record)
    suggestions |= {1: 1, 2: 3}
    callback.after_report(10)
    callback.after_report(20)
    callback.on_start(StartEvent(15))
    assert torch.get_num_threads() == 3, "the load is still as it was"
    assert thread_record.read(record) == [ThreadChange(10, 2, 1), ThreadChange(15, 1, 3)]


def test_without_a_record_there_is_no_change(
    tmp_path: Path,
    suggestions: dict[int, int | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    (tmp_path / "file").touch()
    callback = started(tmp_path / "file" / "threads.jsonl")
    suggestions |= {1: 1, 2: 1}
    callback.after_report(10)
    callback.after_report(20)
    assert torch.get_num_threads() == 2
    assert sum("stays as it is" in line for line in log_messages(caplog)) == 1


def test_runs_that_are_trained_as_one_adapt_without_a_record(suggestions: dict[int, int | None]) -> None:
    callback = started(None)
    suggestions |= {1: 1}
    callback.after_report(10)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("threads", "warnings"), [(2, 1), (1, 0)])
def test_number_that_is_set_stays_with_one_warning(
    threads: int,
    warnings: int,
    suggestions: dict[int, int | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    suggestions |= {2: 1, 3: 1}
    callback = WarnOfContention(threads)
    callback.on_start(StartEvent(0))
    for step in range(4):
        callback.after_report(step)
    assert torch.get_num_threads() == 2
    assert sum("device.threads=1" in line for line in log_messages(caplog)) == warnings


def test_number_of_threads_of_every_update_follows_from_the_changes() -> None:
    changes = [ThreadChange(4, 2, 1), ThreadChange(6, 1, 3)]
    assert [threads_at(changes, step, present=9) for step in range(8)] == [2, 2, 2, 2, 1, 1, 3, 3]
    assert threads_at([], 5, present=9) == 9


@pytest.mark.parametrize("text", ["{", '{"step": 1}', '{"step": 1, "before": 1, "threads": 0}', "[]", "[" * 100_000])
def test_damaged_record_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "threads.jsonl").write_text(text)
    assert thread_record.read(tmp_path / "threads.jsonl") == []
