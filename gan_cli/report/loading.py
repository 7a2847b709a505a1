"""Reading of run directories in any state as :class:`RunRecord`; only their configuration has to be there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.diagnostics import ALARMS
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.errors import ConfigError, printable
from gan_cli.metrics.registry import MetricInfo
from gan_cli.metrics.training_tags import own_alarms
from gan_cli.report.columns import Better, better
from gan_cli.report.curves import SPEED, parse_number, read_curves, training_seconds
from gan_cli.report.records import AlarmRecord, BestValue, Curve, Origin, RunRecord, RunState
from gan_cli.report.settings import follow_references
from gan_cli.storage.json_files import mapping, read_object
from gan_cli.storage.run_directory import RunDirectory

# Sections that every configuration of this program has.
SECTIONS = ("algorithm", "dataset", "seed", "train")
SAMPLE_NAME = re.compile(r"step_(\d{8,})\.(?:png|txt)")
DIAGNOSIS = "diagnosis/"
FIGURES = "figures"  # key of ``evaluation.json`` with the metrics; the others are their provenance


def read_run(path: Path, name: str) -> RunRecord:
    """Read the run of a directory; nothing in it is resolved, imported or built.

    Args:
        path: the run directory.
        name: of the run in the report.

    Raises:
        ConfigError: it is the directory of another program, or its configuration or metrics cannot be read.
    """
    directory = RunDirectory(path)
    leaves = _read_settings(directory)
    try:
        curves = read_curves(directory.metrics)
    except OSError as error:
        raise _unreadable(directory.metrics, error) from error
    last = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    summary = _json(directory.summary)
    state = _state(directory, summary, last)
    ended = state not in (RunState.running, RunState.died)
    evaluation = _json(directory.evaluation)
    evaluated = _evaluated_metrics(evaluation)
    overrides = _overrides(directory)
    elapsed = parse_number(summary.get("seconds")) if ended else training_seconds(curves.get(SPEED))
    return RunRecord(
        path=path,
        name=name,
        leaves=leaves,
        options=directory.stored_options(),
        overrides=overrides,
        state=state,
        step=max(int(parse_number(summary.get("step")) or 0), last),
        seconds=elapsed,
        final={
            **{tag: float(curve.values[-1]) for tag, curve in curves.items()},
            **_parse_metrics(summary.get("final") if ended else None),
            **evaluated,
        },
        best={**_best(curves), **_best_of_summary(summary.get("best") if ended else None)},
        curves=curves,
        alarms=_alarms_of_summary(summary.get("alarms")) if ended else _alarms(curves),
        samples=_samples(directory),
        provenance={key: value for key, value in evaluation.items() if key != FIGURES},
        evaluated=tuple(evaluated),
        infos=_infos(_json(directory.tags)),
        origin=_origin(_json(directory.origin)),
    )


def _read_settings(directory: RunDirectory) -> dict[str, Any]:
    """Return ``dotted.key -> value`` of the stored configuration; only references to other settings are followed."""
    stored = directory.stored_config()
    missing = [section for section in SECTIONS if section not in stored]
    if missing:
        raise ConfigError(f"{printable(directory.path)} is no run of gan_cli: its configuration has no {missing[0]}")
    try:
        tree = OmegaConf.to_container(stored, resolve=False)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{directory.hydra / 'config.yaml'} cannot be read: {str(error).splitlines()[0]}") from error
    return _with_short_beginning(follow_references(dict(_walk(tree, ""))))


def _with_short_beginning(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those of ``init`` and ``freeze`` that say nothing, and with a fork in short.

    A fork has the settings of its run beside its own: which run that was makes no other experiment of it.
    """
    kept = {key: value for key, value in leaves.items() if not key.startswith("fork.")}
    if leaves.get("fork.run") is not None:
        kept["fork"] = f"step {leaves.get('fork.step')}"
    if leaves.get("init.run") is None:
        kept = {key: value for key, value in kept.items() if not key.startswith("init.")}
    return {key: value for key, value in kept.items() if value or not key.startswith("freeze.")}


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
        return ()  # a run without them can still be reported


def _state(directory: RunDirectory, summary: Mapping[str, Any], last: int) -> RunState:
    """Return the state of a run; ``last`` is the step of its last report.

    A resumed run still has the summary of its first end; its lock, or reports after that end, show that it continued.
    """
    if directory.is_locked:
        return RunState.running
    try:
        stored = RunState(summary.get("status"))
    except ValueError:
        return RunState.died
    went_on = last > (parse_number(summary.get("step")) or 0)
    return (
        RunState.died if went_on and stored in (RunState.completed, RunState.interrupted, RunState.stopped) else stored
    )


def _json(file: Path) -> Mapping[str, Any]:
    """Read the JSON object of a file; empty where there is none, or it is incomplete.

    Raises:
        ConfigError: there is one that cannot be read.
    """
    try:
        return read_object(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{file} cannot be read: {error.strerror or error}")


def _parse_metrics(node: object) -> dict[str, float]:
    pairs = ((printable(tag), parse_number(value)) for tag, value in mapping(node).items())
    return {tag: value for tag, value in pairs if value is not None}


def _evaluated_metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of ``evaluation.json``, each of which has its floor and direction beside the value."""
    figures = mapping(evaluation.get(FIGURES))
    return _parse_metrics({name: mapping(figure).get("value") for name, figure in figures.items()})


def _infos(tags: Mapping[str, Any]) -> dict[str, MetricInfo]:
    """Return what ``tags.json`` says of the tags that depend on the loss."""
    found = {}
    for tag, entry in tags.items():
        unit, better_values, words = (printable(mapping(entry).get(key) or "") for key in ("unit", "better", "what"))
        ceiling = parse_number(mapping(entry).get("ceiling"))
        found[printable(tag)] = MetricInfo(printable(tag), unit, better_values, words, ceiling=ceiling)
    return found


def _origin(content: Mapping[str, Any]) -> Origin | None:
    """Return where a run began by its ``origin.json``, which may hold anything."""
    for key, is_fork in (("forked_from", True), ("init", False)):
        entry = mapping(content.get(key))
        path, step = entry.get("path"), parse_number(entry.get("step"))
        if isinstance(path, str) and path and "\0" not in path and step is not None:
            changed = [printable(setting) for setting in mapping(entry.get("changes"))]
            classes = [setting.removesuffix("._target_") for setting in changed if setting.endswith("._target_")]
            others = [each for each in changed if not each.startswith(tuple(f"{name}." for name in classes))]
            return Origin(Path(path), int(step), is_fork, (*classes, *others))
    return None


def _best(curves: Mapping[str, Curve]) -> dict[str, BestValue]:
    """Return the best value of every metric with a direction."""
    found = {}
    for tag, curve in curves.items():
        way = better(tag)
        if way is not None:
            index = int(curve.values.argmin() if way is Better.lower else curve.values.argmax())
            found[tag] = BestValue(float(curve.values[index]), int(curve.steps[index]))
    return found


def _best_of_summary(node: object) -> dict[str, BestValue]:
    found = {}
    for tag, entry in mapping(node).items():
        value, step = (parse_number(mapping(entry).get(key)) for key in ("value", "step"))
        if value is not None and step is not None:
            found[printable(tag)] = BestValue(value, int(step))
    return found


def _alarms_of_summary(node: object) -> tuple[AlarmRecord, ...]:
    found = []
    for entry in node if isinstance(node, list) else []:
        record = mapping(entry)
        if "name" in record:
            # The short texts, which runs of earlier versions lack.
            texts = (
                record.get("name"),
                record.get("evidence") or record.get("message"),
                record.get("overrides") or record.get("try"),
            )
            name, message, remedy = (printable(text or "") for text in texts)
            found.append(AlarmRecord(name, int(parse_number(record.get("step")) or 0), message, remedy))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _alarms(curves: Mapping[str, Curve]) -> tuple[AlarmRecord, ...]:
    """Return the alarms in the curves, for a run without a summary."""
    found = []
    for name in (*ALARMS, *own_alarms(), NON_FINITE):
        curve = curves.get(f"{DIAGNOSIS}{name}")
        if curve is not None and (curve.values == 1).any():
            found.append(AlarmRecord(name, int(curve.steps[curve.values == 1][0])))
    return tuple(sorted(found, key=lambda alarm: alarm.step))


def _samples(directory: RunDirectory) -> tuple[Path, ...]:
    """List the sample grids, or files of sentences, the last one first."""
    try:
        names = os.listdir(directory.samples)  # noqa: PTH208 - paths would be made for hundreds of files
    except OSError:
        return ()
    steps = [(int(match[1]), name) for name in names if (match := SAMPLE_NAME.fullmatch(name))]
    return tuple(directory.samples / name for _, name in sorted(steps, reverse=True))
