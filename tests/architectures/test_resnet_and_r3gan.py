"""Residual architectures against the tables of their papers; classes in all architectures."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_cli.architectures import resnet
from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.layers import Norm, upsample
from gan_cli.architectures.maxout import Maxout, MaxoutMLP
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.pyramid import Size
from gan_cli.architectures.r3gan import R3GAN, _Downsample, _Upsample
from gan_cli.architectures.resnet import Pooling, ResNet
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.architecture import Architecture
from tests.helpers.paths import ROOT
from tests.pretended_gpu import library

IMAGES: list[Architecture] = [
    ResNet(latent_dim=5, width_g=2, width_d=2),
    R3GAN(latent_dim=5, width=4, blocks=1, cardinality=2),
    DCGAN(latent_dim=5, width=2),
    MLP(latent_dim=5, generator_hidden=(6, 6), discriminator_hidden=(6, 6)),
    MaxoutMLP(latent_dim=5, generator_hidden=(6,), discriminator_hidden=(6,)),
]


def names(architecture: object) -> str:
    return type(architecture).__name__


def meta(architecture: Architecture, size: int, classes: int = 0) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        shape = (3, size, size)
        return architecture.generator(shape, classes), architecture.discriminator(shape, classes)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# ---- what all of them can do


@pytest.mark.parametrize("architecture", IMAGES, ids=names)
@pytest.mark.parametrize("classes", [0, 3])
def test_images_and_logits_have_their_shapes(architecture: Architecture, classes: int) -> None:
    torch.manual_seed(0)
    shape = (3, 8, 8)
    labels = [torch.tensor([0, 2])] if classes else []
    images = architecture.generator(shape, classes)(torch.randn(2, 5), *labels)
    assert images.shape == (2, *shape)
    assert architecture.discriminator(shape, classes)(images, *labels).shape == (2,)


@pytest.mark.parametrize("architecture", IMAGES, ids=names)
def test_projection_is_the_inner_product_with_the_class(architecture: Architecture) -> None:
    """Logits of two classes differ by <e(a) - e(b), features>: linear in the embedding."""
    torch.manual_seed(0)
    discriminator = architecture.discriminator((3, 8, 8), 2).eval()
    images = torch.randn(4, 3, 8, 8)
    zero, one = (discriminator(images, torch.full((4,), label)) for label in (0, 1))
    assert not torch.allclose(zero, one)
    embedding = next(layer for layer in discriminator.modules() if isinstance(layer, nn.Embedding))
    if parametrize.is_parametrized(embedding):
        pytest.skip("an embedding of norm 1 cannot be moved freely")
    with torch.no_grad():
        embedding.weight[1] = 3 * embedding.weight[0]
    base = (
        3 * discriminator(images, torch.zeros(4, dtype=torch.int64)) - discriminator(images, torch.ones(4).long())
    ) / 2
    with torch.no_grad():
        embedding.weight.zero_()
    torch.testing.assert_close(discriminator(images, torch.zeros(4, dtype=torch.int64)), base, rtol=1e-4, atol=1e-5)


# ---- upsampling


def test_upsampling_repeats_pixels_in_the_dtype_of_the_features() -> None:
    features = torch.randn(2, 3, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        doubled = upsample(features, (8, 8))
    assert doubled.dtype is torch.bfloat16
    assert torch.equal(doubled, features.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.slow
def test_upsampling_on_cuda_is_not_converted_to_float32() -> None:
    reason = library.why_not()
    if reason is not None:
        pytest.skip(reason)
    code = """
        from tests.pretended_gpu import device, library
        device.PretendedDevice(library.compiled())
        import torch
        from gan_cli.architectures.layers import upsample
        features = torch.zeros(1, 1, 2, 2, device="cuda", dtype=torch.bfloat16)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            print(torch.nn.functional.interpolate(features, scale_factor=2).dtype, upsample(features, (4, 4)).dtype)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["torch.float32", "torch.bfloat16"]


# ---- SNGAN's tables


def test_resnet_at_32_is_table_3_of_the_paper() -> None:
    generator, discriminator = meta(ResNet(), 32)
    convolutions = [
        (m.in_channels, m.out_channels, m.kernel_size[0]) for m in generator.modules() if isinstance(m, nn.Conv2d)
    ]
    assert convolutions == [*[(256, 256, 3), (256, 256, 3), (256, 256, 1)] * 3, (256, 3, 3)]
    assert generator.dense.out_features == 4 * 4 * 256
    blocks = [m for m in discriminator.modules() if isinstance(m, (resnet._FirstBlock, resnet._DownBlock))]
    assert [block.pool is not None for block in blocks] == [True, True, False, False]
    assert {block.conv2.out_channels for block in blocks} == {128}
    dense, block = 128 * 4096 + 4096, 2 * (256 * 256 * 9 + 256) + 256 * 256 + 256 + 4 * 256
    assert parameters(generator) == dense + 3 * block + 2 * 256 + 256 * 3 * 9 + 3
    wide, first, narrow = 128 * 128 * 9 + 128, 3 * 128 * 9 + 128, 3 * 128 + 128
    assert parameters(discriminator) == first + narrow + 7 * wide + (128 * 128 + 128) + 129


def test_resnet_at_48_is_table_4_of_the_paper() -> None:
    generator, discriminator = meta(ResNet(), 48)
    assert generator.dense.out_features == 6 * 6 * 512
    assert [block.conv2.out_channels for block in generator.blocks] == [256, 128, 64]
    blocks = [m for m in discriminator.modules() if isinstance(m, (resnet._FirstBlock, resnet._DownBlock))]
    assert [block.conv2.out_channels for block in blocks] == [64, 128, 256, 512, 1024]
    assert [block.pool is not None for block in blocks] == [True, True, True, True, False]


def test_pooling_is_a_sum_or_a_mean_over_places() -> None:
    features = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(resnet._Pool(Pooling.sum)(features), 16 * resnet._Pool(Pooling.mean)(features))


@pytest.mark.parametrize("norm", list(Norm))
def test_class_norm_starts_as_the_plain_norm_and_scales_by_class(norm: Norm) -> None:
    plain, classed = resnet._ClassNorm(norm, 4, 0), resnet._ClassNorm(norm, 4, 2)
    features, labels = torch.randn(6, 4, 3, 3), torch.tensor([0, 1, 0, 1, 0, 1])
    torch.testing.assert_close(classed(features, labels), plain(features, None))
    assert classed.scale is not None
    with torch.no_grad():
        classed.scale.weight[1] = 2.0
    expected = plain(features, None) * torch.tensor([1.0, 2.0]).repeat(3)[:, None, None, None]
    torch.testing.assert_close(classed(features, labels), expected)


# ---- R3GAN


def test_r3gan_for_cifar_has_the_papers_size() -> None:
    generator, discriminator = meta(R3GAN(latent_dim=64, width=768, blocks=2, cardinality=96), 32)
    # By hand: a block is 768 * 1536 * 2 + 1536 * 16 * 9 + 2 * 1536; four stages of two.
    block = 768 * 1536 * 2 + 1536 * 16 * 9 + 2 * 1536
    assert parameters(generator) == 8 * block + 768 * 16 + 64 * 768 + 768 * 3
    assert parameters(discriminator) == 8 * block + 768 * 3 + 768 * 16 + 768


def test_r3gan_branches_start_at_zero_and_no_layer_normalises() -> None:
    torch.manual_seed(0)
    generator = R3GAN(latent_dim=8, width=8, blocks=2, cardinality=4).generator((3, 16, 16), 0)
    blocks = [layer for layer in generator.modules() if type(layer).__name__ == "_Block"]
    assert len(blocks) == 6
    features = torch.randn(2, 8, 4, 4)
    for block in blocks:
        assert torch.equal(block(features), features)
    assert not any("Norm" in type(layer).__name__ for layer in generator.modules())


def test_r3gan_weights_have_the_deviation_of_fixup() -> None:
    torch.manual_seed(0)
    generator = R3GAN(width=128, blocks=2, cardinality=16).generator((3, 32, 32), 0)
    branch = next(layer for layer in generator.modules() if type(layer).__name__ == "_Block").branch
    gain = math.sqrt(2 / 1.04) * 8 ** (-1 / 4)  # eight branches of three layers
    assert float(branch[0].weight.std()) == pytest.approx(gain / math.sqrt(128), rel=0.05)
    assert float(branch[2].weight.std()) == pytest.approx(gain / math.sqrt(16 * 9), rel=0.05)


def resampled_by_hand(row: Tensor) -> Tensor:
    """Bilinear: each value, and between two neighbours their mean; beyond the end there is 0."""
    following = torch.cat([row[1:], row.new_zeros(1)])
    return torch.stack([row, (row + following) / 2], dim=1).flatten()


def test_resampling_filters_are_bilinear() -> None:
    row = torch.tensor([1.0, 5.0, 2.0, 4.0])
    image = torch.outer(row, row)[None, None]
    expected = torch.outer(resampled_by_hand(row), resampled_by_hand(row))[None, None]
    torch.testing.assert_close(_Upsample(Size(4, 4), Size(8, 8))(image), expected)
    flat = torch.full((1, 2, 8, 8), 3.0)
    halved = _Downsample(Size(8, 8), Size(4, 4))(flat)
    torch.testing.assert_close(halved[..., 1:, 1:], torch.full((1, 2, 3, 3), 3.0))
    assert halved.shape == (1, 2, 4, 4)


def test_resampling_of_odd_sides_and_of_one_axis_is_bilinear() -> None:
    row, column = torch.tensor([1.0, 5.0, 2.0, 4.0]), torch.tensor([2.0, 3.0, 7.0])
    image = torch.outer(column, row)[None, None]
    # 4 to 7 pixels: the one beyond the end is left out; 3 stay 3.
    expected = torch.outer(column, resampled_by_hand(row)[:-1])[None, None]
    torch.testing.assert_close(_Upsample(Size(3, 4), Size(3, 7))(image), expected)
    halved = _Downsample(Size(3, 7), Size(3, 4))(expected)[0, 0, :, 1:-1]
    torch.testing.assert_close(halved, torch.outer(column, row @ triangle())[:, 1:-1])


def triangle() -> Tensor:
    """The filter [1, 2, 1] / 4 of a row that was doubled: 1/8 of the neighbours, 3/4 of the value itself."""
    return torch.eye(4) * 0.75 + (torch.eye(4).roll(1, 0) + torch.eye(4).roll(-1, 0)) * 0.125


# ---- PacGAN's networks


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = Maxout(3, 4, 5)
    x = torch.randn(6, 3)
    by_hand = torch.stack(
        [x @ layer.linear.weight[piece::5].T + layer.linear.bias[piece::5] for piece in range(5)]
    ).amax(0)
    torch.testing.assert_close(layer(x), by_hand)


def test_maxout_networks_are_those_of_pacgans_experiments() -> None:
    with torch.device("meta"):
        generator, discriminator = MaxoutMLP().generator((2,), 0), MaxoutMLP().discriminator((4,), 0)
    linear = [
        (m.in_features, m.out_features, m.bias is not None) for m in generator.modules() if isinstance(m, nn.Linear)
    ]
    assert linear == [(2, 400, False), *[(400, 400, False)] * 3, (400, 2, True)]
    assert sum(isinstance(m, nn.BatchNorm1d) for m in generator.modules()) == 4
    pieces = [(m.in_features, m.out_features) for m in discriminator.modules() if isinstance(m, nn.Linear)]
    assert pieces == [(4, 1000), (200, 1000), (200, 1000), (200, 1)]


@pytest.mark.parametrize(("build", "key"), [(MaxoutMLP, "pieces"), (R3GAN, "blocks"), (ResNet, "width_g")])
def test_empty_networks_are_refused(build: type, key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        build(**{key: 0})
    assert refused.value.key == key


def test_gain_multiplies_initial_weights_and_leaves_biases() -> None:
    plain, steep = MLP(generator_hidden=(8,)), MLP(generator_hidden=(8,), gain_g=3.0)
    networks = []
    for architecture in (plain, steep):
        torch.manual_seed(0)
        networks.append(dict(architecture.generator((2,), 0).named_parameters()))
    for name, weight in networks[0].items():
        torch.testing.assert_close(networks[1][name], weight * 3 if name.endswith("weight") else weight)


def test_branches_give_every_code_its_own_bias_and_equal_chances() -> None:
    torch.manual_seed(0)
    generator = MLP(latent_dim=6, codes=4, generator_hidden=(8, 8)).generator((2,), 0).eval()
    rest = torch.randn(1, 2).expand(4, -1)
    points = generator(torch.cat([torch.eye(4), rest], dim=1))
    assert len({tuple(point) for point in points.tolist()}) == 4
    # The size of the largest coordinate says nothing, nor do the others.
    same = generator(torch.cat([5 * torch.eye(4) - torch.rand(4, 4), rest], dim=1))
    torch.testing.assert_close(same, points)
    chosen = torch.randn(20_000, 6)[:, :4].argmax(1)
    assert torch.bincount(chosen).float().div(5000).sub(1).abs().max() < 0.06


def test_octaves_show_d_waves_of_its_inputs() -> None:
    torch.manual_seed(0)
    discriminator = MLP(octaves_d=2, discriminator_hidden=()).discriminator((1,), 0)
    x = torch.linspace(-1, 1, 9)[:, None]
    waves = [f(math.pi / 2 * 2**k * x) for f in (torch.sin, torch.cos) for k in (0, 1)]
    linear = discriminator.head
    torch.testing.assert_close(discriminator(x), linear(torch.cat([x, *waves], dim=1)).flatten())


@pytest.mark.parametrize(("key", "value"), [("codes", 6), ("codes", -1), ("octaves_d", 17), ("gain_g", 0.0)])
def test_mlp_refuses_impossible_settings(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        MLP(latent_dim=6, **{key: value})
    assert refused.value.key == key
