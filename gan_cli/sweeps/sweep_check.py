"""Check of a sweep as a whole, before its first job: launcher, sweeper, number of jobs. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from gan_cli.config.compose import plain_overrides
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.sweeps.job_count import count_jobs, require_drawable
from gan_cli.sweeps.job_registry import JobIdentity
from gan_cli.sweeps.plugin_settings import check_launcher, check_sweeper


def check_sweep(config: DictConfig) -> int | None:
    """Check a sweep's launcher, sweeper and overrides.

    Args:
        config: composed for the sweep, with Hydra's own configuration.

    Returns:
        The number of its jobs, or None where the sweeper decides on them.

    Raises:
        ConfigError: a setting is out of its range, or an override sweeps over no values or over too many.
    """
    check_launcher(config.hydra)
    check_sweeper(config.hydra)
    check = CHECKS.get(str(config.hydra.runtime.choices.get("hydra/sweeper")))
    return None if check is None else check(config.hydra, _swept(config.hydra))


def sweeps_over_grid(hydra: DictConfig) -> bool:
    """Return whether the sweeper runs each combination of values, so that a job's number says what it is."""
    return CHECKS.get(str(hydra.runtime.choices.get("hydra/sweeper"))) is _check_grid


def grid_jobs(hydra: DictConfig) -> list[JobIdentity]:
    """Return all jobs of a sweep over each combination of values, as the registry knows them.

    Values are those of the command line: an interpolation among them is not what a job makes of it.
    """
    (batch,) = BasicSweeper.split_arguments(_swept(hydra), max_batch_size=None)
    return [JobIdentity.from_overrides(number, job) for number, job in enumerate(batch)]


def number_of_trials(hydra: DictConfig) -> int | None:
    """Return the number of jobs that a search is to make at most, or None for another sweeper."""
    trials = hydra.sweeper.get("n_trials")
    return trials if isinstance(trials, int) else None


def _swept(hydra: DictConfig) -> list[Override]:
    """Return the overrides of the sweeper's settings and of the command line, parsed as the sweeper does it."""
    params = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()]
    loader = GlobalHydra.instance().config_loader()
    return OverridesParser.create(config_loader=loader).parse_overrides([*params, *plain_overrides(hydra)])


def _check_grid(hydra: DictConfig, overrides: Sequence[Override]) -> int:
    return count_jobs(overrides)


def _check_search(hydra: DictConfig, overrides: Sequence[Override]) -> None:
    for override in overrides:
        require_drawable(override)
    if str(hydra.runtime.choices.get("hydra/sweeper/sampler")) == "grid":
        if any(override.is_interval_sweep() for override in overrides):
            raise ConfigError("hydra/sweeper/sampler=grid: expected lists or ranges, got an interval")
        count_jobs(overrides)
    _require_storage(hydra.sweeper.get("storage"))


def _require_storage(address: object) -> None:
    """Open Optuna's database, which may be of any kind and anywhere; raises ``ConfigError`` where that fails."""
    if not isinstance(address, str):
        return
    from optuna.exceptions import OptunaError
    from optuna.storages import get_storage
    from sqlalchemy.exc import SQLAlchemyError  # type: ignore[import-untyped]  # has no types

    try:
        get_storage(address)
    except (OptunaError, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"hydra.sweeper.storage: cannot use {truncated_repr(address)}: {reason}") from error


# Option of ``hydra/sweeper`` -> check of its overrides, which returns the number of jobs where it is known.
CHECKS: Mapping[str, Callable[[DictConfig, Sequence[Override]], int | None]] = {
    "basic": _check_grid,
    "optuna": _check_search,
}
