"""Generators whose distribution is known: their moments and ends, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from gan_cli.architectures.analytic import Gaussian, Segment
from gan_cli.architectures.layers import Activation, Norm, WeightInit
from gan_cli.architectures.mlp import MLP
from gan_cli.errors import ConfigError, InvalidValueError


def latents(count: int) -> torch.Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0))


def test_gaussian_is_mean_plus_std_times_z() -> None:
    z = latents(5)
    points = Gaussian(mean=(1.0, -2.0), std=(0.5, 3.0)).generator((2,), 0)(z)
    torch.testing.assert_close(points, torch.tensor([1.0, -2.0]) + torch.tensor([0.5, 3.0]) * z)


def test_segment_is_the_model_of_parallel_lines() -> None:
    """``(0, Z)``, Z uniform in [0, 1]: the Kolmogorov-Smirnov test would reject another law."""
    points = Segment().generator((2,), 0)(latents(4000)).detach().numpy()
    assert np.array_equal(points[:, 0], np.zeros(4000))
    assert kstest(points[:, 1], "uniform").pvalue > 0.01


def test_segment_runs_straight_from_start_to_end() -> None:
    start, end = np.array([1.0, 0.0]), np.array([-1.0, 4.0])
    points = Segment(start=(1.0, 0.0), end=(-1.0, 4.0)).generator((2,), 0)(latents(2000)).detach().numpy()
    share = (points - start) / (end - start)
    np.testing.assert_allclose(share[:, 0], share[:, 1], atol=1e-6)
    assert (share.min() >= 0, share.min() < 0.01, share.max() > 0.99, share.max() <= 1) == (True,) * 4


@pytest.mark.parametrize("architecture", [Gaussian(), Segment()])
def test_parameters_are_learned(architecture: Gaussian | Segment) -> None:
    generator = architecture.generator((2,), 0)
    generator(latents(8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in generator.parameters())
    assert architecture.discriminator((2,), 0)(latents(3)).shape == (3,)


@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 0), ((3,), 0), ((2,), 10)])
def test_other_samples_and_classes_are_refused(shape: tuple[int, ...], classes: int) -> None:
    with pytest.raises(ConfigError, match="architecture=mlp"):
        Gaussian().generator(shape, classes)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"std": (0.1,)}, "std"),
        ({"std": (0.1, 0.0)}, "std"),
        ({"mean": ()}, "mean"),
        ({"discriminator_hidden": (0,)}, "discriminator_hidden"),
        ({"norm_d": Norm.instance}, "norm_d"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Gaussian(**settings)  # type: ignore[arg-type]
    assert refused.value.key == key


# ---- What the fully connected networks can be asked for


@pytest.mark.parametrize(
    ("activation", "kind"),
    [(Activation.leaky_relu, nn.LeakyReLU), (Activation.relu, nn.ReLU), (Activation.tanh, nn.Tanh)],
)
def test_mlp_puts_the_activation_after_every_hidden_layer(activation: Activation, kind: type[nn.Module]) -> None:
    architecture = MLP(generator_hidden=(6, 5), discriminator_hidden=(4, 3), activation=activation)
    for network in (architecture.generator((2,), 0), architecture.discriminator((2,), 0)):
        assert sum(type(layer) is kind for layer in network.modules()) == 2
        assert not any(type(layer) in {nn.LeakyReLU, nn.ReLU, nn.Tanh} - {kind} for layer in network.modules())


@pytest.mark.parametrize("gain", [0.8, 1.0])
def test_orthogonal_weights_stretch_nothing_but_by_the_gain(gain: float) -> None:
    architecture = MLP(
        latent_dim=16,
        generator_hidden=(8, 8),
        norm_g=Norm.none,
        weights=WeightInit.orthogonal,
        gain_g=gain,
        gain_d=gain,
    )
    for network in (architecture.generator((2,), 0), architecture.discriminator((2,), 0)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                singular = torch.linalg.svdvals(layer.weight.detach())
                torch.testing.assert_close(singular, torch.full_like(singular, gain))
                assert not layer.bias.any()
