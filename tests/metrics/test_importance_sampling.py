"""Bounds on the likelihood in a linear Gaussian model, whose likelihood is known; all in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gan_cli.metrics.importance_sampling import Estimate, iwae_bounds, log_weights

# x = W z + b + sigma noise, z of N(0, I). Columns of W at right angles: the posterior has independent coordinates.
SIGMA = 0.5
W = torch.linalg.qr(torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
W = W * torch.tensor([2.0, 1.0, 0.3], dtype=torch.float64)
B = torch.linspace(-1, 1, 6, dtype=torch.float64)
PRECISION = 1 + W.square().sum(0) / SIGMA**2


def observed(count: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    z = torch.randn(count, 3, generator=random, dtype=torch.float64)
    return z @ W.T + B + SIGMA * torch.randn(count, 6, generator=random, dtype=torch.float64)


def log_likelihood(x: Tensor, z: Tensor) -> Tensor:
    return torch.distributions.Normal(z @ W.T + B, SIGMA).log_prob(x).sum(1)


def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
    return (x - B) @ W / SIGMA**2 / PRECISION, (-PRECISION.log()).expand(len(x), -1)


def blurred(x: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = posterior(x)
    return 0.9 * mean + 0.1, log_variance + 0.5


def exact(x: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    covariance = W @ W.T + SIGMA**2 * torch.eye(6, dtype=torch.float64)
    return np.asarray(stats.multivariate_normal(B.numpy(), covariance.numpy()).logpdf(x.numpy()))


def random() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def test_with_the_exact_posterior_every_weight_is_the_likelihood() -> None:
    x = observed(20)
    weights = log_weights(x, posterior, log_likelihood, 7, random())
    np.testing.assert_allclose(weights.numpy(), np.repeat(exact(x)[:, None], 7, 1), rtol=1e-12)
    for bound in iwae_bounds(weights, (1, 3, 7)).values():
        np.testing.assert_allclose(bound.numpy(), exact(x), rtol=1e-12)


def test_bounds_rise_with_k_to_the_likelihood() -> None:
    x = observed(100)
    weights = log_weights(x, blurred, log_likelihood, 10_000, random())
    found = iwae_bounds(weights, (1, 5, 50, 1000, 10_000))
    means = [float(each.mean()) for each in found.values()]
    truth = exact(x).mean()
    assert means == sorted(means)
    assert means[0] < means[1] < means[2] < truth
    assert means[-1] == pytest.approx(truth, abs=5e-3)
    assert means[0] < truth - 0.1


def test_elbo_is_the_likelihood_without_the_divergence_from_the_true_posterior() -> None:
    x = observed(50)
    weights = log_weights(x, blurred, log_likelihood, 20_000, random())
    (mean, log_variance), (true_mean, true_log_variance) = blurred(x), posterior(x)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    p = torch.distributions.Normal(true_mean, (true_log_variance / 2).exp())
    gap = torch.distributions.kl_divergence(q, p).sum(1)
    np.testing.assert_allclose(iwae_bounds(weights, (1,))[1].numpy(), exact(x) - gap.numpy(), atol=0.06)


def test_bounds_are_means_over_groups_of_draws() -> None:
    weights = torch.randn(4, 11, generator=random(), dtype=torch.float64) * 3
    found = iwae_bounds(weights, (1, 2, 5, 11))
    for count, bound in found.items():
        for row, value in zip(weights.tolist(), bound.tolist(), strict=True):
            groups = [row[start : start + count] for start in range(0, 11 - count + 1, count)]
            each = [math.log(sum(map(math.exp, group)) / count) for group in groups]
            assert value == pytest.approx(sum(each) / len(each), rel=1e-12)


def test_large_weights_do_not_overflow() -> None:
    weights = torch.tensor([[-9000.0, -9001.0]])
    assert float(iwae_bounds(weights, (2,))[2]) == pytest.approx(-9000 + math.log((1 + math.exp(-1)) / 2))


@pytest.mark.parametrize("max_elements", [1, 6, 60, 6 * 33, 10**6])
def test_memory_is_bounded_whatever_the_sizes(max_elements: int) -> None:
    seen: list[int] = []

    def counted(x: Tensor, z: Tensor) -> Tensor:
        seen.append(x.numel())
        return log_likelihood(x, z)

    x = observed(9)
    weights = log_weights(x, posterior, counted, 33, random(), max_elements)
    assert weights.shape == (9, 33)
    assert max(seen) <= max(max_elements, 6)
    assert sum(seen) == 9 * 33 * 6
    np.testing.assert_allclose(weights.numpy(), np.repeat(exact(x)[:, None], 33, 1), rtol=1e-12)


def test_draws_are_a_function_of_the_generator() -> None:
    x = observed(3)
    first, second = (log_weights(x, blurred, log_likelihood, 5, random()) for _ in range(2))
    assert torch.equal(first, second)
    assert len(first.unique()) == first.numel()


def test_estimate_is_mean_and_standard_error() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 5.0], dtype=torch.float64)
    found = Estimate.from_values(values)
    assert found.mean == 3
    assert found.error == pytest.approx(stats.sem(values.numpy()))
