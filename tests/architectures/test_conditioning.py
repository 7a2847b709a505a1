"""Embeddings of conditions: classes as before, sums for several labels, numbers in the data's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from gan_cli.algorithms.diffusion.denoiser_mlp import DenoiserMLP
from gan_cli.algorithms.diffusion.networks import unknown_labels
from gan_cli.algorithms.diffusion.reverse import Guidance
from gan_cli.algorithms.diffusion.unet import UNet
from gan_cli.architectures.analytic import Gaussian
from gan_cli.architectures.conditioning import (
    NumberEmbedding,
    SumEmbedding,
    example_labels,
    initialize_embedding,
    require_supported,
)
from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.layers import ProjectionDiscriminator, WeightInit, embedding
from gan_cli.architectures.maxout import MaxoutMLP
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.r3gan import R3GAN
from gan_cli.architectures.resnet import ResNet
from gan_cli.architectures.vae import Convolutional, FullyConnected
from gan_cli.errors import ConfigError
from gan_cli.protocols.conditions import ConditionKind, VectorCondition

NUMBERS = VectorCondition(ConditionKind.numbers, ("age", "angle"), ((20.0, 60.0), (-3.0, 3.0)))
SEVERAL = VectorCondition(ConditionKind.several, ("young", "smiling", "hat"), ((0.0, 1.0),) * 3)
CONDITIONS = [NUMBERS, SEVERAL, 5]
SMALL = (16, 16)
GANS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (MLP(4, SMALL, SMALL), (1, 8, 8)),
    "orthogonal": (MLP(4, SMALL, SMALL, weights=WeightInit.orthogonal, gain_d=2.0), (2,)),
    "spectral": (MLP(4, SMALL, SMALL, spectral_norm=True), (2,)),
    "maxout": (MaxoutMLP(generator_hidden=SMALL, discriminator_hidden=SMALL), (2,)),
    "dcgan": (DCGAN(4, width=4), (1, 16, 16)),
    "dcgan_spectral": (DCGAN(4, width=4, spectral_norm=True), (1, 16, 16)),
    "resnet": (ResNet(4, width_g=4, width_d=4), (3, 16, 16)),
    "r3gan": (R3GAN(4, width=8, blocks=1, cardinality=2), (1, 16, 16)),
    "vae": (FullyConnected(4), (1, 8, 8)),
    "vae_conv": (Convolutional(4, width=4), (1, 16, 16)),
}


def labels_of(condition: Any, count: int = 6) -> torch.Tensor:
    (labels,) = example_labels(condition, count)
    return torch.arange(count) % condition if isinstance(condition, int) else labels


@pytest.mark.parametrize("condition", CONDITIONS, ids=["numbers", "several", "classes"])
@pytest.mark.parametrize("name", GANS)
def test_networks_of_all_architectures_depend_on_the_label(name: str, condition: Any) -> None:
    architecture, shape = GANS[name]
    torch.manual_seed(0)
    generator, discriminator = architecture.generator(shape, condition), architecture.discriminator(shape, condition)
    for parameter in (*generator.parameters(), *discriminator.parameters()):
        if not parameter.any():  # conditional batch norm and the like begin with no effect
            nn.init.normal_(parameter, 0.0, 0.1)
    labels = labels_of(condition)
    z, other = torch.randn(6, architecture.latent_dim), labels.roll(1, 0)
    samples = generator(z, labels)
    assert samples.shape == (6, *shape)
    assert not torch.equal(samples, generator(z, other))
    logits = discriminator(samples, labels)
    assert logits.shape == (6,)
    assert not torch.equal(logits, discriminator(samples, other))
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())


@pytest.mark.parametrize("condition", CONDITIONS, ids=["numbers", "several", "classes"])
def test_denoisers_know_labels_that_are_left_out(condition: Any) -> None:
    for architecture, shape in (
        (DenoiserMLP(width=16, embedding=8), (2,)),
        (UNet(width=8, multipliers=(1,)), (1, 8, 8)),
    ):
        torch.manual_seed(0)
        denoiser = architecture.denoiser(shape, condition)
        for parameter in denoiser.parameters():
            nn.init.normal_(parameter, 0.0, 0.1)
        labels, samples, time = labels_of(condition), torch.randn(6, *shape), torch.rand(6)
        unknown = unknown_labels(condition, labels)
        with_label, without = denoiser(samples, time, labels), denoiser(samples, time, unknown)
        assert torch.isfinite(without).all()
        assert not torch.equal(with_label, without)
        guided = Guidance(condition, 3.0)(denoiser, samples, time, labels)
        assert torch.allclose(guided, without + 3 * (with_label - without), atol=1e-5)
        denoiser(samples, time, unknown).sum().backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in denoiser.parameters())


def test_sum_of_embeddings_is_a_linear_map_of_the_vector() -> None:
    built, held = embedding(SEVERAL, 7), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert isinstance(built, SumEmbedding)
    linear = nn.Linear(3, 7, bias=False)
    linear.weight.data = built.weight.data.T
    assert torch.allclose(built(held), linear(held))
    assert torch.allclose(built(held)[0], built.weight[0] + built.weight[2])
    assert not built(held)[1].any()


def test_sums_of_all_labels_are_on_the_scale_of_one_class() -> None:
    many = VectorCondition(ConditionKind.several, tuple(map(str, range(40))), ((0.0, 1.0),) * 40)
    torch.manual_seed(0)
    for built, std in ((embedding(many, 20_000), 1.0), (embedding(NUMBERS, 20_000), 1.0)):
        assert built is not None
        (labels,) = example_labels(many, 3) if isinstance(built, SumEmbedding) else example_labels(NUMBERS, 3)
        assert float(built(labels[-1:]).std().detach()) == pytest.approx(std, rel=0.05)
        initialize_embedding(built, 0.1)
        assert float(built(labels[-1:]).std().detach()) == pytest.approx(0.1, rel=0.05)


def test_classes_are_embedded_as_before() -> None:
    torch.manual_seed(3)
    built, state = embedding(5, 4), torch.get_rng_state()
    torch.manual_seed(3)
    assert type(built) is nn.Embedding
    assert torch.equal(built.weight, nn.Embedding(5, 4).weight)
    assert torch.equal(state, torch.get_rng_state())
    network = ProjectionDiscriminator(nn.Flatten(), nn.Linear(4, 1), built)
    torch.set_rng_state(state)
    nn.Linear(4, 1)
    assert torch.equal(network.embedding.weight, torch.empty(5, 4).normal_(0.0, 0.5))  # type: ignore[union-attr]


def test_numbers_are_in_the_units_of_the_data() -> None:
    degrees = VectorCondition(ConditionKind.numbers, ("angle",), ((0.0, 360.0),))
    turns = VectorCondition(ConditionKind.numbers, ("angle",), ((0.0, 1.0),))
    first, second = NumberEmbedding(degrees, 8), NumberEmbedding(turns, 8)
    own_range = {key: value for key, value in second.state_dict().items() if key in ("centre", "half_range")}
    second.load_state_dict({**first.state_dict(), **own_range})
    angles = torch.rand(10, 1)
    assert torch.allclose(first(360 * angles), second(angles), atol=1e-5)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(angles), second(angles)), "the range is part of the state"


def test_a_number_that_is_the_same_for_all_is_embedded() -> None:
    constant = VectorCondition(ConditionKind.numbers, ("x",), ((3.0, 3.0),))
    assert torch.isfinite(NumberEmbedding(constant, 4)(torch.tensor([[3.0], [4.0]]))).all()


def test_closed_forms_and_architectures_for_classes_alone_refuse_vectors() -> None:
    with pytest.raises(ConfigError, match="without labels for Gaussian"):
        Gaussian().generator((2,), NUMBERS)

    @dataclass(frozen=True)
    class Own:
        latent_dim: int = 2

        def generator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
            return nn.Embedding(classes, 2)

        def discriminator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
            return nn.Embedding(classes, 2)

    require_supported(Own(), 5)
    require_supported(MLP(), NUMBERS)
    with pytest.raises(ConfigError, match=r"2 numbers, but Own\.generator is for classes alone"):
        require_supported(Own(), NUMBERS)
