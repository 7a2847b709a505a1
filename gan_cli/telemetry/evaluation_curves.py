"""TensorBoard's curves of the metrics of checkpoints (``eval/...``), in a folder of their own below the run's.

TensorBoard takes the files of one folder for pieces of one history, of which only the latest is still written; two
processes that write at once need two folders, which it shows as two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gan_cli.errors import printable
from gan_cli.storage.files import writing
from gan_cli.telemetry.event_file import EventFile, scalar

PREFIX = "eval/"


class EvaluationCurves:
    """An event file with the metrics of checkpoints, in the order of their steps."""

    def __init__(self, folder: Path, measured: Mapping[int, Mapping[str, float]]) -> None:
        """Write the curves anew, in place of those of an earlier process.

        Args:
            folder: of the file; it is made.
            measured: step -> name -> metric, so far.

        Raises:
            OutputError: the file cannot be written.
        """
        self._folder = folder
        self._measured = dict(measured)
        self._file: EventFile | None = None
        self._rewrite()

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add the metrics of a checkpoint; raises ``OutputError``.

        One that is no later than those so far (a run was rolled back, say) has the file written anew.
        """
        is_later = step > max(self._measured, default=-1)
        self._measured[step] = metrics
        if is_later:
            self._write(step)
        else:
            self._rewrite()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self) -> None:
        self.close()
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
            earlier = list(self._folder.glob("events.out.tfevents.*"))
            self._file = EventFile(self._folder)
            for path in earlier:
                path.unlink(missing_ok=True)
        for step in sorted(self._measured):
            self._write(step)

    def _write(self, step: int) -> None:
        assert self._file is not None
        values = [scalar(f"{PREFIX}{printable(name)}", value) for name, value in self._measured[step].items()]
        with writing(self._file.path):
            self._file.add(values, step)
