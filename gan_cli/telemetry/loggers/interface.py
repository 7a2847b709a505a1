"""Interface of loggers: settings that ``conf/logger/`` names, and the run that they make a callback for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gan_cli.config.loggers import OnLoggerError
from gan_cli.protocols.callbacks import Callback
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.tracked_runs import TrackedRuns

if TYPE_CHECKING:  # those of one logger alone
    from gan_cli.telemetry.plugin_values import HParams
    from gan_cli.telemetry.tensorboard_writer import TensorBoardLayout


@dataclass(frozen=True)
class LoggedRun:
    """A run as loggers see it.

    Attributes:
        directory: of the run.
        name: by which a person finds it among others.
        group: name of the sweep, or of the runs that are trained as one with it; None: it is alone.
        config: the configuration as YAML.
        settings: the same, ``dotted.key -> value``, with interpolations replaced by what they stand for.
        hparams: the choices and numbers of it that tell runs apart.
        layout: of TensorBoard's pages.
        errors: policy for files of the run that cannot be written (``train.on_write_error``).
        on_error: policy for trackers that fail (``logger.on_error``).
        tracked: where the runs of trackers are kept.
        outcome: returns ``final`` and ``best`` metrics so far, as in ``summary.json``.
    """

    directory: RunDirectory
    name: str
    group: str | None
    config: str
    settings: Mapping[str, Any]
    hparams: HParams
    layout: TensorBoardLayout
    errors: WriteErrorHandler
    on_error: OnLoggerError
    tracked: TrackedRuns
    outcome: Callable[[], Mapping[str, Any]]


@runtime_checkable
class LoggerConfig(Protocol):
    """Settings of a logger, checked before a run starts.

    Its constructor raises ``ConfigError`` where a package is missing (``config.extras.require_extra``).
    """

    def callback(self, run: LoggedRun) -> Callback:
        """Return the callback that logs a run; it opens files and connections when the run starts."""
        ...


@runtime_checkable
class Durable(Protocol):
    """A callback whose files have to be on the disk before a checkpoint of a later step is."""

    def fsync(self) -> None:
        """Make what was written durable across a power cut; waits for the disk. Thread-safe."""
        ...
