"""Ranges of the settings of launchers and sweepers, which the plugins themselves check late or not at all. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.plugin import Plugin
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_cli.config.hydra_plugins import jobs_at_once
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.sweeps.job_count import MAX_JOBS

DIRECTIONS = ("minimize", "maximize")
MAX_PROCESSES_PER_CORE = 16
# Number of jobs that joblib's main process hands out in advance: all, a number, or a multiple of the processes.
PRE_DISPATCH = re.compile(r"all|[1-9]\d{0,5}|([1-9]\d{0,5}\s*\*\s*)?n_jobs")
MEMORY_SIZE = re.compile(r"\d{1,12}[KMG]?")


@dataclass(frozen=True)
class Setting:
    """Range in which the value of one setting has to be.

    Attributes:
        accepts: whether a value is in it.
        allowed: description of the right values, for messages.
    """

    accepts: Callable[[object], bool]
    allowed: str

    def or_null(self) -> Setting:
        """Return the same range with null in it."""
        return Setting(lambda value: value is None or self.accepts(value), f"{self.allowed}, or null")


def _integer(low: int, high: int) -> Setting:
    return Setting(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
        f"an integer from {low:,} to {high:,}",
    )


def _number(low: float, high: float) -> Setting:
    return Setting(
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def _text(pattern: re.Pattern[str], allowed: str) -> Setting:
    return Setting(lambda value: pattern.fullmatch(str(value)) is not None, allowed)


def _one_of(*words: str) -> Setting:
    return Setting(lambda value: value in words, " or ".join(words))


def _processes() -> Setting:
    """Return the range of joblib's ``n_jobs``: it starts as many processes at once, and a negative one counts cores."""
    most = max(MAX_PROCESSES_PER_CORE * (os.cpu_count() or 1), jobs_at_once())
    integer = _integer(-most, most)
    return Setting(lambda value: value != 0 and integer.accepts(value), f"{integer.allowed} other than 0")


def _is_address(value: object) -> bool:
    """Return whether a value can be that of a database: a text, or a node that Hydra makes one of."""
    return "_target_" in value if isinstance(value, DictConfig) else isinstance(value, str) and bool(value)


MINUTES = _integer(1, 10_000_000)
CORES = _integer(1, 100_000).or_null()
GPUS = _integer(0, 10_000).or_null()
SUBMITIT = {
    "timeout_min": MINUTES,
    "cpus_per_task": CORES,
    "gpus_per_node": GPUS,
    "tasks_per_node": _integer(1, 1),  # each task would train the same job
    "nodes": _integer(1, 10_000),
    "mem_gb": _integer(1, 1_000_000).or_null(),
    "max_num_timeout": _integer(0, 1_000_000),
    "signal_delay_s": _integer(0, 1_000_000),
    "array_parallelism": _integer(1, 1_000_000),
    "cpus_per_gpu": CORES,
    "gpus_per_task": GPUS,
}
# Option of ``hydra/launcher`` -> key below ``hydra.launcher`` -> its range.
LAUNCHER_SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "joblib": {
        "batch_size": Setting(
            lambda value: value == "auto" or _integer(1, MAX_JOBS).accepts(_as_integer(value)),
            f"auto or an integer from 1 to {MAX_JOBS:,}",
        ),
        "pre_dispatch": _text(PRE_DISPATCH, "all, an integer above 0, n_jobs or a multiple of it (2*n_jobs)"),
        "timeout": _number(1e-3, 1e9).or_null(),
        "verbose": _integer(0, 1000),
        "prefer": _one_of("processes"),
        "require": Setting(lambda value: value is None, "null"),
        "max_nbytes": _text(MEMORY_SIZE, "a size such as 10M").or_null(),
        "mmap_mode": _one_of("r", "r+", "w+", "c"),
    },
    "submitit_local": SUBMITIT,
    "submitit_slurm": SUBMITIT,
    "ray": {
        "ray.remote.num_cpus": _number(0, 100_000).or_null(),
        "ray.remote.num_gpus": _number(0, 10_000).or_null(),
        "ray.remote.max_retries": _integer(-1, 1_000_000),
    },
}
# Option of ``hydra/sweeper`` -> key below ``hydra.sweeper`` -> its range.
SWEEPER_SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "basic": {"max_batch_size": _integer(1, MAX_JOBS).or_null()},
    "optuna": {
        "n_trials": _integer(1, MAX_JOBS),
        "n_jobs": _integer(1, MAX_JOBS),
        "max_failure_rate": _number(0, 1),
        "direction": Setting(lambda value: _direction_name(value) in DIRECTIONS, " or ".join(DIRECTIONS)),
        "storage": Setting(_is_address, "the address of a database (sqlite:///study.db)").or_null(),
        "sampler.seed": _integer(0, 2**32 - 1).or_null(),
        "sampler.n_startup_trials": _integer(0, MAX_JOBS),
        "sampler.n_ei_candidates": _integer(1, 100_000),
        "sampler.n_ehvi_candidates": _integer(1, 100_000),
        "sampler.prior_weight": _number(0, 1e9),
        "sampler.population_size": _integer(2, MAX_JOBS),
        "sampler.mutation_prob": _number(0, 1).or_null(),
        "sampler.crossover_prob": _number(0, 1),
        "sampler.swapping_prob": _number(0, 1),
        "sampler.sigma0": _number(1e-30, 1e30).or_null(),
        "sampler.inc_popsize": _integer(1, 1000),
    },
}  # fmt: skip


def check_launcher(hydra: DictConfig) -> None:
    """Check the launcher of a composed configuration of Hydra's; a launcher unknown here is left to its plugin.

    Raises:
        ConfigError: with the first setting that is out of its range.
    """
    option = str(hydra.runtime.choices.get("hydra/launcher"))
    _require_plugin(hydra, "launcher", Launcher)
    settings = dict(LAUNCHER_SETTINGS.get(option, {}))
    if option == "joblib":
        settings["n_jobs"] = _processes()
    _check(hydra.launcher, "hydra.launcher", settings)


def check_sweeper(hydra: DictConfig) -> None:
    """Check the sweeper of a composed configuration of Hydra's; raises as :func:`check_launcher` does."""
    _require_plugin(hydra, "sweeper", Sweeper)
    option = str(hydra.runtime.choices.get("hydra/sweeper"))
    _check(hydra.sweeper, "hydra.sweeper", SWEEPER_SETTINGS.get(option, {}))


def _require_plugin(hydra: DictConfig, section: str, kind: type[Plugin]) -> None:
    """Require a section to name a plugin of a kind; an unknown name, or another kind, would end in a traceback."""
    settings, path = hydra.get(section), f"hydra.{section}"
    if not isinstance(settings, DictConfig):
        raise ConfigError(f"{path}: expected the settings of a {section}, got {truncated_repr(settings)}")
    target = settings.get("_target_")
    found = Plugins.instance().class_name_to_class.get(str(target))
    if found is None or not issubclass(found, kind):
        raise ConfigError(f"{path}._target_: expected the class of a {section}, got {truncated_repr(target)}")


def _check(section: DictConfig, path: str, settings: Mapping[str, Setting]) -> None:
    for key, setting in settings.items():
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(section, parent) if parent else section
        if isinstance(node, DictConfig) and name in node:
            value = node[name]
            if not setting.accepts(value):
                raise ConfigError(f"{path}.{key}: expected {setting.allowed}, got {truncated_repr(value)}")


def _as_integer(value: object) -> object:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _direction_name(value: object) -> str:
    """Return the name of a direction, which may be text, a member of Optuna's enumeration or a list of one."""
    if isinstance(value, ListConfig) and len(value) == 1:
        value = value[0]
    return str(getattr(value, "name", value))
