"""Settings of runs: those that distinguish them, those that they share, and their values as text."""

from __future__ import annotations

import json
import re
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
    "logger",
    "train.replicas",
    "train.log_every",
    "train.sample_every",
    "train.checkpoint_every",
    "train.eval_every",
    "train.keep_checkpoints",
    "train.max_minutes",
)

# A value that stands for another one, as ``lr_g: ${.lr}`` does, and how many in a row are followed.
REFERENCE = re.compile(r"\$\{(\.*)([\w.]+)\}")
MAX_REFERENCES = 10
# Of more settings, a label has only those that it takes to tell the configurations apart.
MAX_LABEL_KEYS = 4


def follow_references(leaves: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a run with those that stand for another setting replaced by its value.

    Nothing is resolved: what refers to no single setting, or calls a resolver, stays as it is.
    """
    return {key: _followed(leaves, key) for key in leaves}


def _followed(leaves: Mapping[str, object], key: str) -> object:
    at = key
    for _ in range(MAX_REFERENCES):
        found = REFERENCE.fullmatch(str(leaves[at])) if isinstance(leaves[at], str) else None
        if found is None:
            return leaves[at]
        # One dot stands for the section of the value, each further one for the section around it.
        around = at.split(".")[: -len(found[1])] if found[1] else []
        at = ".".join([*around, found[2]])
        if at not in leaves:
            break
    return leaves[key]


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
    several = _members(run, key)
    if several:
        return ",".join(several)
    return MISSING if run.options else "?"


def format_setting(leaf: object) -> str:
    """Format a value of a configuration."""
    if isinstance(leaf, float):
        short = f"{leaf:g}"
        return short if float(short) == leaf else repr(leaf)
    if leaf is None or isinstance(leaf, bool):
        return json.dumps(leaf)
    return printable(json.dumps(leaf, default=str) if isinstance(leaf, list) else leaf)


def _members(run: RunRecord, group: str) -> list[str]:
    """Return the names in a group of which several options were chosen, as in ``loss/penalty=[r1,r2]``."""
    place = f"{group.replace('/', '.')}."
    named = (key[len(place) :].partition(".") for key in run.leaves if key.startswith(place))
    return [name for name, _, rest in named if rest == "_target_"]


def label_keys(runs: Sequence[RunRecord], keys: Sequence[str]) -> list[str]:
    """Return the keys that labels name: all where they are few, else as many as it takes to tell the runs apart."""
    if len(keys) <= MAX_LABEL_KEYS:
        return list(keys)
    chosen: list[str] = []
    while _count_distinct(runs, chosen) < _count_distinct(runs, keys):
        chosen.append(max(keys, key=lambda key: _count_distinct(runs, [*chosen, key])))
    return [key for key in keys if key in chosen]


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
