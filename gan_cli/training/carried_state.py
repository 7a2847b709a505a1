"""State of an earlier run that a fork of it goes on with: all that its other settings leave loadable."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_cli.algorithms.stored_networks import StoredNetwork, inherit, network_names
from gan_cli.errors import ConfigError

# What parts of a state are, by the last key that leads to them in checkpoints.
DESCRIPTIONS = {
    "windows": "the metrics that the next report is computed from",
    "optimizer": "the optimizer",
    "optimizer_g": "the optimizer of G",
    "optimizer_d": "the optimizer of D",
    "imitating": "the optimizer of maximum likelihood",
    "playing": "the optimizer of the adversarial phase",
    "level": "the instance noise",
    "augmentation": "the strength of the augmentation",
    "sampler": "the order of the data",
}

# Last key of a part -> the setting that makes it begin anew: the states of two classes may look alike.
REPLACED_BY = {"level": "noise._target_", "augmentation": "augment._target_"}


@dataclass(frozen=True)
class CarriedState:
    """A state for a fork.

    Attributes:
        state: to be loaded into its algorithm.
        fresh: descriptions of the parts that begin anew.
    """

    state: dict[str, Any]
    fresh: tuple[str, ...]


def carry_over(
    stored: Mapping[str, Any], fresh: Mapping[str, Any], networks: Sequence[StoredNetwork], changed: Collection[str]
) -> CarriedState:
    """Return the state of an earlier run for an algorithm with other settings.

    Networks are carried over as they are. Of all else, what does not fit the new settings begins anew: a mapping of
    tensors and numbers as a whole, as its parts belong together.

    Args:
        stored: state of the earlier run's algorithm.
        fresh: that of the new one, before it is trained.
        networks: those of the family.
        changed: keys of the settings that have other values now.

    Raises:
        ConfigError: the networks differ.
    """
    _, outcomes = inherit(fresh, stored, networks, network_names(networks))
    for outcome in outcomes:
        for layer in outcome.fresh:
            raise ConfigError(
                f"fork: expected settings that leave the networks as they are; those of {outcome.name} differ:"
                f" {layer.describe()}. init=RUN_DIR begins a new run with the weights that fit"
            )
    paths = {path for network in networks for path in (network.path, network.average) if path}
    missing: list[tuple[str, ...]] = []
    merge = _Merge(paths, frozenset(changed), missing)
    state = {key: merge(stored.get(key), value, (key,)) for key, value in fresh.items()}
    return CarriedState(state, tuple(dict.fromkeys(map(_describe, missing))))


@dataclass(frozen=True)
class _Merge:
    """Merges the state of an earlier run into a new one.

    Attributes:
        networks: paths of the networks.
        changed: keys of the changed settings.
        missing: receives the paths of what begins anew.
    """

    networks: Collection[tuple[str, ...]]
    changed: frozenset[str]
    missing: list[tuple[str, ...]]

    def __call__(self, stored: Any, fresh: Any, path: tuple[str, ...]) -> Any:
        if path in self.networks:
            return stored
        if REPLACED_BY.get(path[-1]) in self.changed:
            self.missing.append(path)
            return fresh
        if _is_optimizer(fresh):
            return self._optimizer(stored, fresh, path)
        if isinstance(fresh, Mapping) and isinstance(stored, Mapping):
            leaves = [key for key, value in fresh.items() if not isinstance(value, Mapping)]
            if all(_fits(fresh[key], stored.get(key)) for key in leaves):
                return {key: self(stored.get(key), value, (*path, str(key))) for key, value in fresh.items()}
        elif not isinstance(fresh, Mapping) and _fits(fresh, stored):
            return stored
        self.missing.append(path)
        return fresh

    def _optimizer(self, stored: Any, fresh: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        """Return the state of an optimizer with its moments, at the learning rate of the new settings."""
        if not any(key.partition(".")[0] in ("optimizer", "algorithm", "freeze") for key in self.changed):
            return stored
        if "optimizer._target_" in self.changed or not _is_optimizer(stored) or _layout(stored) != _layout(fresh):
            self.missing.append(path)
            return fresh
        (group,), (fresh_group,) = stored["param_groups"], fresh["param_groups"]
        # What rollbacks have made of the rate stays, unless the settings have a factor of their own.
        factor = stored["factor"] if fresh["factor"] == 1 else fresh["factor"]
        rate = fresh_group["lr"] / fresh["factor"] * factor
        return {**stored, "param_groups": [{**group, "lr": rate}], "factor": factor}


def with_batch_size(state: dict[str, Any], before: int, now: int) -> dict[str, Any]:
    """Return a state in which the number of batches so far is that of as many samples in batches of another size."""
    progress = state.get("progress")
    if before == now or not isinstance(progress, Mapping) or "batches" not in progress:
        return state
    return {**state, "progress": {**progress, "batches": round(progress["batches"] * before / now)}}


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, Mapping) and {"state", "param_groups", "factor"} <= value.keys()


def _layout(optimizer: Mapping[str, Any]) -> Any:
    """Return names and shapes of the tensors of each parameter in the state of an optimizer."""
    return {
        index: {name: value.shape if isinstance(value, Tensor) else None for name, value in each.items()}
        for index, each in optimizer["state"].items()
    }


def _fits(fresh: object, stored: object) -> bool:
    """Return whether a value can take the place of another; the number of rows of a tensor may differ."""
    if isinstance(fresh, Tensor):
        if not isinstance(stored, Tensor) or (fresh.dtype, fresh.dim()) != (stored.dtype, stored.dim()):
            return False
        return fresh.shape[1:] == stored.shape[1:]
    if isinstance(fresh, numbers.Number):
        return isinstance(stored, numbers.Number)
    return type(fresh) is type(stored)


def _describe(path: tuple[str, ...]) -> str:
    return next((DESCRIPTIONS[key] for key in reversed(path) if key in DESCRIPTIONS), ".".join(path))
