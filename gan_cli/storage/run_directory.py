"""Run directories: each claimed by one run, with the configuration from which it can be composed again. No torch."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_cli.errors import ConfigError, printable
from gan_cli.storage import locks, untrusted_yaml
from gan_cli.storage.files import write_atomic, writing
from gan_cli.storage.interpolations import reject_growth
from gan_cli.storage.json_files import describe_damage, mapping, read_object
from gan_cli.storage.moved_targets import with_present_names

CHECKPOINT_NAME = re.compile(r"step_(\d{8,})\.pt")


@dataclass(frozen=True)
class RunDirectory:
    """Directory of one run; the layout is a contract (docs/run-directory.md)."""

    path: Path

    @property
    def hydra(self) -> Path:
        """``.hydra/``: the configuration from which the run was composed."""
        return self.path / ".hydra"

    @property
    def config_file(self) -> Path:
        """File of the configuration, which :meth:`stored_config` reads."""
        return self.hydra / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def table(self) -> Path:
        """``metrics.csv``: the same as a table; only with logger=csv."""
        return self.path / "metrics.csv"

    @property
    def tracked(self) -> Path:
        """``loggers.json``: the runs of trackers that this one is logged to; only with such a logger."""
        return self.path / "loggers.json"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def tags(self) -> Path:
        """``tags.json``: units, directions and ceilings of the tags that depend on the loss."""
        return self.path / "tags.json"

    @property
    def threads(self) -> Path:
        """``threads.jsonl``: at which steps the run changed its number of threads; rarely there."""
        return self.path / "threads.jsonl"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def evaluations(self) -> Path:
        """``evaluations.jsonl``: what ``gan-eval --watch`` and ``--all`` measured, a line for each checkpoint."""
        return self.path / "evaluations.jsonl"

    @property
    def evaluation_curves(self) -> Path:
        """``eval/``: TensorBoard's file of the same metrics, which is made of ``evaluations.jsonl``."""
        return self.path / "eval"

    @property
    def origin(self) -> Path:
        """``origin.json``: the earlier run that this one began from (``init``, ``fork``), where it did."""
        return self.path / "origin.json"

    def write_hydra_config(self, config: DictConfig, hydra: DictConfig, overrides: Sequence[str]) -> None:
        """Write ``.hydra/``: the configuration, Hydra's own and the overrides of the command line."""
        with writing(self.hydra):
            OmegaConf.save(config, self.hydra / "config.yaml")
            OmegaConf.save(hydra, self.hydra / "hydra.yaml")
            OmegaConf.save(list(overrides), self.hydra / "overrides.yaml")

    def store_changes(self, changes: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Store other values of settings, with which the run is resumed from now on.

        Args:
            changes: value by dotted key; interpolations in it stay.
            overrides: the same as overrides.

        Raises:
            OutputError: the files cannot be written.
        """
        config, earlier = self._read("config.yaml"), self.stored_overrides()
        if not changes or not isinstance(config, DictConfig):
            return
        for key, value in changes.items():
            OmegaConf.update(config, key, value, force_add=True)
        kept = [item for item in earlier if item.lstrip("+").partition("=")[0] not in changes]
        with writing(self.hydra):
            write_atomic(self.hydra / "config.yaml", OmegaConf.to_yaml(config).encode())
            now = OmegaConf.create([*kept, *overrides])
            write_atomic(self.hydra / "overrides.yaml", OmegaConf.to_yaml(now).encode())

    def stored_config(self) -> DictConfig:
        """Read ``.hydra/config.yaml``, classes under their present names; nothing in it is resolved or built."""
        return parse_stored_config(self._read("config.yaml"), self.config_file)

    def stored_overrides(self) -> list[str]:
        """Read the overrides of the command line from ``.hydra/overrides.yaml``; no interpolation is resolved."""
        overrides = self._read("overrides.yaml")
        if not isinstance(overrides, ListConfig):
            raise ConfigError(f"{self.hydra / 'overrides.yaml'}: expected a list")
        plain = OmegaConf.to_container(overrides, resolve=False)
        return [str(override) for override in plain] if isinstance(plain, list) else []

    def stored_options(self) -> dict[str, str]:
        """Read config group -> option from ``.hydra/hydra.yaml``, without groups of Hydra itself; empty without it."""
        chosen = mapping(self._hydra_runtime().get("choices")).items()
        return {printable(group): _option(option) for group, option in chosen if not str(group).startswith("hydra/")}

    def stored_option_sources(self) -> object:
        """Read from where Hydra took the options, from ``.hydra/hydra.yaml``; None without it. It may be anything."""
        return self._hydra_runtime().get("config_sources")

    def _hydra_runtime(self) -> Mapping[str, Any]:
        try:
            node = untrusted_yaml.load_plain(self.hydra / "hydra.yaml")
        except ConfigError:
            return {}
        return mapping(mapping(node).get("runtime"))

    def _read(self, name: str) -> DictConfig | ListConfig:
        file = self.hydra / name
        try:
            return untrusted_yaml.load(file)
        except ConfigError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise ConfigError(f"{self.path} is no run directory: it has no .hydra/{name}") from error
            raise

    def stored_summary(self) -> dict[str, Any]:
        """Read ``summary.json``; empty where there is none, or none that is complete."""
        return _stored_json(self.summary)

    def stored_evaluation(self) -> dict[str, Any]:
        """Read ``evaluation.json``; empty where there is none, or none that is complete."""
        return _stored_json(self.evaluation)

    def stored_origin(self) -> dict[str, Any]:
        """Read ``origin.json``; empty where there is none, or none that is complete."""
        return _stored_json(self.origin)

    def damage(self) -> list[str]:
        """Return a clause for each of ``summary.json``, ``evaluation.json`` and ``tags.json`` that does not count."""
        return [text for file in (self.summary, self.evaluation, self.tags) if (text := describe_damage(file))]

    @property
    def written_by(self) -> str | None:
        """Version of this program that has written the run's summary, or None where there is none."""
        versions = self.stored_summary().get("versions")
        version = versions.get("gan_cli") if isinstance(versions, dict) else None
        return version[:50] if isinstance(version, str) else None

    @property
    def is_claimed(self) -> bool:
        """True once a run has claimed the directory."""
        return self.hydra.exists()

    @property
    def has_checkpoint(self) -> bool:
        """True if there is any checkpoint, even a damaged one."""
        return any(self.checkpoints.glob("*.pt"))

    @property
    def latest_step(self) -> int | None:
        """Step of the latest checkpoint by the names of the files, or None where there is none."""
        return max(self.checkpoint_steps, default=None)

    @property
    def checkpoint_steps(self) -> list[int]:
        """Steps of the numbered checkpoints by the names of the files, in ascending order."""
        names = (CHECKPOINT_NAME.fullmatch(path.name) for path in self.checkpoints.glob("step_*.pt"))
        return sorted(int(name[1]) for name in names if name)

    def clear(self) -> None:
        """Remove the files of a run and its claim on the directory, but not the names of its tracked runs.

        Files of other origin stay.

        Raises:
            OutputError: something cannot be removed.
        """
        with writing(self.path):
            records = (self.metrics, self.table, self.log, self.tags, self.threads, self.evaluations, self.origin)
            files = (*records, self.summary, self.evaluation)
            for file in (*files, *self.path.glob("events.out.*")):
                file.unlink(missing_ok=True)
            # .hydra comes last: it is the claim of the run on the directory.
            for folder in (self.checkpoints, self.samples, self.evaluation_curves, self.hydra):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(folder)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json`` atomically; raises ``OutputError``."""
        _write_json(self.summary, summary)

    def write_tags(self, tags: Mapping[str, Any]) -> None:
        """Write ``tags.json`` atomically; raises ``OutputError``."""
        _write_json(self.tags, tags)

    def write_evaluation(self, evaluation: Mapping[str, Any]) -> None:
        """Write ``evaluation.json`` atomically; raises ``OutputError``."""
        _write_json(self.evaluation, evaluation)

    def write_origin(self, origin: Mapping[str, Any]) -> None:
        """Write ``origin.json`` atomically; raises ``OutputError``."""
        _write_json(self.origin, origin)

    @property
    def _lock(self) -> Path:
        return self.hydra / "lock"

    @property
    def is_locked(self) -> bool:
        """True while a process trains in the directory, as far as the file system can tell."""
        return locks.is_held(self._lock)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory against a second process that would train in it; the lock ends with the process.

        Raises:
            ConfigError: another process has locked it.
            OutputError: the lock cannot be written.
        """
        with writing(self._lock):
            file = locks.try_lock(self._lock)
        if file is None:
            raise ConfigError(f"{self.path}: another process is training in this directory")
        with file:
            yield


def parse_stored_config(config: DictConfig | ListConfig, file: Path) -> DictConfig:
    """Return a configuration that was loaded from a file, classes under their present names.

    Nothing in it is resolved or built.

    Args:
        config: as :func:`gan_cli.storage.untrusted_yaml.load` returns it.
        file: that it comes from, for messages.

    Raises:
        ConfigError: it is no mapping, calls a resolver, or grows beyond bounds where interpolations are resolved.
    """
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{file}: expected a mapping")
    untrusted_yaml.reject_resolvers(config, file)
    plain = OmegaConf.to_container(config, resolve=False)
    reject_growth(plain, f"{file}: ")
    present = with_present_names(plain)
    return config if present == plain else OmegaConf.create(present)


def _option(option: object) -> str:
    if option is None:
        return "none"
    return printable(",".join(map(str, option)) if isinstance(option, list) else option)


def _stored_json(file: Path) -> dict[str, Any]:
    try:
        return read_object(file)
    except OSError:
        return {}


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    with writing(file):
        write_atomic(file, f"{json.dumps(content, indent=2)}\n".encode())


def claim(wanted: Path) -> RunDirectory:
    """Claim a run directory for the caller: ``wanted``, or ``wanted_1``, ``wanted_2``, ...

    Creating ``.hydra`` inside is the claim: of any number of processes, only one can create it.
    """
    for candidate in candidate_paths(wanted):
        with writing(candidate):
            candidate.mkdir(parents=True, exist_ok=True)
            try:
                (candidate / ".hydra").mkdir()
            except FileExistsError:
                continue
        return RunDirectory(candidate)
    raise AssertionError("unreachable: the candidates are endless")


def unique_dir(wanted: str) -> str:
    """Create a new directory, ``wanted`` or ``wanted_n``, and return its name (Hydra resolver ``unique_dir``)."""
    for candidate in candidate_paths(Path(wanted)):
        with writing(candidate):
            candidate.parent.mkdir(parents=True, exist_ok=True)
            try:
                candidate.mkdir()
            except FileExistsError:
                continue
        return str(candidate)
    raise AssertionError("unreachable: the candidates are endless")


def candidate_paths(wanted: Path) -> Iterator[Path]:
    """Yield the paths that a directory may get: ``wanted``, then ``wanted_1`` and so on without end."""
    wanted = wanted if wanted.name else wanted.resolve()
    yield wanted
    number = 1
    while True:
        yield wanted.with_name(f"{wanted.name}_{number}")
        number += 1
