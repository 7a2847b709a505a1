"""Spectral norm against torch's own, which treats one weight at a time, and against algorithm 1 of the paper."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from benchmarks.launches import Work, counting
from gan_cli.architectures import spectral_norm
from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.maxout import MaxoutMLP
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.r3gan import R3GAN
from gan_cli.architectures.resnet import ResNet
from gan_cli.architectures.spectral_norm import PowerIteration, SpectralNorm, apply_spectral_norm
from gan_cli.errors import ConfigError
from gan_cli.protocols.architecture import Architecture
from tests.helpers.gans import assembled

LAYERS = (nn.Linear, nn.Conv2d, nn.Embedding)
TINY_RESNET = (
    "architecture=resnet",
    "architecture.width_g=4",
    "architecture.width_d=4",
    "train.batch_size=8",
    "loss=hinge",
)


def discriminator(classes: int = 0, spectral: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return ResNet(width_d=8, spectral_norm=spectral).discriminator((3, 16, 16), classes)


def by_torch(network: nn.Module) -> nn.Module:
    for layer in [each for each in network.modules() if isinstance(each, LAYERS)]:
        parametrizations.spectral_norm(layer)
    return network


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def vectors(network: nn.Module) -> list[Tensor]:
    return [value.clone() for name, value in network.named_buffers() if name.endswith(("._u", "._v"))]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_torch_with_an_iteration_before_each_pass(
    layout: torch.memory_format,
) -> None:
    ours, theirs = discriminator(), by_torch(discriminator(spectral=False))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours, theirs, batch = (each.to(memory_format=layout) for each in (ours, theirs, images()))  # type: ignore[call-overload]
    iterate = PowerIteration(ours)
    for _ in range(3):
        iterate()
        logits, expected = ours(batch), theirs(batch)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
        gradients, expected_gradients = (
            torch.autograd.grad(each.square().mean(), list(network.parameters()))
            for each, network in ((logits, ours), (expected, theirs))
        )
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


def test_initial_singular_vectors_are_those_of_torch() -> None:
    torch.manual_seed(0)
    theirs = by_torch(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(5, 7)))
    torch.manual_seed(0)
    ours = apply_spectral_norm(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(5, 7)))
    assert all(
        torch.equal(*pair) for pair in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    )


def test_gradient_is_that_of_the_papers_equation_12() -> None:
    layer = nn.Linear(6, 4, bias=False, dtype=torch.float64)
    apply_spectral_norm(layer)
    weight = layer.parametrizations.weight.original  # type: ignore[union-attr]
    (norm,) = layer.parametrizations.weight  # type: ignore[union-attr, misc]
    assert isinstance(norm, SpectralNorm)
    u, v = norm._u, norm._v.flatten()
    sigma = (u @ weight @ v).detach()
    batch = torch.randn(3, 6, dtype=torch.float64)
    found = torch.autograd.grad(layer(batch).square().sum(), weight)[0]  # type: ignore[arg-type]
    normalized = weight.detach() / sigma  # type: ignore[operator]
    gradient = 2 * (batch @ normalized.T).T @ batch
    expected = (gradient - (gradient * normalized).sum() * torch.outer(u, v)) / sigma
    torch.testing.assert_close(found, expected)


def test_second_derivatives_are_those_of_torch() -> None:
    ours, theirs = discriminator(), by_torch(discriminator(spectral=False)).eval()
    ours.load_state_dict(theirs.state_dict())

    def penalty_gradient(network: nn.Module) -> tuple[Tensor, ...]:
        batch = images().requires_grad_()
        (gradient,) = torch.autograd.grad(network(batch).sum(), batch, create_graph=True)
        weights = [weight for name, weight in network.named_parameters() if name.endswith("original")]
        return torch.autograd.grad(gradient.square().sum(), weights)

    torch.testing.assert_close(penalty_gradient(ours), penalty_gradient(theirs), rtol=1e-3, atol=1e-6)


def test_only_an_update_of_d_makes_a_power_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = assembled(*TINY_RESNET, "loss.d_steps=3")
    made = Counter[str]()
    call = PowerIteration.__call__
    monkeypatch.setattr(PowerIteration, "__call__", lambda self: (made.update(["iterations"]), call(self))[1])
    algorithm.update(0)
    assert made["iterations"] == 3
    before = vectors(algorithm.discriminator)
    algorithm.update_generator(algorithm._generator_batch())
    assert all(torch.equal(*pair) for pair in zip(before, vectors(algorithm.discriminator), strict=True))


def test_autocast_leaves_the_singular_value_in_float32() -> None:
    network = discriminator()
    (norm,) = network.head.parametrizations.weight  # type: ignore[union-attr, misc]
    seen = []
    network.head.register_forward_pre_hook(lambda *_: seen.append(norm.normalized))  # type: ignore[union-attr, arg-type]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(images())
    network(images())
    low, exact = seen
    assert low.dtype is torch.bfloat16
    assert torch.equal(low, exact.bfloat16())
    assert norm.normalized is None


def test_copies_are_independent() -> None:
    network = discriminator()
    copied, before = copy.deepcopy(network), vectors(network)
    expected = network(images())
    for _ in range(3):
        PowerIteration(copied)()
    copied(images())
    assert all(torch.equal(*pair) for pair in zip(before, vectors(network), strict=True))
    assert torch.equal(network(images()), expected)


def test_result_of_a_pass_that_fails_is_forgotten() -> None:
    network = discriminator()
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 5, 16, 16))
    assert all(module.normalized is None for module in network.modules() if isinstance(module, SpectralNorm))


def test_matrices_of_different_shapes_share_a_batch_where_little_is_added() -> None:
    with torch.device("meta"):
        network = ResNet().discriminator((3, 32, 32), 0)
    batches = spectral_norm._batches(network)
    assert [(batch.rows, batch.columns, len(batch.layers)) for batch in batches] == [(128, 128, 4), (128, 1152, 7)]
    with torch.device("meta"):
        network = DCGAN(spectral_norm=True).discriminator((3, 64, 64), 0)
    batches = spectral_norm._batches(network)
    assert sum(len(batch.layers) for batch in batches) == 5
    stacked = sum(batch.rows * batch.columns * len(batch.layers) for batch in batches)
    assert stacked <= spectral_norm.MAX_PADDING * sum(weight.numel() for weight in network.parameters())


def test_launches_of_an_update() -> None:
    """For the network of SNGAN's table 3."""

    def launches(network: nn.Module) -> int:
        work, iterate = Work(), PowerIteration(network)
        with counting(work):
            iterate()
            torch.autograd.grad(network(batch).sum(), list(network.parameters()))
        return work.launches.total()

    batch = torch.randn(2, 3, 32, 32)
    plain, ours = (ResNet(spectral_norm=each).discriminator((3, 32, 32), 0) for each in (False, True))
    theirs = by_torch(ResNet(spectral_norm=False).discriminator((3, 32, 32), 0))
    assert launches(theirs) - launches(plain) >= 220
    assert launches(ours) - launches(plain) <= 75


@pytest.mark.parametrize(
    "architecture",
    [
        ResNet(width_d=4),
        R3GAN(width=4, blocks=1, cardinality=2, spectral_norm=True),
        DCGAN(width=4, spectral_norm=True),
        MLP(discriminator_hidden=(16, 16), spectral_norm=True),
        MaxoutMLP(discriminator_hidden=(8,), spectral_norm=True),
    ],
    ids=lambda architecture: type(architecture).__name__,
)
def test_every_weight_of_d_has_a_largest_singular_value_of_1(architecture: Architecture) -> None:
    torch.manual_seed(0)
    network = architecture.discriminator((3, 8, 8), 4)
    iterate = PowerIteration(network)
    for _ in range(200):
        iterate()
    network(torch.randn(2, 3, 8, 8), torch.tensor([0, 1]))
    layers = [layer for layer in network.modules() if isinstance(layer, LAYERS)]
    assert layers
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1.0, abs=0.02)


def test_discriminator_without_weights_cannot_be_normalised() -> None:
    with pytest.raises(ConfigError, match=r"architecture\.spectral_norm: expected false"):
        apply_spectral_norm(nn.Sequential(nn.Flatten(), nn.ReLU()))
