"""Images of any height and width: feature map sizes, the convolutions between them, and every architecture on them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.unet import UNet
from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.pyramid import MAX_SIDE, MIN_SIDE, Size, pyramid, strided_conv, transposed_conv
from gan_cli.architectures.r3gan import R3GAN
from gan_cli.architectures.resnet import ResNet
from gan_cli.architectures.vae import Convolutional
from gan_cli.errors import ConfigError

SIDES = range(MIN_SIDE, MAX_SIDE + 1)
# Sides that the papers halve without remainder.
EXACT = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
# Height, width: of the papers, round numbers, films, odd ones, primes, and those far from a square.
SHAPES = [
    *((side, side) for side in (*EXACT, 9, 29, 100, 101, 150, 192, 256, 511, 512)),
    *((180, 320), (320, 180), (32, 64), (28, 32), (8, 512), (512, 9), (127, 13)),
]
ARCHITECTURES = [
    DCGAN(latent_dim=5, width=1),
    ResNet(latent_dim=5, width_g=1, width_d=1),
    R3GAN(latent_dim=5, width=2, blocks=1, cardinality=1),
    Convolutional(latent_dim=5, width=1),
]


def name(architecture: object) -> str:
    return type(architecture).__name__


@pytest.mark.parametrize("side", SIDES)
def test_sides_are_halved_to_4_to_7_pixels(side: int) -> None:
    fit = pyramid("any", (1, side, 64))
    heights = [size.height for size in fit.sizes]
    assert heights[0] == side
    assert 4 <= heights[-1] <= 7
    assert all(after in (before, (before + 1) // 2) for before, after in pairwise(heights))
    assert fit.sizes[-1].width == 4
    assert len(set(fit.sizes)) == len(fit.sizes), "each halving changes the size"


@pytest.mark.parametrize("side", SIDES)
def test_convolutions_lead_from_size_to_size(side: int) -> None:
    fit = pyramid("any", (1, side, 20))
    with torch.device("meta"):
        for before, after in fit.halvings:
            smaller = strided_conv(1, 1, before, after, bias=False)(torch.empty(1, 1, *before))
            assert smaller.shape[2:] == after
        for before, after in fit.doublings:
            larger = transposed_conv(1, 1, before, after, bias=False)(torch.empty(1, 1, *before))
            assert larger.shape[2:] == after


@pytest.mark.parametrize("side", EXACT)
def test_sides_of_the_papers_have_their_kernels(side: int) -> None:
    for before, after in pyramid("any", (3, side, side)).halvings:
        for layer in (strided_conv(1, 1, before, after, bias=False), transposed_conv(1, 1, after, before, bias=False)):
            assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))


def test_the_longer_axis_goes_on_alone() -> None:
    fit = pyramid("any", (3, 32, 128))
    assert fit.sizes == ((32, 128), (16, 64), (8, 32), (4, 16), (4, 8), (4, 4))
    layer = strided_conv(1, 1, Size(4, 16), Size(4, 8), bias=False)
    assert (layer.kernel_size, layer.stride) == ((3, 4), (1, 2))


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=name)
def test_networks_fit_every_size(architecture: DCGAN | ResNet | R3GAN | Convolutional, size: tuple[int, int]) -> None:
    shape = (2, *size)
    with torch.device("meta"):
        images = architecture.generator(shape, 0)(torch.empty(3, 5))
        assert images.shape == (3, *shape)
        assert architecture.discriminator(shape, 0)(images).shape == (3,)
        if isinstance(architecture, Convolutional):
            assert architecture.encoder(shape, 2)(images).shape == (3, 2, 5)


@pytest.mark.parametrize("size", [size for size in SHAPES if min(size) >= 16], ids=str)
def test_unet_fits_every_size_that_halves_twice(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        images = torch.empty(2, 3, *size)
        predicted: Tensor = UNet(width=8).denoiser((3, *size), 0)(images, torch.empty(2))
    assert predicted.shape == images.shape


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=name)
def test_layers_of_large_images_have_no_more_channels_than_those_of_128_pixels(
    architecture: DCGAN | ResNet | R3GAN | Convolutional,
) -> None:
    def most(network: nn.Module) -> int:
        return max(layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d))

    with torch.device("meta"):
        at_128, at_512 = (architecture.discriminator((3, side, side), 0) for side in (128, 512))
    assert most(at_512) == most(at_128)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((4, 4), "The nearest is 8x8: dataset.size=8"),
        ((7, 20), "The nearest is 8x20: dataset.size=[8, 20]"),
        ((600, 1024), "The nearest is 512x512: dataset.size=512"),
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=name)
def test_other_sizes_are_rejected_with_the_nearest(
    architecture: DCGAN | ResNet | R3GAN | Convolutional, size: tuple[int, int], nearest: str
) -> None:
    for build in (architecture.generator, architecture.discriminator):
        with pytest.raises(ConfigError) as rejected:
            build((3, *size), 0)
        assert f"sides of 8 to 512 pixels; got {size[0]}x{size[1]}" in str(rejected.value)
        assert nearest in str(rejected.value)


def test_unet_rejects_images_too_small_for_its_halvings() -> None:
    with pytest.raises(ConfigError, match=r"unet with 4 multipliers .* 32 to 512 pixels; got 16x40\. .* 32x40"):
        UNet(multipliers=(1, 2, 2, 2)).denoiser((3, 16, 40), 0)
