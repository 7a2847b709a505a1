"""Checkpoints of a run: what they hold, and how they are written while training continues."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gan_cli.data.fingerprint import DataIdentity
from gan_cli.protocols.callbacks import Callback, CheckpointEvent
from gan_cli.storage import checkpoints
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.snapshot import snapshot

logger = logging.getLogger(__name__)


class Checkpointer(Callback):
    """Writes checkpoints in the background, one at a time."""

    def __init__(
        self,
        directory: RunDirectory,
        keep: int,
        saver: BackgroundWriter,
        content: Callable[[CheckpointEvent], dict[str, Any]],
        fsync: Callable[[], None],
        best_steps: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        """Prepare to write checkpoints of a run.

        Args:
            directory: of the run.
            keep: how many of the latest checkpoints stay on disk.
            saver: the thread that writes them.
            content: returns all that a checkpoint holds.
            fsync: makes what was reported so far durable; a resume reports nothing from before its checkpoint again.
            best_steps: returns the steps at which a checkpoint became the best one so far.
        """
        self._directory = directory
        self._keep = keep
        self._saver = saver
        self._content = content
        self._fsync = fsync
        self._best_steps = best_steps

    def on_checkpoint(self, event: CheckpointEvent) -> None:
        """Start to write a checkpoint; waits for the one before.

        A disk too slow for ``train.checkpoint_every`` blocks training here instead of filling memory.
        """
        self._saver.wait()
        self._saver.submit(self.prepare(event))

    def prepare(self, event: CheckpointEvent) -> Callable[[], None]:
        """Copy the state to the host, and return a function that writes it to disk, from any thread."""
        copied, best_steps = snapshot(self._content(event)), tuple(self._best_steps())

        def write() -> None:
            self._fsync()
            checkpoints.save(self._directory.checkpoints, event.step, copied.state(), self._keep, best_steps)

        return write


def warn_if_device_changed(state: dict[str, Any], device_kind: str) -> None:
    """Warn where a run has been trained on another kind of device; checkpoints of earlier versions name none."""
    before = state.get("device", device_kind)
    if before != device_kind:
        logger.warning(
            "this run has been trained on %s and continues on %s: its random streams are seeded anew, and kernels round"
            " differently: the results are no longer those of one uninterrupted run",
            before,
            device_kind,
        )


def checkpoint_content(
    event: CheckpointEvent, callbacks: dict[str, Any], data: DataIdentity | None, processes: int, device_kind: str
) -> dict[str, Any]:
    """Return the content of a checkpoint: plain values, tensors, and the states of algorithm and callbacks."""
    return {
        "step": event.step,
        "device": device_kind,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "algorithm": event.state,
        "sinks": callbacks,  # key kept for checkpoints of earlier versions
        "data": data,
    }
