"""TensorBoard event files: one record of protocol buffers for all values of a step.

torch's ``SummaryWriter`` would write a record for each single number, and use a thread.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

from gan_cli.protocols.arrays import FloatArray
from gan_cli.storage.files import AppendOnlyFile
from gan_cli.telemetry.record_file import framed

Value: TypeAlias = Any  # a Summary.Value; TensorBoard's modules have no types

BUCKETS = 30  # of TensorBoard's own histograms, and of its pages


class EventFile:
    """A new event file in a run directory. Every record is a single event, whatever number of values it holds.

    Records are complete or absent: TensorBoard reads nothing after a truncated one.
    """

    def __init__(self, directory: Path, purge_step: int = 0) -> None:
        """Create the file; TensorBoard then ignores what older files hold of ``purge_step`` and later."""
        name = f"events.out.tfevents.{_next_file_time(directory):010d}.{socket.gethostname()}.{os.getpid()}.0"
        self.path = directory / name
        self._file = AppendOnlyFile(self.path)
        self._file.write(_record(file_version="brain.Event:2"))
        if purge_step:
            self._file.write(_record(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, values: Sequence[Value], step: int = 0) -> None:
        """Write the values of a step as one record; raises ``OSError``."""
        self._file.write(_record(step=step, summary=Summary(value=values)))

    def fsync(self) -> None:
        """Make all records durable across a power cut; waits for the disk, and raises ``OSError``."""
        self._file.fsync()

    def close(self) -> None:
        self._file.close()


def _record(**content: Any) -> bytes:
    """Return an event of the present time with the given content as a record."""
    return framed(Event(wall_time=time.time(), **content).SerializeToString())


def _next_file_time(directory: Path) -> int:
    """Return the time in seconds for the name of a new event file: the present one, but later than existing files.

    TensorBoard reads the files of a run in the order of their names. A run may be resumed in the same second in which
    it started, or after the clock was set back.
    """
    seconds = (file.name.split(".")[3] for file in directory.glob("events.out.tfevents.*.*"))
    # TensorBoard's own writers use ten digits as well.
    newest = max((int(second) for second in seconds if second.isdecimal() and len(second) == 10), default=0)
    return max(int(time.time()), newest + 1)


def scalar(tag: str, number: float, note: str = "") -> Value:
    """Make one value of a curve; TensorBoard shows the note beside its name.

    The buffer itself: ``summary.scalar`` makes the same one by way of an array, in four times the time.
    """
    return _with_note(Summary.Value(tag=tag, simple_value=number), note)


def histogram(tag: str, values: FloatArray, note: str = "") -> Value:
    """Make a histogram of finite values, of any shape but not empty, with buckets of equal width.

    ``summary.histogram`` makes the same one from counts of ``np.histogram``, which takes twice as long as these.
    """
    flat = values.reshape(-1).astype(np.float64)
    low, high = float(flat.min()), float(flat.max())
    # Of equal values, as np.histogram does.
    first, last = (low, high) if low < high else (low - 0.5, high + 0.5)
    buckets = ((flat - first) * (BUCKETS / (last - first))).astype(np.int64)
    counts = np.bincount(np.minimum(buckets, BUCKETS - 1), minlength=BUCKETS)
    content = HistogramProto(
        min=low,
        max=high,
        num=flat.size,
        sum=float(flat.sum()),
        sum_squares=float(flat @ flat),
        # TensorBoard takes a limit for the right one of its bucket: the left one of all is that of an empty bucket.
        bucket_limit=np.linspace(first, last, BUCKETS + 1).tolist(),
        bucket=[0, *counts.tolist()],
    )
    return _with_note(Summary.Value(tag=tag, histo=content), note)


def image(tag: str, png: bytes, width: int, height: int) -> Value:
    """Make an image from the bytes of a PNG file, which ``summary.image`` would encode once more."""
    return Summary.Value(tag=tag, image=Summary.Image(width=width, height=height, encoded_image_string=png))


def indented_code(lines: Sequence[str]) -> str:
    """Return lines as an indented code block of Markdown, which shows them verbatim."""
    return "\n".join(f"    {line}" for line in lines)


def _with_note(value: Value, note: str) -> Value:
    if note:
        value.metadata.summary_description = note
    return value
