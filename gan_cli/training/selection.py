"""Choice of the best moment of a run, and of its end: the metrics that settings name, and the callbacks that follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from gan_cli.config.metric_choice import MetricChoice
from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError
from gan_cli.evaluation.real_data import find_test_split
from gan_cli.metrics.directions import metric_name
from gan_cli.metrics.registry import registered
from gan_cli.protocols.data import Dataset
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.training.best_checkpoint import KeepBest
from gan_cli.training.early_stopping import StopWithoutImprovement
from gan_cli.training.measurement import Measurements

BEST_KEY, STOP_KEY = "checkpoint.best", "stop.metric"


def require_measured(config: Config, reported: Collection[str], dataset: Dataset) -> None:
    """Check before any data are read that the metrics by which moments are compared will be measured, and may be used.

    Args:
        config: of the run.
        reported: tags with a direction in the algorithm's own reports.
        dataset: what is learned, not loaded.

    Raises:
        ConfigError: one is unknown, has no direction, is not measured or looks at test data; or replicas are to stop.
    """
    for choice in _choices(config):
        choice.require_measured(config, reported)
        if choice.needs_evaluations(reported) and _sees_test_data(choice.tag, dataset):
            raise ConfigError(
                f"{choice.key}: {choice.tag} looks at the test split of {type(dataset).__name__}, which nothing may be"
                " chosen by: expected a metric of training or held-out samples, such as metrics/frechet"
            )
    if config.stop.active and config.train.replicas > 1:
        raise ConfigError(
            f"{STOP_KEY}: expected null with train.replicas > 1, because the runs continue together, got"
            f" {config.stop.metric}"
        )


def require_available(config: Config, reported: Collection[str], names: Iterable[str]) -> None:
    """Check that the run's evaluations measure the metrics; raises ``ConfigError``.

    Args:
        config: of the run.
        reported: tags with a direction in the algorithm's own reports.
        names: those of the metrics that evaluations measure.
    """
    tags = [f"metrics/{name}" for name in names]
    for choice in _choices(config):
        if choice.needs_evaluations(reported):
            choice.require_available(tags)


def best_checkpoint(
    config: Config,
    reported: Collection[str],
    directory: RunDirectory,
    saver: BackgroundWriter,
    errors: WriteErrorHandler,
) -> KeepBest | None:
    """Return what keeps the best checkpoint of a run; None where no metric is named."""
    if config.checkpoint.best is None:
        return None
    return KeepBest(Measurements.of_run(config.checkpoint.best, BEST_KEY, config, reported), directory, saver, errors)


def early_stopping(config: Config, reported: Collection[str]) -> StopWithoutImprovement | None:
    """Return what ends a run that no longer improves; None where it makes all of its steps."""
    if config.stop.metric is None or not config.stop.active:
        return None
    return StopWithoutImprovement(Measurements.of_run(config.stop.metric, STOP_KEY, config, reported), config.stop)


def _choices(config: Config) -> Iterator[MetricChoice]:
    if config.checkpoint.best is not None:
        yield MetricChoice(config.checkpoint.best, BEST_KEY)
    if config.stop.metric is not None:
        yield MetricChoice(config.stop.metric, STOP_KEY)


def _sees_test_data(tag: str, dataset: Dataset) -> bool:
    """Return whether a metric of evaluations compares with samples that are a test split's, where there is one."""
    names = {info.name for need in ("held_out", "training") for each in registered(need) for info in each.numbers}
    return metric_name(tag) in names and find_test_split(dataset) is not None
