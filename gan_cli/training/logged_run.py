"""A run as its loggers see it: name, sweep, settings, what TensorBoard's pages take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.config.flat import flatten
from gan_cli.config.loggers import ChosenLoggers
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.tracked_runs import TrackedRuns
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.metric_tracker import MetricTracker
from gan_cli.telemetry.tensorboard_writer import TensorBoardLayout
from gan_cli.training.planning import Plan
from gan_cli.training.summary import hparams

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def logged_run(
    plan: Plan,
    composition: Composition,
    directory: RunDirectory,
    errors: WriteErrorHandler,
    layout: TensorBoardLayout,
    tracker: MetricTracker,
) -> LoggedRun:
    """Return the run that loggers log.

    Args:
        plan: what is trained.
        composition: the configuration as Hydra composed it.
        directory: where the run writes.
        errors: policy for write errors.
        layout: of TensorBoard's pages.
        tracker: has the latest and best metrics.
    """
    config = composition.config
    return LoggedRun(
        directory=directory,
        name=folder_name(directory.path),
        group=_group(plan, composition, directory.path),
        config=OmegaConf.to_yaml(config),
        settings=plain_settings(config),
        hparams=hparams(composition),
        layout=layout,
        errors=errors,
        on_error=ChosenLoggers.read(plan.config.logger).on_error,
        tracked=TrackedRuns(directory.tracked),
        outcome=lambda: {"final": dict(tracker.final), "best": dict(tracker.best)},
    )


def plain_settings(config: DictConfig) -> dict[str, Any]:
    """Return ``dotted.key -> value`` of a configuration, without its loggers; interpolations are resolved."""
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    content.pop("logger", None)
    return dict(flatten(content))


def folder_name(folder: Path) -> str:
    """Return the name of a folder, after the day where the folder around it is one: ``2026-11-30/09-15-00``."""
    folder = folder.absolute()
    day = folder.parent.name
    return f"{day}/{folder.name}" if DATE.fullmatch(day) else folder.name


def _group(plan: Plan, composition: Composition, directory: Path) -> str | None:
    """Return the name of the sweep that a run is a job of, or else of the runs that are trained as one with it."""
    replica = plan.config.train.replicas > 1
    job = directory.parent if replica else directory
    if composition.hydra.hydra.mode == RunMode.MULTIRUN:
        return folder_name(job.parent)
    return folder_name(job) if replica else None
