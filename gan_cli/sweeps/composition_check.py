"""Composition of all jobs of a sweep before the first is trained, with every job that cannot be composed. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.hydra_errors import explain_hydra_error, missing_key
from gan_cli.errors import ConfigError
from gan_cli.sweeps.command import Command, sweeps
from gan_cli.sweeps.job_registry import override_key

MAX_NAMES = 5


@contextlib.contextmanager
def composing_all_jobs() -> Iterator[None]:
    """Let Hydra's sweeper report all jobs that cannot be composed, by name, instead of the error of the first.

    A sweeper calls ``validate_batch_is_legal`` before it launches jobs; Hydra has no other place for it.
    """
    method = "validate_batch_is_legal"
    original = getattr(Sweeper, method)
    setattr(Sweeper, method, lambda sweeper, batch: _compose_all(sweeper.config, batch))
    try:
        yield
    finally:
        setattr(Sweeper, method, original)


def left_to_jobs(arguments: Sequence[str], error: BaseException) -> list[str] | None:
    """Return the arguments of a sweep with overrides of a missing key left to its jobs, or None if that is no remedy.

    Hydra composes a sweep without the options that it sweeps over first, and then lacks the keys that only these have:
    ``loss=wgan_gp,dragan loss.penalty.gradient.weight=5``. A choice of one is an override of the jobs alone.

    Args:
        arguments: flags and overrides of the command.
        error: of that composition.
    """
    missing = missing_key(error)
    if missing is None or not any("." not in override_key(item) and sweeps(item) for item in arguments):
        return None
    left = [_as_choice(item) if _is_below(override_key(item), missing) else item for item in arguments]
    return left if left != list(arguments) else None


def _is_below(key: str, parent: str) -> bool:
    return key == parent or key.startswith(f"{parent}.")


def _as_choice(override: str) -> str:
    key, _, value = override.partition("=")
    return f"{key}=choice({value})" if value and not value.startswith("choice(") else override


def _compose_all(config: DictConfig, batch: Sequence[Sequence[str]]) -> None:
    """Compose each job; raises ``ConfigError`` with the first message, and the jobs to which it applies."""
    loader = GlobalHydra.instance().config_loader()
    failed: dict[str, list[Sequence[str]]] = {}
    for overrides in batch:
        try:
            loader.load_sweep_config(master_config=config, sweep_overrides=list(overrides))
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            failed.setdefault(str(explain_hydra_error(error, overrides)), []).append(overrides)
    if not failed:
        return
    message, jobs = next(iter(failed.items()))
    if len(jobs) == len(batch):
        raise ConfigError(message)
    command = Command.from_hydra_config(config.hydra)
    names = [command.label(job) for job in jobs[:MAX_NAMES]]
    more = [f"{len(jobs) - MAX_NAMES} more"] if len(jobs) > MAX_NAMES else []
    others = sum(map(len, failed.values())) - len(jobs)
    also = f" (and {others} for other reasons)" if others else ""
    raise ConfigError(f"{len(jobs)} of {len(batch)} jobs ({'; '.join([*names, *more])}): {message}{also}")
