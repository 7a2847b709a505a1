"""Settings of runs: those that distinguish them, those that they share, and their values as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gan_cli.errors import printable
from gan_cli.report.formatting import MISSING
from gan_cli.report.records import RunRecord

# Keys that do not make another experiment of a run: its seed, its folders, the target of its sweep, its cadences.
IGNORED_KEYS = (
    "seed",
    "resume",
    "dry_run",
    "hydra",
    "sweep.metric",
    "objective",
    "dataset.root",
    "callback",
    "train.replicas",
    "train.log_every",
    "train.sample_every",
    "train.checkpoint_every",
    "train.eval_every",
    "train.keep_checkpoints",
)


def configuration_id(run: RunRecord) -> str:
    """Return a text that is equal for two runs if and only if their configurations differ in ignored keys alone."""
    return json.dumps(
        {key: value for key, value in run.leaves.items() if _is_compared(key)}, sort_keys=True, default=str
    )


def distinguishing_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Return the config groups (``loss``) and settings (``optimizer.lr``) whose values distinguish the runs.

    Keys that were set on a command line, and differ, come first. The option of a group stands for the keys that it
    implies: of keys that were never set, only as many are added as it takes to distinguish all configurations.
    """
    groups = list(dict.fromkeys(group for run in runs for group in run.options))
    # `noise` is an option, and a key as well where the option is none.
    leaves = [key for key in dict.fromkeys(key for run in runs for key in run.leaves) if key not in groups]
    candidates = [key for key in (*groups, *leaves) if _is_compared(key) and _differs(runs, key)]
    overridden = list(dict.fromkeys(key for run in runs for key in map(_override_key, run.overrides)))
    keys = [key for key in overridden if key in candidates]
    configurations = len({configuration_id(run) for run in runs})
    for key in candidates:
        if _count_distinct(runs, keys) >= configurations:
            break
        if key not in keys and _count_distinct(runs, [*keys, key]) > _count_distinct(runs, keys):
            keys.append(key)
    return keys


def fallback_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Return the keys to label runs by that no key distinguishes."""
    return [key for key in (objective_group(runs), "dataset") if all(key in run.options for run in runs)]


def objective_group(runs: Sequence[RunRecord]) -> str:
    """Return the config group that names what runs learn by: ``loss``, or ``algorithm`` where none has a GAN's loss."""
    without_loss = all(run.options.get("loss") == "none" and "algorithm" in run.options for run in runs)
    return "algorithm" if without_loss else "loss"


def value(run: RunRecord, key: str) -> str:
    """Return the value of a key in a run as text; ``?`` for a group where the run directory lacks its options."""
    if key in run.options:
        return run.options[key]
    if key in run.leaves:
        return format_setting(run.leaves[key])
    return MISSING if run.options else "?"


def format_setting(leaf: object) -> str:
    """Format a value of a configuration."""
    if isinstance(leaf, float):
        short = f"{leaf:g}"
        return short if float(short) == leaf else repr(leaf)
    if leaf is None or isinstance(leaf, bool):
        return json.dumps(leaf)
    return printable(json.dumps(leaf, default=str) if isinstance(leaf, list) else leaf)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Map each key to its last part, or to the whole key where two of them end alike."""
    last = {key: key.rpartition(".")[2] for key in keys}
    return {key: name if list(last.values()).count(name) == 1 else key for key, name in last.items()}


def shared_settings(runs: Sequence[RunRecord]) -> Mapping[str, str]:
    """Return key -> value of the options and overridden settings that are equal in all runs."""
    overridden = [key for run in runs for key in map(_override_key, run.overrides)]
    keys = dict.fromkeys(["dataset", "architecture", objective_group(runs), *overridden])
    known = [key for key in keys if _is_compared(key) and all(key in run.options or key in run.leaves for run in runs)]
    return {key: value(runs[0], key) for key in known if not _differs(runs, key)}


def _is_compared(key: str) -> bool:
    return not any(key == ignored or key.startswith(f"{ignored}.") for ignored in IGNORED_KEYS)


def _differs(runs: Sequence[RunRecord], key: str) -> bool:
    return len({value(run, key) for run in runs}) > 1


def _count_distinct(runs: Sequence[RunRecord], keys: Sequence[str]) -> int:
    """Return the number of runs that the keys can distinguish."""
    return len({tuple(value(run, key) for key in keys) for run in runs})


def _override_key(override: str) -> str:
    """Return the key of ``key=value``, ``+key=value`` or ``~key``, and the group of ``group@package=option``."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]
