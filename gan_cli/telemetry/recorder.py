"""Recording of a run's metrics and samples: TensorBoard, ``metrics.jsonl`` and ``samples/``."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.algorithms.spec import Family
from gan_cli.config.diagnostics import ALARMS
from gan_cli.diagnostics.monitor import Alarm
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.metrics.directions import direction
from gan_cli.protocols.algorithm import Preview, Report, Sentences
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, write_atomic, writing
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import images, tensorboard
from gan_cli.telemetry.console import ProgressSink

SAMPLE_NAME = re.compile(r"(?:[a-z]+_)?step_(\d{8,})\.(?:png|txt)")
GRID_NAME = "step_*.png"


@dataclass(frozen=True)
class TensorBoardLayout:
    """Layout of TensorBoard's pages for a family of models; see ``algorithms.spec.Family`` for the attributes."""

    charts: Mapping[str, Sequence[str]]
    notes: Mapping[str, str]
    hparam_metrics: tuple[str, ...]

    @classmethod
    def for_family(cls, family: type[Family]) -> TensorBoardLayout:
        """Return the layout of a family, with a chart of all alarms."""
        alarms = {"Alarms": [f"diagnosis/{name}" for name in (*ALARMS, NON_FINITE)]}
        return cls({**family.charts, **alarms}, family.notes, family.hparam_metrics)


class RunTelemetry:
    """All sinks of one run. Records of a step are on disk before a checkpoint of a later step is.

    Attributes:
        final: tag -> latest value; tags whose latest value is not finite are absent.
        best: tag -> ``value`` and ``step`` of the best value, for tags with a direction.
    """

    def __init__(
        self, directory: RunDirectory, progress: ProgressSink, errors: WriteErrorHandler, layout: TensorBoardLayout
    ) -> None:
        """Prepare the sinks; :meth:`open` opens them.

        Args:
            directory: of the run.
            progress: display of the progress.
            errors: policy for write errors.
            layout: of TensorBoard's pages.
        """
        self._layout = layout
        self._directory = directory
        self._progress = progress
        self._errors = errors
        self._seconds_before = 0.0
        self._last = {"step": 0, "images": 0, "seconds": 0.0}
        self.final: dict[str, float] = {}
        self.best: dict[str, dict[str, float]] = {}

    def open(self, step: int, hparams: Mapping[str, Any], config: str) -> None:
        """Open the sinks, and drop what an earlier process has written of ``step`` and later.

        Args:
            step: updates made so far; the report of this very step comes first.
            hparams: hyper-parameters of the run, for TensorBoard's HParams page.
            config: the configuration as YAML, for TensorBoard's Text page.
        """
        self._started = time.perf_counter()
        with writing(self._directory.path):
            self._directory.samples.mkdir(exist_ok=True)
            for file in self._sample_files():
                if _step_of(file) >= step:
                    file.unlink()
            _drop_lines_from(self._directory.metrics, step)
            self._metrics = AppendOnlyFile(self._directory.metrics)
            self._board = tensorboard.EventFile(self._directory.path, purge_step=step)
            if step == 0:
                page = tensorboard.text("config", f"```yaml\n{config}\n```")
                session = tensorboard.session_start(hparams, self._layout.hparam_metrics)
                self._board.add([tensorboard.charts("gan_cli", self._layout.charts), page, *session])
        self._progress.open(step)

    @property
    def seconds(self) -> float:
        """Training time so far in seconds, over all processes that have worked on the run."""
        return self._seconds_before + time.perf_counter() - self._started

    def set_elapsed(self, seconds: float) -> None:
        """Set the training time so far in seconds; to be called before :meth:`open`."""
        self._seconds_before = seconds

    def advance(self) -> None:
        """Move the progress on by a step."""
        self._progress.advance()

    def log(self, step: int, report: Report, images_seen: int, alarms: Sequence[Alarm] = ()) -> None:
        """Write a report and the alarms that it has raised to TensorBoard, ``metrics.jsonl`` and the progress."""
        now = self.seconds
        elapsed = max(now - self._last["seconds"], 1e-9)
        scalars = dict(report.scalars)
        scalars["speed/steps_per_second"] = (step - self._last["step"]) / elapsed
        scalars["speed/images_per_second"] = (images_seen - self._last["images"]) / elapsed
        self._last = {"step": step, "images": images_seen, "seconds": now}
        self._write_line(step, scalars)
        curves = [tensorboard.scalar(tag, value, self._layout.notes.get(tag, "")) for tag, value in scalars.items()]
        distributions = [
            tensorboard.histogram(tag, values, report.meanings.get(tag, ""))
            for tag, values in report.histograms.items()
            if values.size and np.isfinite(values).all()
        ]
        paragraphs = [tensorboard.text(f"diagnosis/{alarm.name}", _alarm_markdown(alarm)) for alarm in alarms]
        self._write_events([*curves, *distributions, *paragraphs], step)
        self._update_final_and_best(step, scalars)
        self._progress.show_metrics(step, {**report.headline, "images/s": scalars["speed/images_per_second"]})

    def log_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an evaluation, each as ``metrics/<name>``, in a line of their own."""
        scalars = {f"metrics/{name}": value for name, value in metrics.items()}
        self._write_line(step, scalars)
        self._write_events([tensorboard.scalar(tag, value) for tag, value in scalars.items()], step)
        self._update_final_and_best(step, scalars)

    def _write_line(self, step: int, scalars: Mapping[str, float]) -> None:
        finite = {tag: _finite(value) for tag, value in scalars.items()}
        line = json.dumps({"step": step, "time": time.time(), **finite})
        with self._errors.writing("metrics.jsonl", self._directory.metrics):
            self._metrics.write(f"{line}\n".encode())

    def _write_events(self, values: Sequence[tensorboard.Value], step: int) -> None:
        with self._errors.writing("TensorBoard's file", self._board.path):
            self._board.add(values, step)

    def _update_final_and_best(self, step: int, scalars: Mapping[str, float]) -> None:
        """Keep the latest value of every tag while it is finite, and the best one of tags with a direction."""
        for tag, value in scalars.items():
            if not math.isfinite(value):
                self.final.pop(tag, None)
                continue
            self.final[tag] = value
            sign = direction(tag)
            if sign and (tag not in self.best or sign * (value - self.best[tag]["value"]) > 0):
                self.best[tag] = {"value": value, "step": step}

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write the preview samples of a step, images or text, to files and to TensorBoard."""
        if isinstance(preview, Sentences):
            text = "".join(f"{line}\n" for line in preview.lines)
            self._write_sample(f"step_{step:08d}.txt", text.encode())
            self._write_events([tensorboard.text("samples", tensorboard.indented_code(preview.lines))], step)
            return
        grids = {"": images.preview_image(preview)}
        for name, panel in preview.panels.items():
            grids[name] = images.preview_image(Preview(panel.samples, columns=panel.columns))
        summaries = []
        for name, image in grids.items():
            png = images.png(image)
            self._write_sample(f"{name}_step_{step:08d}.png".lstrip("_"), png)
            summaries.append(tensorboard.image(f"samples/{name}".rstrip("/"), png, *image.size))
        self._write_events(summaries, step)

    def _write_sample(self, name: str, content: bytes) -> None:
        file = self._directory.samples / name
        with self._errors.writing("samples", file):
            write_atomic(file, content)

    def fsync(self) -> None:
        """Make the metrics written so far durable across a power cut; waits for the disk. Thread-safe."""
        with writing(self._directory.path):
            self._metrics.fsync()
            self._board.fsync()

    def finish(self) -> None:
        """Write what belongs to the end of a run: the animation and the closing HParams record."""
        animation = self._directory.samples / "progress.webp"
        grids = [file for file in self._sample_files() if file.match(GRID_NAME)]
        if grids:
            with self._errors.writing("samples/progress.webp", animation):
                images.write_progress_animation(grids, animation)
        self._write_events([tensorboard.session_end()], 0)

    def close(self) -> None:
        """Close all sinks and end the progress."""
        self._progress.close()
        with self._errors.writing("metrics.jsonl", self._directory.metrics):
            self._metrics.close()
        with self._errors.writing("TensorBoard's file", self._board.path):
            self._board.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the training time, the start of the next interval for speeds, and the metrics for the summary."""
        return {
            "seconds": self.seconds,
            "last": dict(self._last),
            "final": dict(self.final),
            "best": {tag: dict(entry) for tag, entry in self.best.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; to be called before :meth:`open`."""
        self._seconds_before = float(state["seconds"])
        self._last = dict(state["last"])
        self.final = dict(state["final"])
        self.best = {tag: dict(entry) for tag, entry in state["best"].items()}

    def _sample_files(self) -> list[Path]:
        """Return all files of samples, grids and others, in the order of their steps."""
        files = self._directory.samples.glob("*step_*")
        return sorted(filter(lambda file: SAMPLE_NAME.fullmatch(file.name), files), key=_step_of)


def _alarm_markdown(alarm: Alarm) -> str:
    """Return an alarm as a paragraph and a table in Markdown."""
    rows = [
        f"| `{tag}` | {'not finite' if value is None else f'{value:.4g}'} |" for tag, value in alarm.figures.items()
    ]
    paragraph = f"**{alarm.name}** at step {alarm.step}: {alarm.message}.\n\nTry {alarm.try_next}"
    return "\n".join([paragraph, "", "| figure | value |", "|---|---|", *rows])


def _step_of(sample: Path) -> int:
    match = SAMPLE_NAME.fullmatch(sample.name)
    assert match is not None
    return int(match[1])


def _finite(value: float) -> float | None:
    """Return a value, or None where it is not finite, as JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _drop_lines_from(metrics: Path, step: int) -> None:
    """Drop the lines of ``metrics.jsonl`` from ``step`` on, and any line that a crash has truncated."""
    if not metrics.exists():
        return
    kept = [line for line in metrics.read_text(errors="replace").splitlines() if _line_step(line) < step]
    write_atomic(metrics, "".join(f"{line}\n" for line in kept).encode())


def _line_step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
