"""Networks: shapes for every size they claim to fit, the layers of the papers, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.layers import Norm
from gan_cli.architectures.mlp import MLP
from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.protocols.architecture import Architecture

Layer = tuple[int, int, int, int, int]


def pair(architecture: Architecture, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return architecture.generator(shape, 0), architecture.discriminator(shape, 0)


def convolutions(network: nn.Module) -> list[Layer]:
    """(in, out, kernel, stride, padding) of every convolution, from the input on."""
    return [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0], layer.padding[0])
        for layer in network.modules()
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    ]


def kinds(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.modules() if not list(layer.children())]


# ---- DCGAN


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (9, 15), (8, 33)])
def test_dcgan_maps_latents_to_images_and_images_to_logits(size: tuple[int, int], channels: int) -> None:
    generator, discriminator = pair(DCGAN(latent_dim=5, width=2), (channels, *size))
    for count in (3, 1):
        network = generator if count == 3 else generator.eval()  # batch norm learns nothing from one sample
        images = network(100 * torch.randn(count, 5))
        assert images.shape == (count, channels, *size)
        assert images.abs().max() <= 1
        assert discriminator(images).shape == (count,)


def test_dcgan_at_64_has_the_layers_of_the_reference_implementation() -> None:
    with torch.device("meta"):
        generator, discriminator = pair(DCGAN(), (3, 64, 64))
    assert convolutions(generator) == [
        (100, 512, 4, 1, 0),
        (512, 256, 4, 2, 1),
        (256, 128, 4, 2, 1),
        (128, 64, 4, 2, 1),
        (64, 3, 4, 2, 1),
    ]
    assert convolutions(discriminator) == [
        (3, 64, 4, 2, 1),
        (64, 128, 4, 2, 1),
        (128, 256, 4, 2, 1),
        (256, 512, 4, 2, 1),
        (512, 1, 4, 1, 0),
    ]
    assert kinds(generator) == ["Unflatten", *["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4, "ConvTranspose2d", "Tanh"]
    assert kinds(discriminator) == [
        *("Conv2d", "LeakyReLU"),
        *["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3,
        "Conv2d",
    ]
    assert {layer.negative_slope for layer in discriminator.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert not any(layer.bias is not None for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d))


def test_dcgan_for_28_pixels_starts_from_7() -> None:
    generator, discriminator = pair(DCGAN(latent_dim=10, width=8), (1, 28, 28))
    assert convolutions(generator) == [(10, 16, 7, 1, 0), (16, 8, 4, 2, 1), (8, 1, 4, 2, 1)]
    assert convolutions(discriminator) == [(1, 8, 4, 2, 1), (8, 16, 4, 2, 1), (16, 1, 7, 1, 0)]


def test_dcgan_widths_of_the_two_networks_can_differ() -> None:
    generator, discriminator = pair(DCGAN(latent_dim=10, width=8, width_g=4, width_d=6), (1, 16, 16))
    assert convolutions(generator)[-1][0] == 4
    assert convolutions(discriminator)[0][1] == 6


def test_dcgan_weights_start_from_a_normal_of_deviation_0_02() -> None:
    for network in pair(DCGAN(width=32), (1, 32, 32)):
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.numel() > 10_000:
                assert float(layer.weight.detach().mean()) == pytest.approx(0.0, abs=1e-3)
                assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
        scales = torch.cat([layer.weight for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]).detach()
        shifts = torch.cat([layer.bias for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]).detach()
        assert float(scales.mean()) == pytest.approx(1.0, abs=0.01)
        assert float(scales.std()) == pytest.approx(0.02, rel=0.3)
        assert not shifts.any()


def test_dcgan_refuses_points_and_names_an_architecture_that_takes_them() -> None:
    with pytest.raises(ConfigError, match=r"\(2,\).*architecture=mlp"):
        DCGAN().generator((2,), 0)


@pytest.mark.parametrize("key", ["latent_dim", "width", "width_g", "width_d"])
def test_dcgan_refuses_networks_without_channels(key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        DCGAN(**{key: 0})
    assert refused.value.key == key


# ---- MLP


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 30, 20)])
def test_mlp_builds_images_of_any_shape_within_minus_1_and_1(shape: tuple[int, ...]) -> None:
    generator, discriminator = pair(MLP(latent_dim=7, generator_hidden=(6, 5), discriminator_hidden=(4,)), shape)
    images = generator(1e4 * torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


def test_mlp_places_points_without_a_bound() -> None:
    """Through tanh, modes at the edge of [-1, 1] could hardly be reached."""
    generator, discriminator = pair(MLP(latent_dim=7, norm_g=Norm.none), (2,))
    points = generator(1e4 * torch.randn(3, 7))
    assert points.shape == (3, 2)
    assert points.abs().max() > 10
    assert discriminator(points).shape == (3,)


def test_mlp_layers_have_the_widths_that_were_asked_for() -> None:
    architecture = MLP(latent_dim=7, generator_hidden=(6, 5, 4), discriminator_hidden=(3,))
    generator, discriminator = pair(architecture, (1, 8, 8))

    def widths(network: nn.Module) -> list[tuple[int, int]]:
        return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]

    assert widths(generator) == [(7, 6), (6, 5), (5, 4), (4, 64)]
    assert widths(discriminator) == [(64, 3), (3, 1)]


@pytest.mark.parametrize(("g", "d"), [(Norm.batch, Norm.none), (Norm.layer, Norm.batch), (Norm.none, Norm.layer)])
def test_mlp_normalises_all_but_the_first_hidden_layer_of_the_chosen_network(g: Norm, d: Norm) -> None:
    architecture = MLP(generator_hidden=(6, 5, 4), discriminator_hidden=(9, 8), norm_g=g, norm_d=d)
    kinds = {nn.BatchNorm1d: Norm.batch, nn.LayerNorm: Norm.layer}

    def normalised(network: nn.Module) -> list[tuple[Norm, int]]:
        return [(kinds[type(m)], len(m.weight)) for m in network.modules() if type(m) in kinds]

    generator, discriminator = pair(architecture, (1, 8, 8))
    assert normalised(generator) == ([] if g is Norm.none else [(g, 5), (g, 4)])
    assert normalised(discriminator) == ([] if d is Norm.none else [(d, 8)])


@pytest.mark.parametrize("norm", [Norm.batch, Norm.layer])
def test_mlp_passes_its_epsilon_to_both_networks(norm: Norm) -> None:
    architecture = MLP(generator_hidden=(6, 5, 4), discriminator_hidden=(9, 8), norm_g=norm, norm_d=norm, norm_eps=0.8)
    for network, count in zip(pair(architecture, (1, 8, 8)), (2, 1), strict=True):
        layers = [layer for layer in network.modules() if isinstance(layer, (nn.BatchNorm1d, nn.LayerNorm))]
        assert [layer.eps for layer in layers] == [0.8] * count


@pytest.mark.parametrize("eps", [0.0, -1e-5, float("inf"), float("nan")])
def test_mlp_refuses_an_epsilon_that_is_no_number_above_0(eps: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        MLP(norm_eps=eps)
    assert refused.value.key == "norm_eps"


def test_mlp_without_hidden_layers_is_linear() -> None:
    _, discriminator = pair(MLP(discriminator_hidden=()), (2,))
    x, y = torch.randn(2, 1, 2)
    torch.testing.assert_close(discriminator(x + y) + discriminator(0 * x), discriminator(x) + discriminator(y))


@pytest.mark.parametrize("key", ["generator_hidden", "discriminator_hidden"])
def test_mlp_refuses_empty_layers(key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        MLP(**{key: (8, 0)})
    assert refused.value.key == key
