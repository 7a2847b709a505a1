"""The denoisers: shapes, numbers of parameters, what they depend on, and what they predict before they are trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.denoiser_mlp import DenoiserMLP
from gan_cli.algorithms.diffusion.networks import Conditioning
from gan_cli.algorithms.diffusion.unet import UNet, _SelfAttention
from gan_cli.errors import ConfigError, InvalidValueError

MLP = DenoiserMLP(width=16, blocks=2, embedding=8, octaves=2)
SMALL_UNET = UNet(width=8, multipliers=(1, 2, 2), groups=4)


def randomized(network: nn.Module) -> nn.Module:
    """The network with weights other than zero in all layers."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        (MLP, (2,)),
        (MLP, (1, 8, 8)),
        (SMALL_UNET, (1, 28, 28)),
        (SMALL_UNET, (3, 32, 32)),
        (SMALL_UNET, (3, 64, 64)),
        (UNet(width=8, multipliers=(1, 1, 2, 2), groups=2, blocks=2, heads=2), (1, 32, 32)),
        (UNet(width=8, multipliers=(1,)), (1, 8, 8)),
    ],
)
@pytest.mark.parametrize("classes", [0, 10])
def test_prediction_has_the_shape_of_the_sample_and_is_0_at_first(
    architecture: DenoiserMLP | UNet, shape: tuple[int, ...], classes: int
) -> None:
    network = architecture.denoiser(shape, classes)
    labels = [torch.tensor([0, 5, 10])] if classes else []
    samples, time = torch.randn(3, *shape), torch.tensor([0.001, 0.5, 1.0])
    assert torch.equal(network(samples, time, *labels), torch.zeros(3, *shape))
    assert randomized(network)(samples, time, *labels).shape == (3, *shape)


@pytest.mark.parametrize("architecture", [MLP, SMALL_UNET])
def test_prediction_depends_on_sample_time_and_class_alone(architecture: DenoiserMLP | UNet) -> None:
    network = randomized(architecture.denoiser((1, 8, 8) if architecture is MLP else (1, 16, 16), 4)).eval()
    side = 8 if architecture is MLP else 16
    samples, time, labels = torch.randn(4, 1, side, side), torch.full((4,), 0.3), torch.tensor([0, 1, 4, 4])

    def call(samples: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        predicted: Tensor = network(samples, time, labels)
        return predicted

    whole = call(samples, time, labels)
    torch.testing.assert_close(call(samples[1:2], time[1:2], labels[1:2]), whole[1:2], rtol=1e-4, atol=1e-5)
    for other in (
        call(samples + 0.1, time, labels),
        call(samples, time + 0.1, labels),
        call(samples, time, labels.flip(0)),
    ):
        assert not torch.allclose(other, whole)


def test_sizes_are_those_of_the_formula() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    width, embedding, inputs = 16, 8, 2 * (1 + 2 * 2)
    conditioning = 2 * (embedding * embedding + embedding)
    block = 2 * width + (embedding + 1) * 2 * width + 2 * (width + 1) * width
    expected = conditioning + (inputs + 1) * width + 2 * block + 2 * width + (width + 1) * 2
    assert count(MLP.denoiser((2,), 0)) == expected
    assert count(MLP.denoiser((2,), 10)) == expected + 11 * embedding
    # One resolution, so that the formula stays short.
    one, embedding = UNet(width=8, multipliers=(1,)), 32

    def residual(before: int, after: int) -> int:
        skip = before * after + after if before != after else 0
        convolutions = 9 * before * after + after + 9 * after * after + after
        return 2 * before + 2 * after + convolutions + (embedding + 1) * 2 * after + skip

    attention = 2 * 8 + (8 * 24 + 24) + (8 * 8 + 8)
    ends = (9 * 8 + 8) + 2 * 8 + (9 * 8 + 1)
    blocks = residual(8, 8) + 2 * residual(8, 8) + 2 * residual(16, 8)
    assert count(one.denoiser((1, 8, 8), 0)) == 2 * (32 * 32 + 32) + attention + ends + blocks


def test_size_of_the_default_unet() -> None:
    with torch.device("meta"):
        network = UNet().denoiser((1, 28, 28), 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_153_217


def test_attention_is_that_of_the_definition() -> None:
    layer = randomized(_SelfAttention(8, 2, 2)).eval()
    assert isinstance(layer, _SelfAttention)
    hidden = torch.randn(2, 8, 3, 3)
    joint = layer.inputs(layer.norm(hidden)).flatten(2)
    expected = torch.empty(2, 8, 9)
    for head in range(2):
        query, key, value = (joint[:, 8 * part + 4 * head : 8 * part + 4 * head + 4] for part in range(3))
        weights = (query.transpose(1, 2) @ key / 2.0).softmax(2)
        expected[:, 4 * head : 4 * head + 4] = value @ weights.transpose(1, 2)
    torch.testing.assert_close(layer(hidden), hidden + layer.output(expected.view(2, 8, 3, 3)))


def test_embedding_is_of_sines_and_cosines() -> None:
    layer = Conditioning(8, 0)
    torch.testing.assert_close(layer.frequencies, torch.tensor([1000.0, 1000 * 10_000 ** (-1 / 3), 2.1544347, 0.1]))
    captured: list[Tensor] = []
    layer.first.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
    layer(torch.tensor([0.25]))
    angles = 0.25 * layer.frequencies
    torch.testing.assert_close(captured[0], torch.cat([angles.sin(), angles.cos()])[None])


def test_coordinates_are_not_rounded_by_autocast() -> None:
    """Points 1/1000 apart stay apart, where bf16 rounds coordinates near 1 to multiples of 1/256."""
    network = randomized(MLP.denoiser((2,), 0))
    assert isinstance(network.first, nn.Linear)
    seen: list[Tensor] = []
    network.first.register_forward_hook(lambda _, inputs, output: seen.append(output))
    points = torch.tensor([[1.0, 0.9], [1.001, 0.9]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(points, torch.full((2,), 0.1))
    assert seen[0].dtype == torch.float32
    assert not torch.equal(seen[0][0], seen[0][1])


@pytest.mark.parametrize("shape", [(1, 12, 12), (1, 15, 32), (1, 513, 32), (2,)])
def test_samples_that_do_not_fit_a_unet(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="architecture: unet"):
        UNet().denoiser(shape, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [("width", 0), ("groups", 5), ("multipliers", ()), ("multipliers", (0, 1)), ("heads", 7), ("dropout", 1.0)],
)
def test_settings_of_a_unet_are_checked(key: str, value: object) -> None:
    with pytest.raises(InvalidValueError) as rejected:
        UNet(**{key: value})  # type: ignore[arg-type]
    assert rejected.value.key == key


@pytest.mark.parametrize(("key", "value"), [("width", 0), ("blocks", 0), ("embedding", 0), ("octaves", -1)])
def test_settings_of_an_mlp_are_checked(key: str, value: int) -> None:
    with pytest.raises(InvalidValueError) as rejected:
        DenoiserMLP(**{key: value})
    assert rejected.value.key == key
