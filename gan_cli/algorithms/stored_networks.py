"""Networks in the state of an algorithm, and their weights taken over into the state of another run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

# Keys that lead to a network in the state of an algorithm.
StatePath: TypeAlias = tuple[str, ...]

# Name of the moving averages of all networks that have one.
AVERAGE = "average"
# What follows the name of a layer in those of its tensors: a parametrization (spectral norm), then the tensor itself.
TENSOR_NAME = re.compile(r"(\.parametrizations\..*|\.?[^.]*)\Z")


@dataclass(frozen=True)
class StoredNetwork:
    """A network in the state of an algorithm, by which a family declares what other runs may take from it.

    Attributes:
        name: for ``init.networks``; several may share one.
        path: of its weights in the state.
        average: of their moving average; None where there is none.
        outline: its name in the family's outline, of networks of which blocks can be frozen.
    """

    name: str
    path: StatePath
    average: StatePath | None = None
    outline: str | None = None


def layer_of(tensor: str) -> str:
    """Return the name of the layer that a tensor belongs to, by the name of the tensor in a network's state."""
    return TENSOR_NAME.sub("", tensor)


@dataclass(frozen=True)
class FreshLayer:
    """A layer that keeps its own weights, because the other run has none that fit.

    Attributes:
        name: of the layer in its network.
        shape: of its largest tensor.
        stored: shape that this has in the other run; None where it has none of the name.
    """

    name: str
    shape: tuple[int, ...]
    stored: tuple[int, ...] | None

    def describe(self) -> str:
        """Return it as text: ``embedding (10 x 64, stored 5 x 64)``."""
        stored = "not stored" if self.stored is None else f"stored {_dimensions(self.stored)}"
        return f"{self.name or 'all'} ({_dimensions(self.shape)}, {stored})"

    def record(self) -> dict[str, Any]:
        """Return it in plain values, for a file."""
        stored = None if self.stored is None else list(self.stored)
        return {"layer": self.name, "shape": list(self.shape), "stored": stored}


@dataclass(frozen=True)
class InheritedNetwork:
    """Outcome for one network, or for its moving average.

    Attributes:
        name: of the network.
        loaded: names of the layers with the other run's weights.
        fresh: the other layers.
        weights: number of loaded numbers, and of all.
        essential: whether a layer of several dimensions was loaded, or any where the network has none of these.
    """

    name: str
    loaded: tuple[str, ...]
    fresh: tuple[FreshLayer, ...]
    weights: tuple[int, int]
    essential: bool

    def record(self) -> dict[str, Any]:
        """Return it in plain values, for a file."""
        return {
            "loaded": list(self.loaded),
            "weights": list(self.weights),
            "fresh": [each.record() for each in self.fresh],
        }


def network_names(networks: Sequence[StoredNetwork]) -> tuple[str, ...]:
    """Return the names that ``init.networks`` may have."""
    averages = [AVERAGE] if any(network.average for network in networks) else []
    return tuple(dict.fromkeys([*(network.name for network in networks), *averages]))


def inherit(
    fresh: Mapping[str, Any], stored: Mapping[str, Any], networks: Sequence[StoredNetwork], chosen: Collection[str]
) -> tuple[dict[str, Any], list[InheritedNetwork]]:
    """Return a new run's state with the weights of another run's, and what became of each network.

    A network and its moving average are taken each from its like. Where one of the two is not chosen, or not stored,
    both are taken from the other: an average of other weights would be none. Layers are taken as a whole, where all of
    their tensors have the names and shapes of the new run's.

    Args:
        fresh: state of the new run, which stays as it is.
        stored: state of the other run.
        networks: those of the family.
        chosen: names of the networks to take.
    """
    state, outcomes = dict(fresh), []
    for network in networks:
        for target, sources in _slots(network, chosen):
            weights = next((found for path in sources if (found := _at(stored, path)) is not None), {})
            merged, outcome = _merge(_required(fresh, target), weights, _slot_name(network, target))
            state = _with(state, target, merged)
            outcomes.append(outcome)
    return state, outcomes


def _slots(network: StoredNetwork, chosen: Collection[str]) -> Iterator[tuple[StatePath, list[StatePath]]]:
    """Yield the path of a network and that of its average, each with where its weights may come from."""
    if network.average is None:
        if network.name in chosen:
            yield network.path, [network.path]
        return
    both = [network.path, network.average]
    if network.name in chosen:
        yield network.path, both
        yield network.average, both[::-1] if AVERAGE in chosen else both
    elif AVERAGE in chosen:
        yield from ((path, both[::-1]) for path in both)


def _slot_name(network: StoredNetwork, path: StatePath) -> str:
    return network.name if path == network.path else f"{AVERAGE} of {network.name}"


def _merge(fresh: Mapping[str, Any], stored: Mapping[str, Any], name: str) -> tuple[dict[str, Any], InheritedNetwork]:
    """Return the weights of a network with those layers of ``stored`` that fit, and what became of them."""
    layers: dict[str, list[str]] = {}
    for key in fresh:
        layers.setdefault(layer_of(key), []).append(key)
    loaded, missing, merged = [], [], dict(fresh)
    for layer, keys in layers.items():
        if all(_fits(fresh[key], stored.get(key)) for key in keys):
            merged |= {key: stored[key] for key in keys}
            loaded.append(layer)
        else:
            missing.append(_fresh_layer(layer, keys, fresh, stored))
    taken = [fresh[key] for layer in loaded for key in layers[layer]]
    matrices = [tensor for tensor in fresh.values() if _is_matrix(tensor)]
    essential = any(map(_is_matrix, taken)) if matrices else bool(taken)
    weights = (sum(map(_numel, taken)), sum(map(_numel, fresh.values())))
    return merged, InheritedNetwork(name, tuple(loaded), tuple(missing), weights, essential)


def _fresh_layer(layer: str, keys: Sequence[str], fresh: Mapping[str, Any], stored: Mapping[str, Any]) -> FreshLayer:
    # The one to name is one that does not fit: the largest of them.
    key = max((key for key in keys if not _fits(fresh[key], stored.get(key))), key=lambda each: _numel(fresh[each]))
    other = stored.get(key)
    return FreshLayer(layer, tuple(fresh[key].shape), tuple(other.shape) if isinstance(other, Tensor) else None)


def _fits(present: object, stored: object) -> bool:
    if not isinstance(present, Tensor) or not isinstance(stored, Tensor):
        return False
    return present.shape == stored.shape and present.is_floating_point() == stored.is_floating_point()


def _is_matrix(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() > 1


def _numel(value: object) -> int:
    return value.numel() if isinstance(value, Tensor) else 0


def _at(state: Mapping[str, Any], path: StatePath) -> Mapping[str, Any] | None:
    """Return the weights below some keys of a state, which may be of any origin; None where there are none."""
    node: Any = state
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def _required(state: Mapping[str, Any], path: StatePath) -> Mapping[str, Any]:
    found = _at(state, path)
    assert found is not None, f"the family declares a network that its state lacks: {path}"
    return found


def _with(state: Mapping[str, Any], path: StatePath, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a nested state with other weights below some keys."""
    key, *rest = path
    return {**state, key: _with(state[key], tuple(rest), weights) if rest else dict(weights)}


def _dimensions(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "1"
