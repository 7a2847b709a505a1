"""Inversion of generators: the closed form of a linear one, and samples that are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan_cli.inference.generator import TrainedGenerator, load_generator
from gan_cli.inference.inversion import InversionSettings, invert
from gan_cli.runtime.rng import fixed_latents
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import FinishedRun
from tests.helpers.generators import Linear, linear_generator

SMALL = ("architecture=mlp", "architecture.generator_hidden=[32]", "architecture.latent_dim=8")


def closed_form(trained: TrainedGenerator, target: torch.Tensor, noise: float) -> torch.Tensor:
    """The maximum of p(z | x) of a linear generator: ``(W^T W + noise^2 I) z = W^T (x - b)``."""
    network = trained.network
    assert isinstance(network, Linear)
    weight, offset = network.weight.detach().double(), network.offsets[0].detach().double()
    metric = weight.T @ weight + noise**2 * torch.eye(trained.latent_dim)
    return torch.linalg.solve(metric, weight.T @ (target.double().ravel() - offset))


def test_linear_generator_is_inverted_as_its_closed_form() -> None:
    trained = linear_generator()
    targets = torch.randn(2, *trained.dataset.shape, generator=torch.Generator().manual_seed(1))  # no samples of it
    for noise in (0.01, 1.0):
        found = invert(trained, targets.numpy(), settings=InversionSettings(noise=noise))
        for row, target in enumerate(targets):
            expected = closed_form(trained, target, noise)
            np.testing.assert_allclose(found.latents[row], expected.numpy(), atol=2e-3)
            error = np.sqrt(np.mean((trained.samples(expected[None].float())[0] - target.numpy()) ** 2))
            np.testing.assert_allclose(found.distances[row], error, rtol=1e-3)
            # The problem is convex: every start ends there.
            np.testing.assert_allclose(found.start_distances[row], error, rtol=1e-3)
        np.testing.assert_allclose(found.reconstructions, trained.samples(torch.from_numpy(found.latents)), atol=1e-6)


def test_label_that_is_likeliest_is_chosen() -> None:
    trained = linear_generator(classes=3)
    latents, labels = fixed_latents(5, 3, trained.latent_dim), torch.tensor([2, 0, 1])
    found = invert(trained, trained.samples(latents, labels), torch.arange(3), InversionSettings(noise=0.01))
    assert found.labels is not None
    assert found.labels.tolist() == [2, 0, 1]
    np.testing.assert_allclose(found.latents, latents.numpy(), atol=5e-3)
    assert found.start_distances.shape == (3, 8)


def test_result_for_a_picture_depends_on_no_other_and_on_the_seed() -> None:
    trained = linear_generator()
    targets = trained.samples(fixed_latents(5, 2, trained.latent_dim))
    settings = InversionSettings(starts=2, steps=20)
    both, one = invert(trained, targets, settings=settings), invert(trained, targets[1:], settings=settings)
    assert np.array_equal(both.latents[1], one.latents[0])
    assert np.array_equal(both.start_distances[1], one.start_distances[0])
    other = invert(trained, targets, settings=InversionSettings(starts=2, steps=20, seed=1))
    assert not np.array_equal(both.latents, other.latents)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in trained.network.parameters())


def test_sample_of_a_trained_generator_is_found_again(finished_run: FinishedRun, workplace: Path) -> None:
    run = finished_run("run", "train.steps=50", "device.threads=1", *SMALL)
    trained = load_generator(RunCheckpoint(RunDirectory(run)))
    samples = trained.samples(fixed_latents(3, 2, trained.latent_dim))
    found = invert(trained, samples)
    apart = np.sqrt(np.mean((samples[0] - samples[1]) ** 2))
    assert (found.distances < 0.1 * apart).all()
    assert (found.distances <= found.start_distances.mean(1)).all()
