"""Several minibatches in one pass of a network give what a pass for each would."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.resnet import ResNet
from gan_cli.runtime.batch_norm import couples_samples, per_minibatch_statistics

SHAPE = (1, 16, 16)
ARCHITECTURES = {
    "mlp": MLP(latent_dim=6, generator_hidden=(8, 8), discriminator_hidden=(8, 8)),
    "dcgan": DCGAN(latent_dim=6, width=4),
    "resnet": ResNet(latent_dim=6, width_g=4, width_d=4),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("batches", [2, 3])
def test_batch_statistics_stay_apart(name: str, batches: int) -> None:
    torch.manual_seed(0)
    together = ARCHITECTURES[name].generator(SHAPE, 0)
    single = copy.deepcopy(together)
    z = torch.randn(batches * 5, 6)
    with per_minibatch_statistics(together)(batches):
        found = together(z)
    expected = torch.cat([single(part) for part in z.chunk(batches)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (together(z) - found).abs().max() > 1e-3  # as one batch they are not the same
    weights = torch.randn_like(found)
    for network, samples in ((together, found), (single, expected)):
        (samples * weights).sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
    for a, b in zip(together.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)


def test_running_statistics_see_one_batch_after_the_other() -> None:
    together, single = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    values = torch.randn(12, 3)
    with per_minibatch_statistics(together)(3):
        together(values)
    for part in values.chunk(3):
        single(part)
    torch.testing.assert_close(together.running_mean, single.running_mean)
    torch.testing.assert_close(together.running_var, single.running_var)


def test_a_network_that_couples_no_samples_is_left_alone() -> None:
    assert couples_samples(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert not couples_samples(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    values = torch.randn(6, 2)
    with per_minibatch_statistics(network)(3):
        assert torch.equal(network(values), network(values))
