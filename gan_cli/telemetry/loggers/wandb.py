"""Weights & Biases as a logger (extra ``wandb``)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from gan_cli.config.extras import require_extra
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.algorithm import Sentences
from gan_cli.protocols.callbacks import EndEvent, EvaluationEvent, PreviewEvent, ReportEvent
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.pictures import advice, grids, histograms
from gan_cli.telemetry.loggers.tracking import Tracker, TrackerConfig

# Seconds that the server may take to answer at first; after that it keeps nothing waiting.
INIT_SECONDS = 20


class WandbMode(Enum):
    """Where the records of a run go: to a server, or to the run directory, for ``wandb sync``."""

    online = "online"
    offline = "offline"


@dataclass(frozen=True)
class Wandb(TrackerConfig):
    """A run of Weights & Biases: scalars, histograms, grids, alerts, configuration, summary.

    Attributes:
        project: that the run belongs to.
        entity: user or team that the project belongs to; null: as the library chooses.
        name: of the run; null: of its directory.
        tags: of the run.
        mode: online, or offline in the run directory for ``wandb sync``; null: WANDB_MODE, else online.
    """

    name_of_option: ClassVar[str] = "wandb"
    project: str = "gan_cli"
    entity: str | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    mode: WandbMode | None = None

    def __post_init__(self) -> None:
        require_extra("logger=wandb", "wandb")
        require(bool(self.project), "project", self.project, "a name")

    def tracker(self) -> WandbTracker:
        """Return a tracker with these settings."""
        return WandbTracker(self)


class WandbTracker(Tracker):
    """One run of Weights & Biases, whose step is the step of training."""

    def __init__(self, settings: Wandb) -> None:
        self._settings = settings
        self._run: Any = None

    def open(self, run: LoggedRun, identity: str | None) -> str:
        """Begin or resume a run, without ever asking for a login."""
        import wandb

        wanted = self._settings
        options = wandb.Settings(console="off", silent=True, init_timeout=INIT_SECONDS)
        mode = wanted.mode.name if wanted.mode is not None else wandb.setup(options).settings.mode
        if mode == "online" and not wandb.login(prompt=False, verify=False):
            raise ConfigError("no login: `wandb login` stores one, logger.wandb.mode=offline takes none")
        self._run = wandb.init(
            project=wanted.project,
            entity=wanted.entity,
            name=wanted.name or run.name,
            group=run.group,
            tags=list(wanted.tags) or None,
            mode=mode,
            dir=str(run.directory.path),
            id=identity or secrets.token_hex(4),
            resume=None if identity is None else "allow",
            reinit="create_new",
            settings=options,
        )
        self._run.config.update(dict(run.settings), allow_val_change=True)
        return str(self._run.id)

    @property
    def place(self) -> str:
        """The address of the run, or the command that sends it to the server."""
        return f"wandb sync {self._run.settings.sync_dir}" if self._run.offline else str(self._run.url)

    def report(self, event: ReportEvent) -> None:
        import wandb

        bins = {
            f"{tag}/histogram": wandb.Histogram(np_histogram=(bins.counts, bins.edges))
            for tag, bins in histograms(event.report)
        }
        self._run.log({**event.report.scalars, **bins}, step=event.step)
        for alarm in event.alarms:
            title = f"{alarm.name} at step {alarm.step}"
            self._run.alert(title=title, text=advice(alarm), level=wandb.AlertLevel.WARN, wait_duration=0)

    def preview(self, event: PreviewEvent) -> None:
        import wandb

        if isinstance(event.preview, Sentences):
            table = wandb.Table(columns=["sample"], data=[[line] for line in event.preview.lines])
            self._run.log({"samples": table}, step=event.step)
        else:
            self._run.log({tag: wandb.Image(image) for tag, image in grids(event)}, step=event.step)

    def evaluation(self, event: EvaluationEvent) -> None:
        self._run.log(dict(event.scalars), step=event.step)

    def end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        best = {f"best/{tag}": entry["value"] for tag, entry in outcome["best"].items()}
        self._run.summary.update({**best, "status": event.status})
        self._run.finish(exit_code=1 if event.by_error else 0)
