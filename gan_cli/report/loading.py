"""One run directory as a :class:`RunRecord`, in whatever state it is; only what makes it a run has to be there."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.diagnostics import ALARMS
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.report.columns import Better, better
from gan_cli.report.formatting import printable
from gan_cli.report.records import AlarmRecord, BestValue, Curve, RunRecord, RunState
from gan_cli.storage.run_directory import RunDirectory

# The sections that a configuration of this program has, whatever was trained.
SECTIONS = ("algorithm", "dataset", "seed", "train")
SAMPLE_NAME = re.compile(r"step_(\d{8,})\.(?:png|txt)")
DIAGNOSIS = "diagnosis/"


def read(path: Path, name: str) -> RunRecord:
    """Read the run of a directory; nothing in it is resolved, imported or built.

    Args:
        path: the run directory.
        name: what to call it.

    Raises:
        ConfigError: it is the directory of another program, or its configuration or figures cannot be read.
    """
    directory = RunDirectory(path)
    leaves = _read_settings(directory)
    try:
        curves = read_curves(directory.metrics)
    except OSError as error:
        raise ConfigError(f"{directory.metrics} cannot be read: {error.strerror}") from error
    last = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    summary = _json(directory.summary)
    state = _state(directory, summary, last)
    ended = state not in (RunState.running, RunState.died)
    evaluation = _json(path / "evaluation.json")
    overrides = _overrides(directory)
    spent = parse_number(summary.get("seconds")) if ended else seconds(curves.get(SPEED))
    return RunRecord(
        path=path,
        name=name,
        leaves=leaves,
        options=_options(directory),
        overrides=overrides,
        state=state,
        step=max(int(parse_number(summary.get("step")) or 0), last),
        seconds=spent,
        final={
            **{tag: float(curve.values[-1]) for tag, curve in curves.items()},
            **_parse_metrics(summary.get("final") if ended else None),
            **_parse_metrics(evaluation.get("figures")),
        },
        best={**_best(curves), **_best_of_summary(summary.get("best") if ended else None)},
        curves=curves,
        alarms=_alarms_of_summary(summary.get("alarms")) if ended else _alarms(curves),
        samples=_samples(directory),
        provenance=_mapping(evaluation.get("provenance")),
    )


def _read_settings(directory: RunDirectory) -> dict[str, Any]:
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


def _state(directory: RunDirectory, summary: Mapping[str, Any], last: int) -> RunState:
    """How a run stands; ``last`` is the step of its last report.

    A run that is resumed still has the summary of its first end; its lock, or reports after that end, tell.
    """
    if _is_locked(directory.hydra / "lock"):
        return RunState.running
    try:
        told = RunState(summary.get("status"))
    except ValueError:
        return RunState.died
    went_on = last > (parse_number(summary.get("step")) or 0)
    return RunState.died if went_on and told in (RunState.completed, RunState.interrupted) else told


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
        return parse_object(file.read_text(errors="replace"))
    except OSError:
        return {}


def _mapping(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _parse_metrics(node: object) -> dict[str, float]:
    pairs = ((printable(tag), parse_number(value)) for tag, value in _mapping(node).items())
    return {tag: value for tag, value in pairs if value is not None}


def _best(curves: Mapping[str, Curve]) -> dict[str, BestValue]:
    """The best value of every curve of which better is known to be higher or lower."""
    found = {}
    for tag, curve in curves.items():
        way = better(tag)
        if way is not None:
            place = int(curve.values.argmin() if way is Better.lower else curve.values.argmax())
            found[tag] = BestValue(float(curve.values[place]), int(curve.steps[place]))
    return found


def _best_of_summary(node: object) -> dict[str, BestValue]:
    found = {}
    for tag, entry in _mapping(node).items():
        value, step = (parse_number(_mapping(entry).get(key)) for key in ("value", "step"))
        if value is not None and step is not None:
            found[printable(tag)] = BestValue(value, int(step))
    return found


def _alarms_of_summary(node: object) -> tuple[AlarmRecord, ...]:
    found = []
    for entry in node if isinstance(node, list) else []:
        record = _mapping(entry)
        if "name" in record:
            words = [printable(record.get(key) or "") for key in ("name", "message", "try")]
            found.append(AlarmRecord(words[0], int(parse_number(record.get("step")) or 0), words[1], words[2]))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _alarms(curves: Mapping[str, Curve]) -> tuple[AlarmRecord, ...]:
    """The alarms that a run without a summary has reported so far."""
    found = []
    for name in (*ALARMS, NON_FINITE):
        curve = curves.get(f"{DIAGNOSIS}{name}")
        if curve is not None and (curve.values == 1).any():
            found.append(AlarmRecord(name, int(curve.steps[curve.values == 1][0])))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _samples(directory: RunDirectory) -> tuple[Path, ...]:
    """The sample grids, or files of sentences, the last one first."""
    try:
        names = os.listdir(directory.samples)  # noqa: PTH208 - paths would be made for hundreds of files
    except OSError:
        return ()
    steps = [(int(match[1]), name) for name in names if (match := SAMPLE_NAME.fullmatch(name))]
    return tuple(directory.samples / name for _, name in sorted(steps, reverse=True))


# Folders of a run that hold many files and no runs.
SKIPPED_FOLDERS = {"checkpoints", "samples", "export"}


@dataclass(frozen=True)
class SearchResult:
    """What a search has come to.

    Attributes:
        runs: directories with a ``.hydra/config.yaml``, each once, in the order of the paths and names.
        notes: a line for each folder that looked like a run and is none.
    """

    runs: tuple[Path, ...]
    notes: tuple[str, ...]


def search(paths: Sequence[Path]) -> SearchResult:
    """Find all run directories.

    Raises:
        ConfigError: a path is no folder.
    """
    runs: dict[Path, Path] = {}
    notes: list[str] = []
    for path in paths:
        _require_folder(path)
        for folder in _folders(path, notes):
            if (folder / ".hydra" / "config.yaml").is_file():
                runs.setdefault(folder.resolve(), folder)
            else:
                notes.append(f"{printable(folder)}: left out: it has a .hydra and no .hydra/config.yaml in it")
    return SearchResult(tuple(runs.values()), tuple(notes))


def _folders(top: Path, notes: list[str]) -> Iterator[Path]:
    """Every folder at or below ``top`` with a ``.hydra`` in it; what cannot be looked into is noted."""

    def note(error: OSError) -> None:
        notes.append(f"{printable(error.filename)}: left out: {error.strerror}")

    for name, folders, _ in os.walk(top, onerror=note):
        if ".hydra" in folders:
            yield Path(name)
        folders[:] = sorted(folder for folder in folders if folder not in SKIPPED_FOLDERS and not folder.startswith("."))


def _require_folder(path: Path) -> None:
    if path.is_dir():
        return
    if path.exists():
        raise ConfigError(f"{printable(path)}: expected a folder: a run directory, or one above run directories")
    # Of a path whose parent is missing as well, the part that is there tells where the mistake begins.
    begun = path
    while not begun.parent.is_dir():
        begun = begun.parent
    names = [entry.name for entry in begun.parent.iterdir()] if os.access(begun.parent, os.R_OK) else []
    raise ConfigError(f"there is no folder '{printable(path)}'.{did_you_mean(begun.name, names)}")


def names(runs: Sequence[Path]) -> list[str]:
    """What to call run directories: their paths below the folder that holds them all."""
    places = [folder.resolve() for folder in runs]
    if not places:
        return []
    above = Path(os.path.commonpath([place.parent for place in places]))
    return [printable(place.relative_to(above)) for place in places]


# No figure of a run in float32 is larger, and sums of squares of what is smaller can be computed.
MAX_NUMBER = 1e100
SPEED = "speed/steps_per_second"


def read_curves(file: Path) -> dict[str, Curve]:
    """Tag -> curve of a ``metrics.jsonl``; none where there is no such file, and without the lines that are not whole.

    Raises:
        OSError: the file is there and cannot be read.
    """
    if file.exists() and not file.is_file():
        return {}  # a pipe would be waited for without end
    try:
        with file.open(errors="replace") as lines:
            return collect_curves(lines)
    except FileNotFoundError:
        return {}


def collect_curves(lines: Iterable[str]) -> dict[str, Curve]:
    """Tag -> curve of the lines of a ``metrics.jsonl``; of two lines of one step the later one counts."""
    found: dict[str, dict[int, float]] = {}
    for line in lines:
        record = parse_object(line)
        step = parse_number(record.get("step"))
        if step is None or step < 0:
            continue
        for tag, value in record.items():
            figure = parse_number(value)
            if tag not in ("step", "time") and figure is not None:
                found.setdefault(printable(tag), {})[int(step)] = figure
    return {tag: _curve(points) for tag, points in found.items()}


def seconds(curve: Curve | None) -> float | None:
    """Time spent training, from the speeds between two reports; None where there are none."""
    if curve is None or not (curve.values > 0).all():
        return None
    return float((np.diff(curve.steps, prepend=0.0) / curve.values).sum())


def parse_object(text: str) -> Mapping[str, Any]:
    """A JSON object, or an empty one where the text is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def parse_number(value: object) -> float | None:
    """A number of at most :data:`MAX_NUMBER`, or None for anything else; JSON's true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if abs(figure) <= MAX_NUMBER else None


def _curve(points: Mapping[int, float]) -> Curve:
    steps = sorted(points)
    return Curve(np.array(steps, np.float64), np.array([points[step] for step in steps], np.float64))
