"""Weights of an earlier run that a new run begins with (``init``): checked before data are read, then taken over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_cli.algorithms.spec import AlgorithmSpec, Outline, option_name, spec_of
from gan_cli.algorithms.stored_networks import (
    FreshLayer,
    InheritedNetwork,
    StoredNetwork,
    inherit,
    layer_of,
    network_names,
)
from gan_cli.config.beginnings import InitSection
from gan_cli.config.earlier_runs import is_hub_name
from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.inference.loading import checkpoint_errors
from gan_cli.inference.model_search import find_model
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.storage.checkpoint_choice import parse_checkpoint_choice
from gan_cli.storage.state_fingerprint import state_fingerprint
from gan_cli.storage.stored_model import StoredModel

# Most layers of a network that are listed in the log; all of them are in the run's origin.json.
MAX_LISTED = 8
CHECKPOINT_KEY = "init.checkpoint"


@dataclass(frozen=True)
class InitialWeights:
    """Weights of another run, of the family of a new run.

    Attributes:
        source: path of the other run, or of a model that was shared.
        place: of its weights, for messages.
        state: what it has stored.
        networks: those of the family.
        chosen: names of the networks to take.
    """

    source: Path
    place: Path
    state: Mapping[str, Any]
    networks: Sequence[StoredNetwork]
    chosen: Collection[str]

    @property
    def step(self) -> int:
        """Number of updates that the weights were trained for."""
        return int(self.state["step"])

    def give_to(self, algorithm: Algorithm) -> Inheritance:
        """Load the weights that fit into a new algorithm; its optimizers and random streams stay as they are.

        Raises:
            ConfigError: none fit, or the other run's are damaged.
        """
        with checkpoint_errors(self.place):
            state, outcomes = inherit(algorithm.state_dict(), self.state["algorithm"], self.networks, self.chosen)
            if not any(outcome.essential for outcome in outcomes):
                raise ConfigError(self._nothing_fits(outcomes))
            algorithm.load_state_dict(state)
        return Inheritance(self, outcomes)

    def _nothing_fits(self, outcomes: Sequence[InheritedNetwork]) -> str:
        differing = [f"{outcome.name}: {layer.describe()}" for outcome in outcomes for layer in outcome.fresh[:1]]
        return (
            f"init: no layer of {self.source} fits the networks of this run; {'; '.join(differing)}."
            " Expected a run of the same architecture"
        )


@dataclass(frozen=True)
class Inheritance:
    """Weights that a run has begun with, and what became of each of its networks."""

    weights: InitialWeights
    outcomes: Sequence[InheritedNetwork]

    def describe(self) -> Iterator[str]:
        """Yield lines that say which weights the run begins with, and which layers start fresh."""
        counts = ", ".join(
            f"{each.name} {len(each.loaded)} of {len(each.loaded) + len(each.fresh)}" for each in self.outcomes
        )
        yield f"init: layers with the weights of {self.weights.source}, step {self.weights.step:,}: {counts}"
        names: dict[tuple[FreshLayer, ...], list[str]] = {}
        for outcome in self.outcomes:
            names.setdefault(outcome.fresh, []).append(outcome.name)
        for fresh in filter(None, names):
            listed = [layer.describe() for layer in fresh[:MAX_LISTED]]
            rest = len(fresh) - len(listed)
            more = [f"{rest} more (origin.json lists all)"] if rest else []
            yield f"init: fresh layers of {' and '.join(names[fresh])}: {', '.join([*listed, *more])}"

    def frozen_at_random(self, outline: Outline) -> Iterator[str]:
        """Yield a warning for each network with frozen layers that the other run has no weights for.

        Args:
            outline: networks of the new run, with their blocks frozen.
        """
        for network in self.weights.networks:
            built = outline.networks.get(network.outline or "")
            parameters = [] if built is None else built.named_parameters()
            frozen = {layer_of(name) for name, parameter in parameters if not parameter.requires_grad}
            fresh = {layer.name for outcome in self.outcomes if outcome.name == network.name for layer in outcome.fresh}
            if both := sorted(frozen & fresh):
                yield f"freeze.{network.name}: layers that start fresh stay at random weights: {', '.join(both)}"

    def record(self) -> dict[str, Any]:
        """Return what the run directory keeps of it, in plain values."""
        return {
            "path": str(self.weights.source),
            "step": self.weights.step,
            "fingerprint": state_fingerprint(self.weights.state),
            "networks": {outcome.name: outcome.record() for outcome in self.outcomes},
        }


def initial_weights(config: Config, family: type[AlgorithmSpec]) -> InitialWeights | None:
    """Return the weights that a run is to begin with; None without ``init``. Reads the checkpoint of the other run.

    Raises:
        ConfigError: there is no such run or checkpoint, it is of another family, or has no such networks.
    """
    section = config.init
    if section.run is None:
        return None
    chosen = _chosen_networks(section, family)
    model = _find(section.run, section.checkpoint)
    # A model on the Hub lies in a folder of its cache, which says little.
    source = Path(section.run) if is_hub_name(section.run) else model.path
    theirs = spec_of(model)
    if theirs.stored_networks != family.stored_networks:
        raise ConfigError(
            f"init: expected a run with {option_name(family)}, as this one has; {source} has {option_name(theirs)}"
        )
    return InitialWeights(source, model.weights_path, model.load_state(), family.stored_networks, chosen)


def _chosen_networks(section: InitSection, family: type[AlgorithmSpec]) -> Collection[str]:
    names = network_names(family.stored_networks)
    if not names:
        raise ConfigError(f"init: expected none for {family.__name__}, which declares no networks to begin with")
    for name in section.networks or ():
        if name not in names:
            raise ConfigError(
                f"init.networks: expected some of {', '.join(names)} for {family.__name__}, got {name!r}."
                f"{did_you_mean(name, names)}"
            )
    return section.networks or names


def _find(run: str, checkpoint: str) -> StoredModel:
    choice = parse_checkpoint_choice(checkpoint, CHECKPOINT_KEY)
    return find_model(Path(run), "gan-train init=", choice, CHECKPOINT_KEY)
