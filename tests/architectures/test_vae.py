"""Encoders and decoders: sizes, names, what latents and codes become, and the decoder as a GAN's generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.layers import Norm
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.vae import Convolutional, FullyConnected
from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.protocols.architecture import Architecture, AutoencoderArchitecture
from gan_cli.runtime.rng import fixed_latents
from tests.conftest import SHORT, Command

SMALL = FullyConnected(latent_dim=5, encoder_hidden=(7, 6), generator_hidden=(6, 8), discriminator_hidden=(4,))
SMALL_CONV = Convolutional(latent_dim=5, width=2)


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def linear(network: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def test_both_are_coding_and_gan_architectures() -> None:
    for architecture in (SMALL, SMALL_CONV):
        assert isinstance(architecture, AutoencoderArchitecture)
        assert isinstance(architecture, Architecture)
    assert not isinstance(MLP(), AutoencoderArchitecture)
    assert not isinstance(DCGAN(), AutoencoderArchitecture)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (9, 15), (8, 33)])
def test_convolutional_networks_code_and_decode_images(size: tuple[int, int], channels: int, heads: int) -> None:
    shape = (channels, *size)
    encoder, decoder = SMALL_CONV.encoder(shape, heads), SMALL_CONV.decoder(shape)
    codes = encoder(torch.randn(3, *shape))
    assert codes.shape == (3, heads, 5)
    images = decoder(codes[:, 0])
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert SMALL_CONV.discriminator(shape, 0)(images).shape == (3,)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 30, 20), (2,)])
def test_fully_connected_networks_fit_any_shape(shape: tuple[int, ...]) -> None:
    encoder, decoder = SMALL.encoder(shape, 2), SMALL.decoder(shape)
    codes = encoder(torch.randn(3, *shape))
    assert codes.shape == (3, 2, 5)
    assert decoder(codes[:, 0]).shape == (3, *shape)
    assert SMALL.discriminator(shape, 0)(decoder(codes[:, 0])).shape == (3,)


def test_layers_have_the_widths_that_were_asked_for() -> None:
    assert linear(SMALL.encoder((1, 8, 8), 2)) == [(64, 7), (7, 6), (6, 10)]
    assert linear(SMALL.decoder((1, 8, 8))) == [(5, 6), (6, 8), (8, 64)]
    assert linear(SMALL.discriminator((1, 8, 8), 0)) == [(64, 4), (4, 1)]


def test_convolutional_encoder_mirrors_the_decoder() -> None:
    encoder, decoder = SMALL_CONV.encoder((3, 32, 32), 2), SMALL_CONV.decoder((3, 32, 32))
    down = [(m.in_channels, m.out_channels) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [(m.out_channels, m.in_channels) for m in decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert down == [*up[:0:-1], (8, 10)]
    assert up[0] == (8, 5)


@pytest.mark.parametrize("architecture", [SMALL, SMALL_CONV], ids=["mlp", "convolutional"])
def test_decoder_is_the_generator_name_by_name(architecture: FullyConnected | Convolutional) -> None:
    torch.manual_seed(0)
    decoder = architecture.decoder((1, 8, 8))
    torch.manual_seed(0)
    generator = architecture.generator((1, 8, 8), 0)
    assert shapes(decoder) == shapes(generator)
    z = torch.randn(4, 5)
    assert torch.equal(decoder(z), generator(z))


@pytest.mark.parametrize("architecture", [SMALL, SMALL_CONV], ids=["mlp", "convolutional"])
def test_images_are_bounded_log_odds(architecture: FullyConnected | Convolutional) -> None:
    decoder, z = architecture.decoder((1, 8, 8)), 30 * torch.randn(4, 5)
    white = torch.sigmoid(decoder.logits(z))
    torch.testing.assert_close(decoder(z), 2 * white - 1)


def test_points_are_not_bounded() -> None:
    decoder = SMALL.decoder((2,))
    z = 1e4 * torch.randn(3, 5)
    assert torch.equal(decoder(z), decoder.logits(z))
    assert decoder(z).abs().max() > 10


def test_prior_moves_latents_and_not_codes() -> None:
    decoder, z = SMALL.decoder((1, 8, 8)), torch.randn(4, 5)
    before = decoder.logits(z)
    mean, scale = torch.randn(5), torch.randn(5, 5).tril()
    decoder.prior.move(mean, scale)
    codes = torch.stack([mean + scale @ each for each in z])
    torch.testing.assert_close(decoder.prior(z), codes)
    assert torch.equal(decoder.logits(z), before)
    torch.testing.assert_close(decoder(z), torch.tanh(decoder.logits(codes) / 2))
    assert not {name for name, _ in decoder.named_parameters()} & {"prior.mean", "prior.scale"}


@pytest.mark.parametrize("architecture", [SMALL, SMALL_CONV], ids=["mlp", "convolutional"])
def test_class_changes_what_the_generator_draws(architecture: FullyConnected | Convolutional) -> None:
    generator, z = architecture.generator((1, 8, 8), 3).eval(), torch.randn(1, 5).expand(3, -1)
    samples: Tensor = generator(z, torch.arange(3))
    assert len({tuple(each.flatten().tolist()) for each in samples}) == 3


def test_each_network_has_the_normalisation_of_its_own_setting() -> None:
    def normalised(network: nn.Module) -> list[int]:
        return [len(m.weight) for m in network.modules() if isinstance(m, nn.BatchNorm1d)]

    for encoder, decoder in ((Norm.batch, Norm.none), (Norm.none, Norm.batch)):
        architecture = FullyConnected(5, (7, 6), (6, 8), norm_e=encoder, norm_g=decoder)
        assert normalised(architecture.encoder((2,), 2)) == ([6] if encoder is Norm.batch else [])
        assert normalised(architecture.decoder((2,))) == ([8] if decoder is Norm.batch else [])


@pytest.mark.parametrize("shape", [(1, 7, 30), (3, 513, 256), (2,)])
def test_convolutional_networks_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    for build in (SMALL_CONV.decoder, lambda shape: SMALL_CONV.encoder(shape, 2)):
        with pytest.raises(ConfigError, match="vae_conv"):
            build(shape)


@pytest.mark.parametrize("key", ["latent_dim", "width", "width_e", "width_g", "width_d", "class_embedding"])
def test_convolutional_refuses_what_is_empty(key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Convolutional(**{key: 0})
    assert refused.value.key == key


@pytest.mark.parametrize("key", ["encoder_hidden", "generator_hidden", "discriminator_hidden"])
def test_fully_connected_refuses_empty_layers(key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        FullyConnected(**{key: (8, 0)})
    assert refused.value.key == key


@pytest.mark.parametrize("chosen", ["vae", "vae_conv"])
def test_decoder_is_trained_as_a_generator_and_sampled_from(
    chosen: str, gan_train: Command, gan_sample: Command
) -> None:
    small = {
        "vae": [f"architecture.{name}_hidden=[8]" for name in ("encoder", "generator", "discriminator")],
        "vae_conv": ["architecture.width=4"],
    }[chosen]
    assert gan_train(f"architecture={chosen}", *small, *SHORT, "hydra.run.dir=run").status == 0
    done = gan_sample("run", "--n", 5, "--out", "some.npy")
    assert done.status == 0, done.err
    state = torch.load(Path("run/checkpoints/last.pt"), weights_only=True)["algorithm"]["average"]
    built = {"vae": FullyConnected(40, (8,), (8,), (8,)), "vae_conv": Convolutional(40, 4)}[chosen].decoder((1, 8, 8))
    built.load_state_dict(state)
    with torch.no_grad():
        expected = built.eval()(fixed_latents(0, 5, 40)).numpy()
    np.testing.assert_allclose(np.load("some.npy"), expected, atol=1e-6)
