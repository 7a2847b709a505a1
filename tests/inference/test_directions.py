"""Principal directions: the singular vectors of a linear generator, and of the Jacobians of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.mlp import MLP
from gan_cli.inference.directions import along, principal_directions
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.runtime.rng import fixed_latents
from tests.helpers.generators import Linear, Shape, linear_generator


def test_directions_of_a_linear_generator_are_its_singular_vectors() -> None:
    trained = linear_generator(latent_dim=4)
    found = principal_directions(trained, 3)
    assert isinstance(trained.network, Linear)
    right = torch.linalg.svd(trained.network.weight.detach())[2][:3].numpy()
    np.testing.assert_allclose(found.strengths, [16, 9, 4], rtol=1e-5)
    np.testing.assert_allclose(found.shares, np.array([16, 9, 4]) / 30, rtol=1e-5)
    np.testing.assert_allclose(np.abs((found.vectors * right).sum(1)), 1, atol=1e-5)
    assert (np.take_along_axis(found.vectors, np.abs(found.vectors).argmax(1)[:, None], 1) > 0).all()


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("architecture", [MLP(5, (8, 8)), DCGAN(5, width=4)], ids=["mlp", "dcgan"])
def test_metric_is_the_mean_over_jacobians(architecture: MLP | DCGAN, classes: int) -> None:
    """Against torch's own Jacobians in reverse mode, one latent at a time."""
    torch.manual_seed(0)
    network: nn.Module = architecture.generator((1, 8, 8), classes).eval()
    trained = TrainedGenerator(network, 5, classes, Shape((1, 8, 8)), step=1)
    labels = torch.arange(6) % 3 if classes else None
    found = principal_directions(trained, 5, labels, seed=2, num_latents=6)
    metric = torch.zeros(5, 5)
    for row, latent in enumerate(fixed_latents(2, 6, 5)):
        label = () if labels is None else (labels[row : row + 1],)
        jacobian = torch.autograd.functional.jacobian(lambda z, y=label: network(z[None], *y).ravel(), latent)
        metric += jacobian.T @ jacobian / 6
    values, vectors = torch.linalg.eigh(metric)
    np.testing.assert_allclose(found.strengths, values.flip(0).numpy(), rtol=1e-3)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * vectors.T.flip(0).numpy(), axis=1)), 1, atol=1e-3)
    assert np.array_equal(principal_directions(trained, 2, labels, 2, 6).vectors, found.vectors[:2])


def test_positions_along_directions() -> None:
    latents = along(torch.ones(2), np.array([[1, 0], [0, 1]], np.float32), (-3.0, 0.0, 3.0))
    assert latents.tolist() == [[-2, 1], [1, 1], [4, 1], [1, -2], [1, 1], [1, 4]]
