"""What tells runs apart, as short as it can be said: the options and settings that somebody chose differently."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gan_cli.report.runs import Run
from gan_cli.report.text import MISSING, printable

# Keys that do not make another experiment of a run: its seed, where things lie, how often it tells of itself.
ASIDE = (
    "seed",
    "resume",
    "dry_run",
    "hydra",
    "dataset.root",
    "train.replicas",
    "train.log_every",
    "train.sample_every",
    "train.checkpoint_every",
    "train.eval_every",
    "train.keep_checkpoints",
)


def identity(run: Run) -> str:
    """The same text for runs that differ in their seed alone, another one for any others."""
    return json.dumps({key: value for key, value in run.leaves.items() if _matters(key)}, sort_keys=True, default=str)


def telling(runs: Sequence[Run]) -> list[str]:
    """Keys, config groups (``loss``) or settings (``optimizer.lr``), whose values tell the runs apart.

    What somebody chose on a command line, and differs, is told first. A group's option stands for the keys it implies:
    of what nobody chose, only as much is told as it takes to tell apart runs that are not the same.
    """
    groups = list(dict.fromkeys(group for run in runs for group in run.options))
    # `noise` is an option, and a key as well where the option is none.
    leaves = [key for key in dict.fromkeys(key for run in runs for key in run.leaves) if key not in groups]
    candidates = [key for key in (*groups, *leaves) if _matters(key) and _differs(runs, key)]
    chosen = list(dict.fromkeys(key for run in runs for key in map(_overridden, run.overrides)))
    told = [key for key in chosen if key in candidates]
    kinds = len({identity(run) for run in runs})
    for key in candidates:
        if _apart(runs, told) >= kinds:
            break
        if key not in told and _apart(runs, [*told, key]) > _apart(runs, told):
            told.append(key)
    return told


def naming(runs: Sequence[Run]) -> list[str]:
    """Keys to call runs by that nothing tells apart."""
    return [key for key in ("loss", "dataset") if all(key in run.options for run in runs)]


def value(run: Run, key: str) -> str:
    """What a run has for a key, as it is shown; ``?`` where its directory does not tell the option."""
    if key in run.options:
        return run.options[key]
    if key in run.leaves:
        return shown(run.leaves[key])
    return MISSING if run.options else "?"


def shown(leaf: object) -> str:
    """A value of a configuration as it is shown."""
    if isinstance(leaf, float):
        short = f"{leaf:g}"
        return short if float(short) == leaf else repr(leaf)
    if leaf is None or isinstance(leaf, bool):
        return json.dumps(leaf)
    return printable(json.dumps(leaf, default=str) if isinstance(leaf, list) else leaf)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Key -> its last part, or all of it where that would be another key's as well."""
    last = {key: key.rpartition(".")[2] for key in keys}
    return {key: name if list(last.values()).count(name) == 1 else key for key, name in last.items()}


def common(runs: Sequence[Run]) -> Mapping[str, str]:
    """Key -> value of what all runs have alike: the options of their groups, and what somebody set."""
    chosen = [key for run in runs for key in map(_overridden, run.overrides)]
    keys = dict.fromkeys(["dataset", "architecture", "loss", *chosen])
    known = [key for key in keys if _matters(key) and all(key in run.options or key in run.leaves for run in runs)]
    return {key: value(runs[0], key) for key in known if not _differs(runs, key)}


def _matters(key: str) -> bool:
    return not any(key == aside or key.startswith(f"{aside}.") for aside in ASIDE)


def _differs(runs: Sequence[Run], key: str) -> bool:
    return len({value(run, key) for run in runs}) > 1


def _apart(runs: Sequence[Run], keys: Sequence[str]) -> int:
    """How many different runs the keys see."""
    return len({tuple(value(run, key) for key in keys) for run in runs})


def _overridden(override: str) -> str:
    """The key of ``key=value``, ``+key=value`` or ``~key``; of ``group@place=option``, the group."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]
