"""One run directory as a :class:`Run`, in whatever state it is; only what makes it a run has to be there."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.diagnostics import ALARMS
from gan_cli.diagnostics.monitor import NON_FINITE
from gan_cli.errors import ConfigError
from gan_cli.report import history
from gan_cli.report.columns import Better, better
from gan_cli.report.runs import Alarm, Best, Curve, Run, State
from gan_cli.report.text import printable
from gan_cli.storage.run_directory import RunDirectory

# The sections that a configuration of this program has, whatever was trained.
SECTIONS = ("algorithm", "dataset", "seed", "train")
SAMPLE_NAME = re.compile(r"step_(\d{8,})\.(?:png|txt)")
DIAGNOSIS = "diagnosis/"


def read(path: Path, name: str) -> Run:
    """Read the run of a directory; nothing in it is resolved, imported or built.

    Args:
        path: the run directory.
        name: what to call it.

    Raises:
        ConfigError: it is the directory of another program, or its configuration or figures cannot be read.
    """
    directory = RunDirectory(path)
    leaves = _leaves(directory)
    try:
        curves = history.curves(directory.metrics)
    except OSError as error:
        raise ConfigError(f"{directory.metrics} cannot be read: {error.strerror}") from error
    last = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    summary = _json(directory.summary)
    state = _state(directory, summary, last)
    ended = state not in (State.running, State.died)
    evaluation = _json(path / "evaluation.json")
    overrides = _overrides(directory)
    spent = history.number(summary.get("seconds")) if ended else history.seconds(curves.get(history.SPEED))
    return Run(
        path=path,
        name=name,
        leaves=leaves,
        options=_options(directory),
        overrides=overrides,
        state=state,
        step=max(int(history.number(summary.get("step")) or 0), last),
        seconds=spent,
        final={
            **{tag: float(curve.values[-1]) for tag, curve in curves.items()},
            **_figures(summary.get("final") if ended else None),
            **_figures(evaluation.get("figures")),
        },
        best={**_best(curves), **_best_of_summary(summary.get("best") if ended else None)},
        curves=curves,
        alarms=_alarms_of_summary(summary.get("alarms")) if ended else _alarms(curves),
        samples=_samples(directory),
        provenance=_mapping(evaluation.get("provenance")),
    )


def _leaves(directory: RunDirectory) -> dict[str, Any]:
    """``dotted.key -> value`` of the stored configuration, interpolations as they stand."""
    stored = directory.stored_config()
    missing = [section for section in SECTIONS if section not in stored]
    if missing:
        raise ConfigError(f"{printable(directory.path)} is no run of gan_cli: its configuration has no {missing[0]}")
    try:
        tree = OmegaConf.to_container(stored, resolve=False)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{directory.hydra / 'config.yaml'} cannot be read: {str(error).splitlines()[0]}") from error
    return dict(_walk(tree, ""))


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{path}.{printable(key)}" if path else printable(key))
    else:
        yield path, node


def _overrides(directory: RunDirectory) -> tuple[str, ...]:
    try:
        return tuple(printable(override) for override in directory.stored_overrides())
    except ConfigError:
        return ()  # the configuration itself is there; what the command line said of it is not


def _options(directory: RunDirectory) -> dict[str, str]:
    """Config group -> option, from ``hydra.yaml``; the parts of Hydra itself are left out."""
    try:
        # The C parser where there is one: most of the file is a help page, which takes the other one long.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        node = yaml.load((directory.hydra / "hydra.yaml").read_text(), Loader=loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    for key in ("runtime", "choices"):
        node = _mapping(node).get(key)
    chosen = _mapping(node).items()
    return {printable(group): _option(option) for group, option in chosen if not str(group).startswith("hydra/")}


def _option(option: object) -> str:
    return printable(",".join(map(str, option)) if isinstance(option, list) else option)


def _state(directory: RunDirectory, summary: Mapping[str, Any], last: int) -> State:
    """How a run stands; ``last`` is the step of its last report.

    A run that is resumed still has the summary of its first end; its lock, or reports after that end, tell.
    """
    if _is_locked(directory.hydra / "lock"):
        return State.running
    try:
        told = State(summary.get("status"))
    except ValueError:
        return State.died
    went_on = last > (history.number(summary.get("step")) or 0)
    return State.died if went_on and told in (State.completed, State.interrupted) else told


def _is_locked(lock: Path) -> bool:
    """Whether a process is training in the directory; what is asked for is let go at once, and shuts nobody out."""
    if not lock.is_file():
        return False
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no lock was ever taken, or the file system has none to take
    return False


def _json(file: Path) -> Mapping[str, Any]:
    """A file's JSON object; empty where there is none, or none that is whole."""
    if not file.is_file():
        return {}
    try:
        return history.parsed(file.read_text(errors="replace"))
    except OSError:
        return {}


def _mapping(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _figures(node: object) -> dict[str, float]:
    pairs = ((printable(tag), history.number(value)) for tag, value in _mapping(node).items())
    return {tag: value for tag, value in pairs if value is not None}


def _best(curves: Mapping[str, Curve]) -> dict[str, Best]:
    """The best value of every curve of which better is known to be higher or lower."""
    found = {}
    for tag, curve in curves.items():
        way = better(tag)
        if way is not None:
            place = int(curve.values.argmin() if way is Better.lower else curve.values.argmax())
            found[tag] = Best(float(curve.values[place]), int(curve.steps[place]))
    return found


def _best_of_summary(node: object) -> dict[str, Best]:
    found = {}
    for tag, entry in _mapping(node).items():
        value, step = (history.number(_mapping(entry).get(key)) for key in ("value", "step"))
        if value is not None and step is not None:
            found[printable(tag)] = Best(value, int(step))
    return found


def _alarms_of_summary(node: object) -> tuple[Alarm, ...]:
    found = []
    for entry in node if isinstance(node, list) else []:
        record = _mapping(entry)
        if "name" in record:
            words = [printable(record.get(key) or "") for key in ("name", "message", "try")]
            found.append(Alarm(words[0], int(history.number(record.get("step")) or 0), words[1], words[2]))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _alarms(curves: Mapping[str, Curve]) -> tuple[Alarm, ...]:
    """The alarms that a run without a summary has reported so far."""
    found = []
    for name in (*ALARMS, NON_FINITE):
        curve = curves.get(f"{DIAGNOSIS}{name}")
        if curve is not None and (curve.values == 1).any():
            found.append(Alarm(name, int(curve.steps[curve.values == 1][0])))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _samples(directory: RunDirectory) -> tuple[Path, ...]:
    """The sample grids, or files of sentences, the last one first."""
    try:
        names = os.listdir(directory.samples)  # noqa: PTH208 - paths would be made for hundreds of files
    except OSError:
        return ()
    steps = [(int(match[1]), name) for name in names if (match := SAMPLE_NAME.fullmatch(name))]
    return tuple(directory.samples / name for _, name in sorted(steps, reverse=True))
