"""Likelihoods against independent libraries, and what they take for their target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from gan_cli.components.likelihoods import Bernoulli, Binarization, Gaussian, Laplace, Likelihood, samples_from_logits
from gan_cli.errors import InvalidValueError
from gan_cli.runtime.rng import SeededStream

CPU = torch.device("cpu")


def stream(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "binarise", CPU)


def images(count: int = 7) -> Tensor:
    return torch.rand(count, 2, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


def logits(count: int = 7) -> Tensor:
    return 3 * torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(2))


def test_logits_of_images_are_log_odds_and_those_of_points_the_points() -> None:
    torch.testing.assert_close(samples_from_logits(logits()), 2 * torch.sigmoid(logits()) - 1)
    points = torch.randn(5, 2)
    assert samples_from_logits(points) is points


def test_bernoulli_is_that_of_torch() -> None:
    target = Bernoulli(Binarization.threshold).target(images(), stream())
    found = Bernoulli().log_prob(target, logits())
    expected = torch.distributions.Bernoulli(logits=logits().double()).log_prob((target.double() + 1) / 2)
    torch.testing.assert_close(found.double(), expected.flatten(1).sum(1), rtol=1e-5, atol=1e-5)


def test_bernoulli_probabilities_sum_to_one_over_all_binary_images() -> None:
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4).view(16, 1, 2, 2)
    one = torch.randn(1, 1, 2, 2)
    total = Bernoulli().log_prob(every, one.expand(16, -1, -1, -1)).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("width", [0.05, 0.7])
def test_gaussian_is_that_of_scipy(width: float) -> None:
    mean = np.tanh(logits().double().numpy() / 2)
    expected = stats.norm.logpdf(images().double().numpy(), mean, width).reshape(7, -1).sum(1)
    np.testing.assert_allclose(Gaussian(width).log_prob(images(), logits()).numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("width", [0.05, 0.7])
def test_laplace_is_that_of_scipy(width: float) -> None:
    mean = np.tanh(logits().double().numpy() / 2)
    expected = stats.laplace.logpdf(images().double().numpy(), mean, width).reshape(7, -1).sum(1)
    np.testing.assert_allclose(Laplace(width).log_prob(images(), logits()).numpy(), expected, rtol=2e-5)


def test_points_are_not_bounded() -> None:
    points, means = 5 * torch.randn(2, 6, 2)
    expected = torch.distributions.Normal(means, 0.3).log_prob(points).sum(1)
    torch.testing.assert_close(Gaussian(0.3).log_prob(points, means), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("learned", "best"),
    [
        (Gaussian(0.3, learned=True), lambda d: d.square().mean().sqrt()),
        (Laplace(0.3, learned=True), lambda d: d.abs().mean()),
    ],
)
def test_learned_width_is_best_where_the_closed_form_says(learned: Likelihood, best: object) -> None:
    (parameter,) = learned.parameters()
    assert callable(best)
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(best(images() - samples_from_logits(logits()))).log())
    (gradient,) = torch.autograd.grad(learned.log_prob(images(), logits()).mean(), [parameter])
    assert abs(float(gradient)) < 1e-4


@pytest.mark.parametrize("likelihood", [Gaussian, Laplace])
def test_fixed_width_is_no_parameter_but_goes_into_the_state(likelihood: type[Gaussian] | type[Laplace]) -> None:
    fixed, learned = likelihood(0.2), likelihood(0.2, learned=True)
    assert not list(fixed.parameters())
    assert len(list(learned.parameters())) == 1
    for each in (fixed, learned):
        assert float(each.state_dict()["log_width"]) == pytest.approx(math.log(0.2))


@pytest.mark.parametrize("width", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize(("likelihood", "key"), [(Gaussian, "sigma"), (Laplace, "scale")])
def test_width_has_to_be_above_zero(likelihood: type[Gaussian], key: str, width: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        likelihood(width)
    assert refused.value.key == key


def test_densities_and_plain_bernoulli_aim_at_the_samples_themselves() -> None:
    for likelihood in (Gaussian(), Laplace(), Bernoulli(Binarization.none)):
        assert torch.equal(likelihood.target(images(), stream()), images())


def test_threshold_is_a_half() -> None:
    target = Bernoulli(Binarization.threshold).target(torch.tensor([-1.0, -1e-3, 1e-3, 1.0]).view(1, 1, 2, 2), stream())
    assert target.flatten().tolist() == [-1, -1, 1, 1]


def test_stochastic_pixels_are_white_as_often_as_they_are_bright() -> None:
    grey = torch.linspace(-1, 1, 5).view(1, 1, 1, 5).expand(20000, -1, -1, -1)
    target = Bernoulli(Binarization.stochastic).target(grey, stream())
    assert set(target.unique().tolist()) == {-1.0, 1.0}
    share = (target > 0).float().mean(0).flatten()
    np.testing.assert_allclose(share.numpy(), [0, 0.25, 0.5, 0.75, 1], atol=0.015)


def test_stochastic_pixels_are_redrawn_for_each_batch_from_a_stream() -> None:
    likelihood, random = Bernoulli(Binarization.stochastic), stream()
    first, second = likelihood.target(images(), random), likelihood.target(images(), random)
    assert not torch.equal(first, second)
    assert torch.equal(first, likelihood.target(images(), stream()))
