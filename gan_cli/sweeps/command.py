"""Command that started a sweep, and the one that continues it (``sweep.continue=DIR``). Imports no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException
from omegaconf import DictConfig

from gan_cli.config.compose import plain_overrides
from gan_cli.config.override_text import split_flags
from gan_cli.config.path_overrides import typed_path
from gan_cli.config.schema import RESUMABLE_KEYS, may_change
from gan_cli.config.sweep_metric import drop_replaced
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.storage.files import replacing, writing
from gan_cli.storage.reading import MAX_JSON_BYTES, read_text
from gan_cli.sweeps.job_count import count_jobs
from gan_cli.sweeps.job_registry import JobRegistry, override_key

CONTINUE = "sweep.continue"
COMMAND_FILE = "command.json"
# Keys of Hydra that determine the jobs of a command; its other keys may differ: another launcher, say.
JOB_DEFINING_KEYS = ("hydra/sweeper", "hydra.sweeper.params", "sweep")


# Overrides of Hydra that have functions, programs or modules of anybody's choice called.
NAMES_CODE = re.compile(
    r"_target_|custom_search_space|env_set|launcher\.(setup|additional_parameters)|\$\{(?!hydra:)[^}]*:"
    r"|hydra\.(callbacks|job_logging|hydra_logging|searchpath)"
)


@dataclass(frozen=True)
class Command:
    """Overrides of a command line.

    Attributes:
        task: overrides of the runs, in the order that numbers the jobs.
        hydra: overrides of Hydra itself.
        jobs: number of jobs of the sweep; None where it is not known before they run.
    """

    task: tuple[str, ...]
    hydra: tuple[str, ...]
    jobs: int | None = None

    @classmethod
    def from_hydra_config(cls, hydra: DictConfig, jobs: int | None = None) -> Command:
        """Return the command that Hydra's own configuration was composed of."""
        return cls(tuple(plain_overrides(hydra)), tuple(plain_overrides(hydra, "hydra")), jobs)

    @classmethod
    def from_command_line(cls, overrides: Sequence[str]) -> Command:
        """Return the command of a command line without its flags."""
        task = tuple(item for item in overrides if not override_key(item).startswith(("hydra.", "hydra/")))
        return cls(task, tuple(item for item in overrides if item not in task))

    def label(self, job: Sequence[str]) -> str:
        """Return the overrides of a job that differ between jobs, as typed but for the seed, which comes last."""
        varying = self.varying(job)
        kept = [item for item in job if override_key(item) in varying]
        return ",".join(sorted(kept, key=lambda item: override_key(item) == "seed"))

    def varying(self, job: Sequence[str]) -> list[str]:
        """Return the keys of the overrides of a job that differ between jobs."""
        swept = {override_key(item) for item in self.task if sweeps(item)}
        fixed = {override_key(item) for item in self.task} - swept
        return [key for key in map(override_key, job) if key not in fixed]

    def write(self, folder: Path) -> None:
        """Write ``command.json`` into a folder, atomically."""
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / COMMAND_FILE) as temporary:
                temporary.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def from_sweep(cls, sweep: Path) -> Command:
        """Read the command that started the sweep of a directory, which is to be continued.

        Raises:
            ConfigError: the directory holds no sweep, or its ``command.json`` cannot be read.
        """
        if not (JobRegistry(sweep).folder / COMMAND_FILE).exists():
            raise ConfigError(f"{CONTINUE}={sweep}: {_explain_no_command(sweep)}")
        return cls.stored(sweep)

    @classmethod
    def stored(cls, sweep: Path) -> Command:
        """Read ``command.json`` of a sweep; raises ``ConfigError`` where it is missing or cannot be read."""
        file = JobRegistry(sweep).folder / COMMAND_FILE
        try:
            stored = json.loads(read_text(file, MAX_JSON_BYTES))
            jobs = stored.get("jobs")  # earlier versions did not store it
            return cls(
                _require_texts(stored["task"]), _require_texts(stored["hydra"]), jobs if isinstance(jobs, int) else None
            )
        except FileNotFoundError as error:
            raise ConfigError(f"{file} is missing: the callback hydra.callbacks.tally writes it") from error
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(f"{file} cannot be read: expected what gan-train wrote, overrides by kind") from error

    def merge_continuation(self, typed: Command, sweep: Path) -> Command:
        """Return the command that continues this one: ``typed`` in full, or this one with changes to what may change.

        Args:
            typed: the same command again, also with more values of a key, or only overrides that may change.
            sweep: directory of the sweep, for messages.

        Raises:
            ConfigError: the typed command lacks jobs, or has others.
        """
        was, now = (_job_overrides((*command.task, *command.hydra)) for command in (self, typed))
        if not now:
            self._reject_code(sweep)
            replaced = [override_key(item) for item in (*typed.task, *typed.hydra, "hydra.mode=MULTIRUN")]
            earlier = drop_replaced(self.task, typed.task)
            task, hydra = (
                [item for item in items if override_key(item) not in replaced] for items in (earlier, self.hydra)
            )
            return Command((*task, *typed.task), (*hydra, *typed.hydra))
        if sorted(was) != sorted(now):
            if self._may_grow(was, now):
                return typed
            raise ConfigError(
                f"{CONTINUE}={sweep}: the sweep began with another command: {_differences(was, now)}."
                f" May change: {', '.join(RESUMABLE_KEYS[:-2])}; values may be added to those of a key"
            )
        # In the earlier order, which numbers the jobs; overrides that may change and were not typed again are dropped.
        kept = [item for item in self.task if item in typed.task]
        return Command((*kept, *(item for item in typed.task if item not in kept)), typed.hydra)

    def _may_grow(self, was: Sequence[str], now: Sequence[str]) -> bool:
        """Return whether one command has all jobs of another, and more: values were added to those of some keys.

        Jobs are told apart by their values only where the sweep is of all combinations.
        """
        sweepers = [item for item in self.hydra if override_key(item) == "hydra/sweeper"]
        before, after = ({override_key(item): item for item in items} for items in (was, now))
        return (
            sweepers in ([], ["hydra/sweeper=basic"])
            and before.keys() == after.keys()
            and len(was) == len(now) == len(before)
            and all(before[key] == after[key] or _has_values_of(after[key], before[key]) for key in before)
        )

    def _reject_code(self, sweep: Path) -> None:
        """Reject a stored command that names code to call, which a directory of unknown origin is not to do."""
        for item in self.hydra:
            if NAMES_CODE.search(item):
                raise ConfigError(
                    f"{CONTINUE}={sweep}: the sweep began with {truncated_repr(item)}, which names code to be called:"
                    " type the whole command again to continue it"
                )


def _require_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"expected a list of texts, got {type(value)}")
    return tuple(value)


def pop_continue(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the directory of ``sweep.continue=DIR``, or None, and the other arguments.

    Hydra must not see that one: it is no setting of the jobs.
    """
    values = [item.partition("=")[2] for item in arguments if override_key(item) == CONTINUE]
    others = [item for item in arguments if override_key(item) != CONTINUE]
    if not values or values[-1] == "null":
        return None, others
    directory = typed_path(values[-1])
    if not directory:
        raise ConfigError(f"{CONTINUE}: expected the directory of a sweep, got nothing")
    return directory, others


def continuation_arguments(sweep: Path, arguments: Sequence[str]) -> list[str]:
    """Return the arguments for Hydra that continue a sweep.

    Args:
        sweep: its directory.
        arguments: flags and overrides as typed, without ``sweep.continue``.

    Raises:
        ConfigError: the directory is no sweep, or the command has other jobs.
    """
    flags, typed = split_flags(arguments)
    command = Command.from_sweep(sweep).merge_continuation(Command.from_command_line(typed), sweep)
    hydra = [item for item in command.hydra if override_key(item) != "hydra.sweep.dir"]
    escaped = str(sweep.absolute()).replace("\\", "\\\\").replace("'", "\\'")
    return [*flags, *command.task, *hydra, f"hydra.sweep.dir='{escaped}'"]


def _job_overrides(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that determine which jobs there are, and what each of them trains."""
    kept = [item for item in overrides if _defines_jobs(override_key(item)) or _identifies_runs(item)]
    return [without_single_choice(item) for item in kept]


def _defines_jobs(key: str) -> bool:
    return key in JOB_DEFINING_KEYS or key.startswith("hydra.sweeper.params.")


def _identifies_runs(override: str) -> bool:
    """Return whether an override of the runs must not change, or differs between jobs."""
    key = override_key(override)
    return not key.startswith(("hydra.", "hydra/")) and (not may_change(key) or sweeps(override))


def _differences(was: Sequence[str], now: Sequence[str]) -> str:
    """Describe the changes that turn one command into the other."""
    missing, new = ([item for item in one if item not in other] for one, other in ((was, now), (now, was)))
    before = {override_key(item): item for item in missing}
    changes = [f"{item}, which had {before.pop(override_key(item))}" for item in new if override_key(item) in before]
    changes += [f"{item}, which it did not have" for item in new if not any(item in each for each in changes)]
    return "; ".join([*changes, *(f"without {item}" for item in before.values())]) or "other repetitions"


def _has_values_of(larger: str, smaller: str) -> bool:
    """Return whether a list or range has all values of another one, or of a single value, and no value twice."""
    values, earlier = _values(larger), _values(smaller)
    return bool(earlier) and len(set(values)) == len(values) and set(earlier) <= set(values)


def _values(override: str) -> list[str]:
    """Return the values of an override, each as it is in a job; none where they are no list and no range."""
    parsed = _parsed(override)
    if parsed is None or parsed.is_delete():
        return []
    value: object = parsed.value()
    if not isinstance(value, Sweep):
        return [override.partition("=")[2]]
    if not isinstance(value, ChoiceSweep | RangeSweep):
        return []
    count_jobs([parsed])  # there may be too many to list
    return list(parsed.sweep_string_iterator())


def sweeps(override: str) -> bool:
    """Return whether an override has several values, of which each is of other jobs."""
    parsed = _parsed(override)
    return parsed is not None and parsed.is_sweep_override() and not _is_single_choice(parsed)


def without_single_choice(override: str) -> str:
    """Return an override as it is in the jobs where its value is a choice of one: ``a=5`` of ``a=choice(5)``."""
    parsed = _parsed(override)
    if parsed is None or not _is_single_choice(parsed):
        return override
    return f"{parsed.get_key_element()}={next(iter(parsed.sweep_string_iterator()))}"


def _is_single_choice(override: Override) -> bool:
    value = override.value()
    return isinstance(value, ChoiceSweep) and len(value.list) == 1


def _parsed(override: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None  # Hydra will report what is wrong with it


def _explain_no_command(sweep: Path) -> str:
    """Explain why a directory has no ``command.json``, and what to do instead."""
    if not sweep.is_dir():
        return "there is no such folder"
    if (sweep / ".hydra").is_dir():
        return f"this is one run, not a sweep; resume={sweep} continues it"
    if (sweep / "multirun.yaml").is_file():
        return "this sweep has no .jobs/command.json: an earlier version began it, and it cannot be continued"
    return "this is no sweep: it has no multirun.yaml and no .jobs/command.json"
