"""TensorBoard's pages of a run: scalars, histograms, images, alarms and hyper-parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gan_cli.algorithms.spec import AlgorithmSpec
from gan_cli.config.diagnostics import ALARMS
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.metrics.directions import directed, direction
from gan_cli.metrics.registry import MetricInfo
from gan_cli.protocols.algorithm import Sentences
from gan_cli.protocols.callbacks import (
    Alarm,
    Callback,
    EndEvent,
    EvaluationEvent,
    PreviewEvent,
    ReportEvent,
    StartEvent,
)
from gan_cli.storage.files import WriteErrorHandler, writing
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import event_file, plugin_values
from gan_cli.telemetry.plugin_values import HParams


@dataclass(frozen=True)
class TensorBoardLayout:
    """Layout of TensorBoard's pages for a family of models; attributes as of ``algorithms.spec.AlgorithmSpec``."""

    charts: Mapping[str, Sequence[str]]
    notes: Mapping[str, str]
    hparam_metrics: tuple[str, ...]

    @classmethod
    def for_family(cls, family: type[AlgorithmSpec]) -> TensorBoardLayout:
        """Return the layout of a family, with a chart of all alarms."""
        alarms = {"Alarms": [f"diagnosis/{name}" for name in (*ALARMS, *family.own_alarms, NON_FINITE)]}
        return cls({**family.charts, **alarms}, family.notes, family.hparam_metrics)

    def with_metrics(self, infos: Mapping[str, MetricInfo], evaluated: Iterable[str]) -> TensorBoardLayout:
        """Return the layout of a run of the family.

        Args:
            infos: descriptions of tags that depend on the loss.
            evaluated: tags of the metrics that evaluations of samples measure.
        """
        notes = {tag: info.description for tag, info in infos.items()}
        evaluated = tuple(evaluated)
        quality = {f"How good are the samples? {tag.removeprefix('metrics/')}": [tag] for tag in evaluated}
        charts = {
            title: tags for title, tags in {**quality, **self.charts}.items() if not _of_other_losses(tags, infos)
        }
        compared = (*self.hparam_metrics, *sorted(directed(infos)), *filter(direction, evaluated))
        # Of several runs, the page takes the metrics of the first: those of other losses are among them.
        return replace(
            self, charts=charts, notes={**notes, **self.notes}, hparam_metrics=tuple(dict.fromkeys(compared))
        )


def _of_other_losses(tags: Sequence[str], infos: Mapping[str, MetricInfo]) -> bool:
    """Return whether any tag is of a divergence that the run's loss does not estimate."""
    return any(tag.startswith("divergence/") and tag not in infos for tag in tags)


class TensorBoardWriter(Callback):
    """Writes one record of an event file for each report, preview and evaluation."""

    def __init__(
        self,
        directory: RunDirectory,
        errors: WriteErrorHandler,
        layout: TensorBoardLayout,
        hparams: HParams,
        config: str,
    ) -> None:
        """Prepare the pages of a run.

        Args:
            directory: of the run.
            errors: policy for write errors.
            layout: of the pages.
            hparams: hyper-parameters of the run, for the HParams page.
            config: the configuration as YAML, for the Text page.
        """
        self._directory = directory
        self._errors = errors
        self._layout = layout
        self._hparams = hparams
        self._config = config
        self._board: event_file.EventFile | None = None

    def on_start(self, event: StartEvent) -> None:
        """Open a new file, at whose step TensorBoard drops what older files hold of this step and later."""
        with writing(self._directory.path):
            is_first = event.step == 0 or not any(self._directory.path.glob("events.out.*"))  # a fork begins later
            self._board = event_file.EventFile(self._directory.path, purge_step=event.step)
            if is_first:
                page = plugin_values.text("config", f"```yaml\n{self._config}\n```")
                session = plugin_values.session_start(self._hparams, self._layout.hparam_metrics)
                self._board.add([plugin_values.charts("Questions to a run", self._layout.charts), page, *session])

    def on_report(self, event: ReportEvent) -> None:
        report, board = event.report, self._open_board
        notes = self._layout.notes
        curves = [event_file.scalar(tag, value, notes.get(tag, "")) for tag, value in report.scalars.items()]
        distributions = [
            event_file.histogram(tag, values, report.meanings.get(tag, ""))
            for tag, values in report.histograms.items()
            if values.size and np.isfinite(values).all()
        ]
        paragraphs = [plugin_values.text(f"diagnosis/{alarm.name}", _alarm_markdown(alarm)) for alarm in event.alarms]
        with self._errors.writing("TensorBoard's file", board.path):
            board.add([*curves, *distributions, *paragraphs], event.step)

    def on_preview(self, event: PreviewEvent) -> None:
        """Write the images, which the sample writer has encoded earlier, or the sentences."""
        board = self._open_board
        if isinstance(event.preview, Sentences):
            values = [plugin_values.text("samples", event_file.indented_code(event.preview.lines))]
        else:
            values = [
                event_file.image(f"samples/{name}".rstrip("/"), image.png, image.width, image.height)
                for name, image in event.images.items()
            ]
        with self._errors.writing("TensorBoard's file", board.path):
            board.add(values, event.step)

    def on_evaluation(self, event: EvaluationEvent) -> None:
        if not event.scalars:
            return
        board = self._open_board
        with self._errors.writing("TensorBoard's file", board.path):
            board.add([event_file.scalar(tag, value) for tag, value in event.scalars.items()], event.step)

    def on_end(self, event: EndEvent) -> None:
        """Write the closing record of the HParams page, unless an error has ended the run."""
        if not event.by_error:
            with self._errors.writing("TensorBoard's file", self._open_board.path):
                self._open_board.add([plugin_values.session_end()])

    @property
    def _open_board(self) -> event_file.EventFile:
        assert self._board is not None
        return self._board

    def fsync(self) -> None:
        """Make the records so far durable across a power cut; waits for the disk. Thread-safe."""
        with writing(self._directory.path):
            self._open_board.fsync()

    def close(self) -> None:
        if self._board is not None:
            with self._errors.writing("TensorBoard's file", self._board.path):
                self._board.close()


def _alarm_markdown(alarm: Alarm) -> str:
    """Return an alarm as a paragraph and a table in Markdown."""
    rows = [
        f"| `{tag}` | {'not finite' if value is None else f'{value:.4g}'} |" for tag, value in alarm.figures.items()
    ]
    paragraph = f"**{alarm.name}** at step {alarm.step}: {alarm.message}.\n\nTry {alarm.try_next}"
    return "\n".join([paragraph, "", "| metric | value |", "|---|---|", *rows])
