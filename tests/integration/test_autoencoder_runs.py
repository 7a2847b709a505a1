"""Autoencoder and VAE through the commands: trained, resumed bitwise equal, sampled from, evaluated."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.algorithms.autoencoders.inference import load_autoencoder
from gan_cli.algorithms.spec import spec_of
from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.evaluation.likelihood import estimate_likelihood
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import Command
from tests.soak.equality import same_run

SMALL = (
    "architecture.encoder_hidden=[16]",
    "architecture.generator_hidden=[16]",
    "architecture.latent_dim=2",
    "train.batch_size=16",
    "train.log_every=5",
    "train.sample_every=10",
    "train.checkpoint_every=5",
    "train.sample_count=4",
)
GAUSSIAN = ("algorithm/likelihood=gaussian", "algorithm.likelihood.learned=true")
RUNS = {
    "vae": ("algorithm=vae", "algorithm/beta=linear", "algorithm.beta.steps=10", "algorithm.free_bits=0.1", *SMALL),
    "autoencoder": ("algorithm=autoencoder", "algorithm/likelihood=l1", *SMALL),
    # Without a decay that stretches with the number of steps.
    "points": ("algorithm=vae", "dataset=ring8", "optimizer/decay=none", *GAUSSIAN, *SMALL),
}


@pytest.mark.parametrize("recipe", RUNS)
def test_resumed_run_is_the_undisturbed_one(recipe: str, gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS[recipe], "train.steps=20", "hydra.run.dir=whole").status == 0
    assert gan_train(*RUNS[recipe], "train.steps=12", "hydra.run.dir=run").status == 0
    done = gan_train("resume=run", "train.steps=20")
    assert done.status == 0, done.err
    same_run(workplace / "run", workplace / "whole")


@pytest.mark.parametrize("recipe", RUNS)
def test_samples_come_from_the_averaged_decoder(recipe: str, gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*RUNS[recipe], "train.steps=3", "hydra.run.dir=run").status == 0
    done = gan_sample("run", "--n", 6, "--out", "some.npy")
    assert done.status == 0, done.err
    samples = np.load("some.npy")
    assert len(samples) == 6
    assert np.isfinite(samples).all()


@pytest.mark.parametrize("algorithm", ["vae", "autoencoder"])
def test_defaults_suit_it(algorithm: str) -> None:
    register()
    config = compose([f"algorithm={algorithm}"]).config
    assert config.architecture._target_.endswith("FullyConnected")
    assert (config.optimizer.lr, list(config.optimizer.betas)) == (1e-3, [0.9, 0.999])
    likelihood = {"vae": "Bernoulli", "autoencoder": "Gaussian"}[algorithm]
    assert config.algorithm.likelihood._target_.endswith(likelihood)
    chosen = compose([f"algorithm={algorithm}", "architecture=vae_conv", "optimizer.lr=2e-3"]).config
    assert chosen.architecture._target_.endswith("Convolutional")  # the command line wins
    assert chosen.optimizer.lr == 2e-3


def test_likelihood_is_of_data_that_were_not_trained_on(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS["vae"], "train.steps=40", "hydra.run.dir=run").status == 0
    directory = RunDirectory(workplace / "run")
    assert spec_of(directory).has_posterior
    first, again = (estimate_likelihood(RunCheckpoint(directory), count=30, seed=3) for _ in range(2))
    assert first == again
    elbo, middle, best = (first.metrics[name] for name in ("elbo", "iwae_50", "iwae_5000"))
    assert elbo.mean < middle.mean < best.mean < 0
    assert 0 < best.error < 3
    assert first.provenance["samples"] == 30
    assert "0.05" in first.provenance["origin"]
    raw = estimate_likelihood(RunCheckpoint(directory), GeneratorWeights.raw, count=30, seed=3)
    assert raw.metrics["elbo"] != elbo


def test_autoencoder_of_a_run_is_the_one_that_was_saved(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS["points"], "train.steps=3", "hydra.run.dir=run").status == 0
    model = load_autoencoder(RunCheckpoint(RunDirectory(workplace / "run")))
    state = torch.load("run/checkpoints/last.pt", weights_only=True)["algorithm"]
    for network, key in ((model.encoder, "encoder_average"), (model.decoder, "average")):
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[key][name])
    x, z = torch.randn(2, 5, 2)
    width = float(state["likelihood_average"]["log_width"].exp())
    expected = torch.distributions.Normal(model.decoder(z), width).log_prob(x).sum(1)
    torch.testing.assert_close(model.log_likelihood(x, z), expected)
    assert width != pytest.approx(0.1, rel=1e-6)
    assert math.isfinite(
        estimate_likelihood(RunCheckpoint(RunDirectory(workplace / "run")), count=10).metrics["iwae_50"].mean
    )


def test_run_without_a_posterior_has_no_likelihood(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS["autoencoder"], "train.steps=2", "hydra.run.dir=run").status == 0
    directory = RunDirectory(workplace / "run")
    assert not spec_of(directory).has_posterior
    with pytest.raises(ConfigError, match="algorithm=vae"):
        estimate_likelihood(RunCheckpoint(directory))


def test_run_that_held_nothing_out_has_nothing_to_be_tested_on(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS["vae"], "train.steps=2", "train.held_out=0", "hydra.run.dir=run").status == 0
    with pytest.raises(ConfigError, match=r"train\.held_out"):
        estimate_likelihood(RunCheckpoint(RunDirectory(workplace / "run")))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("algorithm=vae", "architecture=mlp"), "expected one for VAE (vae, vae_conv)"),
        (("algorithm=vae", "dataset=ring8"), "gaussian or l1"),
        (("algorithm=vae", "conditional=true"), "conditional"),
        (("algorithm=vae", "algorithm.free_bits=-1"), "algorithm.free_bits"),
        (("algorithm=vae", "algorithm.likelihood.binarise=sometimes"), "none or threshold or stochastic"),
        (("algorithm=vae", *GAUSSIAN, "algorithm.likelihood.sigma=0"), "algorithm.likelihood.sigma"),
        (("algorithm=autoencoder", "+algorithm.beta=1"), "algorithm.beta"),
    ],
)
def test_what_does_not_fit_costs_one_message(overrides: tuple[str, ...], words: str, gan_train: Command) -> None:
    done = gan_train(*overrides, "train.steps=2", "hydra.run.dir=run")
    assert done.status == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_mnist_is_tested_on_its_test_split(gan_train: Command, workplace: Path, real_data: Path) -> None:
    data = ("dataset=mnist", f"dataset.root={real_data}", "train.held_out=0")
    assert gan_train("algorithm=vae", *data, *SMALL, "train.steps=5", "hydra.run.dir=run").status == 0
    found = estimate_likelihood(RunCheckpoint(RunDirectory(workplace / "run")), count=3)
    assert found.provenance["origin"] == "test split"
