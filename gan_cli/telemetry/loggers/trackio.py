"""Trackio as a logger (extra ``trackio``): a database in a folder of the user's, or a Space of Hugging Face."""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gan_cli.config.extras import require_extra
from gan_cli.errors import require
from gan_cli.protocols.algorithm import Sentences
from gan_cli.protocols.callbacks import EndEvent, EvaluationEvent, PreviewEvent, ReportEvent
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.pictures import advice, grids, histograms
from gan_cli.telemetry.loggers.tracking import Tracker, TrackerConfig


@dataclass(frozen=True)
class Trackio(TrackerConfig):
    """A run of Trackio: scalars, histograms, grids, alerts, configuration.

    Attributes:
        project: that the run belongs to.
        name: of the run, which a few digits follow; null: of its directory.
        space: of Hugging Face that receives the run as well (``OWNER/NAME``); null: it stays on this machine.
    """

    name_of_option: ClassVar[str] = "trackio"
    project: str = "gan_cli"
    name: str | None = None
    space: str | None = None

    def __post_init__(self) -> None:
        require_extra("logger=trackio", "trackio")
        require(bool(self.project), "project", self.project, "a name")

    def tracker(self) -> TrackioTracker:
        """Return a tracker with these settings."""
        return TrackioTracker(self)


class TrackioTracker(Tracker):
    """One run of Trackio, which its name identifies in a project."""

    def __init__(self, settings: Trackio) -> None:
        self._settings = settings
        self._run: Any = None

    def open(self, run: LoggedRun, identity: str | None) -> str:
        """Begin or resume a run; its name is made unique, as Trackio finds a run by it again."""
        import trackio

        # Trackio itself warns of a folder that it cannot use several times, and raises nothing.
        Path(trackio.utils.TRACKIO_DIR).mkdir(parents=True, exist_ok=True)
        wanted = self._settings
        name = identity or f"{wanted.name or run.name} {secrets.token_hex(2)}"
        with _quiet():
            self._run = trackio.init(
                project=wanted.project,
                name=name,
                group=run.group,
                space_id=wanted.space,
                config={key.removeprefix("_"): value for key, value in run.settings.items()},
                resume="never" if identity is None else "allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return str(self._run.name)

    @property
    def place(self) -> str:
        """The Space, or the command that shows the project."""
        wanted = self._settings
        return wanted.space or f'trackio show --project "{wanted.project}"'

    def report(self, event: ReportEvent) -> None:
        import trackio

        bins = {
            f"{tag}/histogram": trackio.Histogram(np_histogram=(bins.counts, bins.edges))
            for tag, bins in histograms(event.report)
        }
        self._run.log({**event.report.scalars, **bins}, step=event.step)
        for alarm in event.alarms:
            with _quiet():
                self._run.alert(alarm.name, advice(alarm), trackio.AlertLevel.WARN, step=alarm.step)

    def preview(self, event: PreviewEvent) -> None:
        import trackio

        if isinstance(event.preview, Sentences):
            text = "\n".join(f"    {line}" for line in event.preview.lines)
            self._run.log({"samples": trackio.Markdown(text)}, step=event.step)
        else:
            self._run.log({tag: trackio.Image(image) for tag, image in grids(event)}, step=event.step)

    def evaluation(self, event: EvaluationEvent) -> None:
        self._run.log(dict(event.scalars), step=event.step)

    def end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        with _quiet():
            self._run.finish()


def _quiet() -> contextlib.AbstractContextManager[io.StringIO]:
    """Keep what Trackio prints off the console; this program itself prints nothing there while it trains."""
    return contextlib.redirect_stdout(io.StringIO())
