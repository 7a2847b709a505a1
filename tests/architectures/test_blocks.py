"""Blocks of networks in the order from the input, and what freezing the first of them does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from gan_cli.architectures.blocks import blocks_of, evaluation_mode, freeze_first, require_blocks
from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.maxout import MaxoutMLP
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.r3gan import R3GAN
from gan_cli.architectures.resnet import ResNet
from gan_cli.architectures.spectral_norm import PowerIteration, apply_spectral_norm
from gan_cli.errors import ConfigError

SMALL: dict[str, tuple[Any, tuple[int, ...], int, int]] = {
    "dcgan": (DCGAN(width=4), (1, 28, 28), 3, 3),
    "dcgan_64": (DCGAN(width=4), (3, 64, 64), 5, 5),
    "resnet": (ResNet(width_g=4, width_d=4), (3, 32, 32), 5, 5),
    # In D: a 1x1 convolution, two blocks at each of four sizes, and what makes the logit.
    "r3gan": (R3GAN(width=4, cardinality=2), (3, 32, 32), 10, 10),
    "mlp": (MLP(generator_hidden=(8, 8, 8), discriminator_hidden=(8, 8)), (1, 8, 8), 4, 3),
    "mlp_branches": (MLP(codes=4, latent_dim=8, generator_hidden=(8, 8)), (2,), 3, 3),
    "maxout": (MaxoutMLP(), (2,), 5, 4),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("classes", [0, 3])
def test_number_and_order_of_blocks(name: str, classes: int) -> None:
    architecture, shape, blocks_g, blocks_d = SMALL[name]
    generator, discriminator = architecture.generator(shape, classes), architecture.discriminator(shape, classes)
    for network, number in ((generator, blocks_g), (discriminator, blocks_d)):
        blocks = blocks_of(network)
        assert len(blocks) == number
        parameters = [id(each) for block in blocks for module in block for each in module.parameters()]
        assert len(parameters) == len(set(parameters)), "no parameter is in two blocks"
        everything = {id(each): key for key, each in network.named_parameters()}
        outside = set(everything.values()) - {everything[each] for each in parameters}
        assert all(key.startswith("embedding.") for key in outside)
        # A block begins with what the first dimension of its input goes into.
        assert all(any(list(module.parameters()) for module in block) for block in blocks)


@pytest.mark.parametrize("name", SMALL)
def test_frozen_blocks_are_the_first_from_the_input(name: str) -> None:
    architecture, shape, *_ = SMALL[name]
    network = freeze_first(architecture.discriminator(shape, 0), 1)
    frozen = [key for key, parameter in network.named_parameters() if not parameter.requires_grad]
    trained = [key for key, parameter in network.named_parameters() if parameter.requires_grad]
    assert frozen
    assert trained
    assert max(map(list(dict(network.named_parameters())).index, frozen)) == len(frozen) - 1


def test_children_of_other_networks_are_their_blocks() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)

    network = Own()
    assert blocks_of(network) == [[network.first, network.norm], [network.last]]
    assert (
        blocks_of(nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))[0][0].__class__
        is nn.Flatten
    )
    assert len(blocks_of(nn.Linear(2, 2))) == 1


def test_more_blocks_than_there_are() -> None:
    network = MLP(discriminator_hidden=(4, 4)).discriminator((2,), 0)
    require_blocks("freeze.d", network, "the discriminator", 2)
    message = r"freeze\.d: expected an integer from 0 to 2: the discriminator has 3 blocks, .*, got 3"
    with pytest.raises(ConfigError, match=message):
        require_blocks("freeze.d", network, "the discriminator", 3)


def test_a_frozen_block_is_one_function() -> None:
    network = freeze_first(DCGAN(width=4).discriminator((1, 28, 28), 0), 2)
    first = nn.Sequential(*[module for block in blocks_of(network)[:2] for module in block])
    before, samples = copy.deepcopy(first.state_dict()), torch.randn(6, 1, 28, 28)
    with torch.no_grad():
        together, alone = first(samples), first(samples[:1])
        network(3 * samples)
    # Batch norm has fixed statistics: a sample does not depend on the others of its batch.
    torch.testing.assert_close(together[:1], alone)
    assert all(torch.equal(value, before[key]) for key, value in first.state_dict().items())
    with evaluation_mode(network):
        assert not any(module.training for module in network.modules())
    assert not any(module.training for module in first.modules() if module is not first)
    assert blocks_of(network)[2][0].training


def test_singular_vectors_of_frozen_layers_stay() -> None:
    network = apply_spectral_norm(MLP(discriminator_hidden=(5, 4)).discriminator((3,), 0))
    freeze_first(network, 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    PowerIteration(network)()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert not any(key.startswith("features.1") for key in changed)
