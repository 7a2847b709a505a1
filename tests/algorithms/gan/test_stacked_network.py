"""Stacked networks compute what each network computes alone, and those of linear layers without copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_cli.algorithms.gan.stacked_network import StackedNetwork
from gan_cli.architectures.layers import Norm
from gan_cli.architectures.mlp import MLP

RUNS, BATCHES, BATCH = 3, 2, 4
SMALL = {"latent_dim": 5, "generator_hidden": (6, 7), "discriminator_hidden": (6, 7), "norm_g": Norm.none}
IMAGES = (1, 2, 2)


def generator() -> nn.Module:
    return MLP(**SMALL).generator(IMAGES, 0)


def without_bias() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6, bias=False), nn.Tanh(), nn.Linear(6, 2))


# Networks by name: how to build one, the shape of its inputs, and whether it is called on the rows of all runs at once.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {
    "generator": (generator, (5,), True),
    "generator of points": (lambda: MLP(**SMALL).generator((2,), 0), (5,), True),
    "discriminator": (lambda: MLP(**SMALL).discriminator(IMAGES, 0), IMAGES, True),
    "Fourier features": (lambda: MLP(**SMALL, octaves_d=2).discriminator((2,), 0), (2,), False),
    "layer norm": (lambda: MLP(**{**SMALL, "norm_g": Norm.layer}).generator(IMAGES, 0), (5,), False),
    "without a bias": (without_bias, (5,), False),
    "a linear layer alone": (lambda: nn.Linear(5, 2), (5,), False),
    "a flattened batch": (lambda: nn.Sequential(nn.Linear(5, 2), nn.Flatten(0)), (5,), False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_those_of_each_network_alone(name: str) -> None:
    build, shape, row_wise = NETWORKS[name]
    torch.manual_seed(0)
    networks = [build().double() for _ in range(RUNS)]
    stacked = StackedNetwork(networks, BATCH)
    assert stacked._row_wise is row_wise
    rows = torch.randn(BATCHES, RUNS, BATCH, *shape, dtype=torch.float64)
    found = stacked(rows.flatten(0, 2))
    found.square().sum().backward()
    by_run = found.view(BATCHES, RUNS, -1)
    for index, network in enumerate(networks):
        expected = network(rows[:, index].flatten(0, 1))
        expected.square().sum().backward()
        torch.testing.assert_close(by_run[:, index].flatten(), expected.detach().flatten())
        for key, parameter in network.named_parameters():
            gradient = stacked.values()[key].grad
            assert gradient is not None
            torch.testing.assert_close(gradient[index], parameter.grad)


def test_linear_layers_are_one_product_for_all_runs_without_copies_of_activations() -> None:
    stacked = StackedNetwork([generator() for _ in range(RUNS)], BATCH)
    rows = torch.randn(RUNS * BATCH, 5)
    with _Operations() as operations:
        loss: Tensor = stacked(rows).sum()
    assert operations.count["aten.bmm"] == operations.count["aten.add_"] == 3
    with operations:
        loss.backward()
    assert operations.count["aten.bmm"] == 3 + 3 + 2  # weights, and the inputs of all layers but the first
    # What autograd makes where an activation overwrites a view, and vmap where it scales biases.
    assert not {"aten.mul", "aten.clone", "aten.as_strided"} & set(operations.count)


class _Operations(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[str(function.overloadpacket)] += 1
        return function(*args, **(kwargs or {}))
