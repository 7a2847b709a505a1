"""MLflow as a logger (extra ``mlflow``): a server, or a database in the working folder."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from gan_cli.config.extras import require_extra
from gan_cli.errors import require
from gan_cli.protocols.algorithm import Sentences
from gan_cli.protocols.callbacks import EndEvent, EvaluationEvent, PreviewEvent, ReportEvent
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.loggers.pictures import advice, grids
from gan_cli.telemetry.loggers.tracking import Tracker, TrackerConfig

# What MLflow accepts in a name, and how much a request takes.
FOREIGN = re.compile(r"[^\w\-. /:]")
MAX_KEY, MAX_PARAMETERS, MAX_METRICS = 250, 100, 1000
# Status of a run -> the one of MLflow's; all others have failed.
STATUS = {"completed": "FINISHED", "interrupted": "KILLED", "stopped": "KILLED"}


@dataclass(frozen=True)
class MLflow(TrackerConfig):
    """A run of MLflow: scalars, grids, the configuration as parameters, alarms as tags and texts, summary.

    Attributes:
        experiment: that the run belongs to.
        uri: of the server, or of a database such as ``sqlite:///mlflow.db``; null: MLFLOW_TRACKING_URI, else
            MLflow's choice, a database in the working folder.
        name: of the run; null: of its directory.
        tags: of the run, each ``name`` or ``name:value``.
    """

    name_of_option: ClassVar[str] = "mlflow"
    experiment: str = "gan_cli"
    uri: str | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_extra("logger=mlflow", "mlflow")
        require(bool(self.experiment), "experiment", self.experiment, "a name")

    def tracker(self) -> MLflowTracker:
        """Return a tracker with these settings."""
        return MLflowTracker(self)


class MLflowTracker(Tracker):
    """One run of MLflow, written by a client of its own: MLflow's global run is left to others."""

    def __init__(self, settings: MLflow) -> None:
        self._settings = settings
        self._client: Any = None
        self._id = ""

    def open(self, run: LoggedRun, identity: str | None) -> str:
        """Begin a run with its parameters, or reopen one."""
        # A server that is down is to be noticed in seconds; by itself MLflow tries for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._client = MlflowClient(tracking_uri=self._settings.uri)
        if identity is None:
            self._id = self._create(run)
        else:
            self._id = self._client.get_run(identity).info.run_id
            self._client.update_run(self._id, status="RUNNING")
        return self._id

    def _create(self, run: LoggedRun) -> str:
        from mlflow.entities import Param
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

        wanted, client = self._settings, self._client
        tags = dict(tag.partition(":")[::2] for tag in wanted.tags)
        tags |= {"directory": str(run.directory.path.resolve())} | ({"sweep": run.group} if run.group else {})
        created = client.create_run(self._experiment(), run_name=wanted.name or run.name, tags=tags)
        identity = str(created.info.run_id)
        parameters = [
            Param(_name(key)[:MAX_KEY], str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in run.settings.items()
        ]
        for some in _parts(parameters, MAX_PARAMETERS):
            client.log_batch(identity, params=some)
        client.log_text(identity, run.config, "config.yaml")
        return identity

    def _experiment(self) -> str:
        """Return the identity of the experiment, which another job of a sweep may create at the same moment."""
        from mlflow.exceptions import MlflowException

        client, name = self._client, self._settings.experiment
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(client.create_experiment(name))
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    @property
    def place(self) -> str:
        """The place of the runs, and the identity of this one."""
        return f"run {self._id} in {self._client.tracking_uri}"

    def report(self, event: ReportEvent) -> None:
        self._log_metrics(event.report.scalars, event.step)
        for alarm in event.alarms:
            self._client.set_tag(
                self._id, f"alarm.{alarm.name}", f"step {alarm.step}: {alarm.evidence or alarm.message}"
            )
            self._client.log_text(self._id, advice(alarm), f"alarms/step_{alarm.step:08d}_{alarm.name}.txt")

    def preview(self, event: PreviewEvent) -> None:
        if isinstance(event.preview, Sentences):
            text = "".join(f"{line}\n" for line in event.preview.lines)
            self._client.log_text(self._id, text, f"samples/step_{event.step:08d}.txt")
        for tag, image in grids(event):
            self._client.log_image(self._id, image, key=tag, step=event.step)

    def evaluation(self, event: EvaluationEvent) -> None:
        self._log_metrics(event.scalars, event.step)

    def end(self, event: EndEvent, outcome: Mapping[str, Any]) -> None:
        self._client.log_dict(self._id, {"status": event.status, "step": event.step, **outcome}, "summary.json")
        self._client.set_tag(self._id, "status", event.status)
        self._client.set_terminated(self._id, status=STATUS.get(event.status, "FAILED"))

    def _log_metrics(self, scalars: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(_name(tag), float(value), now, step) for tag, value in scalars.items()]
        for some in _parts(metrics, MAX_METRICS):
            self._client.log_batch(self._id, metrics=some)


def _name(key: str) -> str:
    """Return a tag or a key with nothing in it that MLflow rejects."""
    return FOREIGN.sub("_", key)


def _parts(items: list[Any], size: int) -> list[list[Any]]:
    """Return a list in parts of at most ``size`` items."""
    remaining = iter(items)
    return list(iter(lambda: list(islice(remaining, size)), []))
