"""Weights of another run: whole layers that fit, and which network they come from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.spec import algorithm_options
from gan_cli.algorithms.stored_networks import StoredNetwork, inherit, network_names

G = StoredNetwork("g", ("generator",), average=("average",))
D = StoredNetwork("d", ("judge", "network"))


def network(value: float, classes: int = 3, width: int = 4) -> dict[str, Tensor]:
    """A network of two layers, the first with a bias, and an embedding of classes."""
    shapes = {"0.weight": (width, 2), "0.bias": (width,), "2.weight": (1, width), "embedding.weight": (classes, 5)}
    return {name: torch.full(shape, value) for name, shape in shapes.items()}


def state(generator: float, average: float, discriminator: float, **sizes: int) -> dict[str, Any]:
    return {
        "generator": network(generator, **sizes),
        "average": network(average, **sizes),
        "judge": {"network": network(discriminator, **sizes), "extra": 7.0},
        "step": 3,
    }


def values(found: dict[str, Any]) -> dict[str, float]:
    """The value of the first layer of each network."""
    paths = {"g": found["generator"], "average": found["average"], "d": found["judge"]["network"]}
    return {name: float(weights["0.weight"][0, 0]) for name, weights in paths.items()}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (("g", "d", "average"), {"g": 1, "average": 2, "d": 3}),
        # An average of other weights than the network's would be none.
        (("g",), {"g": 1, "average": 1, "d": 0}),
        (("average",), {"g": 2, "average": 2, "d": 0}),
        (("d",), {"g": 0, "average": 0, "d": 3}),
        (("average", "d"), {"g": 2, "average": 2, "d": 3}),
    ],
)
def test_networks_come_from_those_that_are_chosen(chosen: tuple[str, ...], expected: dict[str, float]) -> None:
    fresh = state(0, 0, 0)
    merged, outcomes = inherit(fresh, state(1, 2, 3), (G, D), chosen)
    assert values(merged) == expected
    assert all(not outcome.fresh and outcome.essential for outcome in outcomes)
    assert values(fresh) == {"g": 0, "average": 0, "d": 0}, "the state of the new run stays as it is"
    assert merged["judge"]["extra"] == 7
    assert merged["step"] == 3


def test_a_model_without_a_network_leaves_it_fresh() -> None:
    merged, outcomes = inherit(state(0, 0, 0), {"average": network(2)}, (G, D), ("g", "d", "average"))
    assert values(merged) == {"g": 2, "average": 2, "d": 0}
    by_name = {outcome.name: outcome for outcome in outcomes}
    assert not by_name["d"].loaded
    assert not by_name["d"].essential
    assert [layer.stored for layer in by_name["d"].fresh] == [None, None, None]


def test_a_layer_is_taken_as_a_whole() -> None:
    merged, (outcome, *_) = inherit(state(0, 0, 0, classes=7), state(1, 1, 1, width=6), (G,), ("g",))
    assert not outcome.loaded
    assert {layer.name for layer in outcome.fresh} == {"0", "2", "embedding"}
    other = state(1, 1, 1)
    other["generator"]["0.weight"] = torch.ones(4, 9)  # its bias would fit
    merged, (outcome, *_) = inherit(state(0, 0, 0, classes=7), other, (G,), ("g",))
    assert outcome.loaded == ("2",)
    assert float(merged["generator"]["0.bias"].sum()) == 0
    assert [layer.describe() for layer in outcome.fresh] == [
        "0 (4 x 2, stored 4 x 9)",
        "embedding (7 x 5, stored 3 x 5)",
    ]
    assert outcome.weights == (4, 4 * 2 + 4 + 4 + 7 * 5)


def test_layers_with_spectral_norm_are_one() -> None:
    names = ("0.bias", "0.parametrizations.weight.original", "0.parametrizations.weight.0._u")
    weights = {name: torch.ones(2, 2) for name in names}
    _, (outcome,) = inherit({"generator": weights}, {"generator": weights}, (StoredNetwork("g", ("generator",)),), "g")
    assert outcome.loaded == ("0",)


def test_biases_alone_are_not_essential() -> None:
    fresh, other = {"a.weight": torch.zeros(2, 2), "b.bias": torch.zeros(1)}, {"b.bias": torch.ones(1)}
    _, (outcome,) = inherit({"generator": fresh}, {"generator": other}, (StoredNetwork("g", ("generator",)),), "g")
    assert outcome.loaded == ("b",)
    assert not outcome.essential


def test_every_family_declares_its_networks() -> None:
    names = {option: network_names(family.stored_networks) for option, family in algorithm_options().items()}
    assert names["algorithm=gan"] == ("g", "d", "average")
    assert names["algorithm=diffusion"] == ("g", "average")
    assert names["algorithm=vae"] == names["algorithm=autoencoder"] == ("encoder", "decoder", "likelihood", "average")
    assert all(names.values())
