"""Common parts of loading trained networks from a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError
from gan_cli.inference.stored_condition import read_condition
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Dataset, Sequences, data_kinds
from gan_cli.runtime.meta_device import SkipInitialization
from gan_cli.storage.stored_model import ConfiguredRun, StoredModel

CPU = torch.device("cpu")


class GeneratorWeights(Enum):
    """Averaged or raw weights of a run's generator; the value is their key in a checkpoint."""

    average = "average"
    raw = "generator"


def run_dataset(model: ConfiguredRun) -> Dataset:
    """Return the dataset of a run, not loaded; raise ``ConfigError`` if this is no run directory."""
    dataset: Dataset = Node.parse(validate_config(model.stored_config()).dataset, "dataset", Dataset).build()
    return dataset


def learned_sequences(model: ConfiguredRun) -> bool:
    """Return True if a run learned sequences; raise ``ConfigError`` if this is no run directory."""
    return Sequences in data_kinds(type(run_dataset(model)))


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of a stored model, in evaluation mode, on the CPU.

    Attributes:
        network: with the weights of the checkpoint.
        condition: what it is conditional on; 0: unconditional.
        step: number of updates it was trained for.
        data: identity of the data that it was trained on, as the checkpoint has it; None: unknown.
    """

    network: nn.Module
    condition: Condition
    step: int
    data: Mapping[str, Any] | None


def load_network(
    model: StoredModel, weights: GeneratorWeights, build: Callable[[Condition], nn.Module]
) -> TrainedNetwork:
    """Load the network that samples are drawn from.

    Args:
        model: a run's checkpoint, or another stored model.
        weights: the moving average, or the network as training left it.
        build: makes the network for what it is conditional on.

    Raises:
        ConfigError: no checkpoint, or one of other networks.
    """
    state = model.load_state()
    with checkpoint_errors(model.weights_path):
        condition = read_condition(state["algorithm"]["classes"])  # key of earlier versions, which had classes alone
    with checkpoint_errors(model.weights_path):
        _require_fit(build, condition, state["algorithm"][weights.value])
    network = build(condition)
    with checkpoint_errors(model.weights_path):
        network.load_state_dict(state["algorithm"][weights.value])
        return TrainedNetwork(network.eval(), condition, int(state["step"]), data_identity_in(state))


def _require_fit(
    build: Callable[[Condition], nn.Module], condition: Condition, weights: Mapping[str, torch.Tensor]
) -> None:
    """Raise torch's error for weights of another network, before there is memory for one of any size.

    A model of unknown origin may name a network that no machine can hold; its weights are there, and small.
    """
    with torch.device("meta"), SkipInitialization():
        outline = build(condition)
    # A plain copy: torch notes in a state dict itself that it is to be assigned, not copied.
    outline.load_state_dict(dict(weights), assign=True)


def trained_data(model: StoredModel) -> Mapping[str, Any] | None:
    """Return the identity of the data that a stored model was trained on; None: unknown."""
    state = model.load_state()
    with checkpoint_errors(model.weights_path):
        return data_identity_in(state)


def data_identity_in(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the identity of the data in a checkpoint's state; None where an earlier version wrote none."""
    identity = state.get("data")
    if identity is not None and not (isinstance(identity, Mapping) and "fingerprint" in identity):
        raise ValueError("what it has as data is no identity of data")
    return identity


def network_device(network: nn.Module) -> torch.device:
    """Return the device that the parameters of a network lie on; the CPU if it has none."""
    return next((parameter.device for parameter in network.parameters()), CPU)


@contextlib.contextmanager
def checkpoint_errors(place: Path) -> Iterator[None]:
    """Turn errors from weights in a place that do not fit their configuration into a ``ConfigError`` of one line."""
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        # torch lists every key and shape that differs, one a line, below a general first line.
        lines = [line.strip() for line in str(error).splitlines()]
        detail = lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__
        raise ConfigError(f"the checkpoint in {place} does not fit the configuration of its run: {detail}") from error
