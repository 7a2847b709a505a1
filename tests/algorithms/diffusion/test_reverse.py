"""Steps of the reverse process against the papers' equations, and with the exact denoiser of a Gaussian."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.process import Prediction, alpha_bars
from gan_cli.algorithms.diffusion.reverse import Guidance, ReverseProcess
from gan_cli.algorithms.diffusion.schedules import CosineAlphaBars, LinearBetas, NoiseSchedule
from gan_cli.algorithms.diffusion.transitions import DDIM, Ancestral, ReverseSampler, Variance, visited_timesteps
from gan_cli.errors import InvalidValueError

MEAN, DEVIATION = 0.4, 0.3


class ExactDenoiser(nn.Module):
    """E[epsilon | x_t] or E[v | x_t] where x_0 is N(MEAN, DEVIATION^2)."""

    def __init__(self, betas: Tensor, prediction: Prediction) -> None:
        super().__init__()
        self.bars = alpha_bars(betas)
        self.prediction = prediction

    def forward(self, samples: Tensor, time: Tensor) -> Tensor:
        timesteps = (time.double() * (len(self.bars) - 1)).round().long()
        bar = self.bars[timesteps].view(-1, *(1 for _ in samples.shape[1:]))
        alpha, variance = bar.sqrt(), 1 - bar
        x = samples.double()
        x0 = MEAN + alpha * DEVIATION**2 / (alpha.square() * DEVIATION**2 + variance) * (x - alpha * MEAN)
        epsilon = (x - alpha * x0) / variance.sqrt()
        predicted = epsilon if self.prediction is Prediction.epsilon else alpha * epsilon - variance.sqrt() * x0
        return predicted.to(samples)


def exact(
    sampler: ReverseSampler,
    steps: int,
    timesteps: int = 1000,
    schedule: NoiseSchedule | None = None,
    prediction: Prediction = Prediction.epsilon,
) -> ReverseProcess:
    betas = (schedule or LinearBetas()).betas(timesteps)
    return ReverseProcess(ExactDenoiser(betas, prediction), betas, prediction, sampler, steps, None)


def moments(process: ReverseProcess) -> tuple[float, float]:
    """Mean and deviation of samples, exactly: with this denoiser each step is affine in x_t and in the noise."""
    mean, variance = torch.zeros(1, 1, dtype=torch.float64), 1.0
    for index in range(process.steps):
        step = torch.tensor([index])
        offset = process.step(torch.zeros(1, 1, dtype=torch.float64), step)
        slope = process.step(torch.ones(1, 1, dtype=torch.float64), step) - offset
        mean = offset + slope * mean
        variance = float(slope) ** 2 * variance + float(process.factor_noise[index]) ** 2
    return float(mean), variance**0.5


# ---- single steps


@pytest.mark.parametrize("t", [1, 2, 17, 50])
def test_ancestral_mean_is_that_of_the_posterior(t: int) -> None:
    """Ho et al. 2020, eq. 7, as the product of the two Gaussians q(x_{t-1} | x_0) and q(x_t | x_{t-1})."""
    betas = LinearBetas().betas(50)
    bars, beta = alpha_bars(betas), float(betas[t - 1])
    bar, earlier = float(bars[t]), float(bars[t - 1])
    found = Ancestral().transition(bars[t : t + 1], bars[t - 1 : t])
    x0, x = 0.3, -1.2
    if t == 1:  # q(x_0 | x_0) is a point
        mean, variance = x0, 0.0
    else:
        precision = 1 / (1 - earlier) + (1 - beta) / beta
        mean = (earlier**0.5 * x0 / (1 - earlier) + (1 - beta) ** 0.5 * x / beta) / precision
        variance = 1 / precision
    assert float(found.x0) * x0 + float(found.xt) * x == pytest.approx(mean, rel=1e-9)
    assert float(found.noise) ** 2 == pytest.approx(variance, rel=1e-9)
    # Algorithm 2, written with epsilon.
    epsilon = (x - bar**0.5 * x0) / (1 - bar) ** 0.5
    assert (x - beta / (1 - bar) ** 0.5 * epsilon) / (1 - beta) ** 0.5 == pytest.approx(mean, rel=1e-9)
    forward = Ancestral(Variance.forward).transition(bars[t : t + 1], bars[t - 1 : t])
    assert float(forward.noise) ** 2 == pytest.approx(beta if t > 1 else 0.0)
    assert torch.equal(forward.x0, found.x0)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_step_is_equation_12_of_song(eta: float) -> None:
    bars = alpha_bars(CosineAlphaBars().betas(100))
    bar, earlier = bars[[90, 40, 7]], bars[[60, 30, 2]]
    found = DDIM(eta).transition(bar, earlier)
    x, epsilon = torch.tensor(0.8), torch.tensor(-0.5)
    x0 = (x - (1 - bar).sqrt() * epsilon) / bar.sqrt()
    sigma = eta * ((1 - earlier) / (1 - bar)).sqrt() * (1 - bar / earlier).sqrt()
    expected = earlier.sqrt() * x0 + (1 - earlier - sigma**2).sqrt() * epsilon
    torch.testing.assert_close(found.x0 * x0 + found.xt * x, expected)
    torch.testing.assert_close(found.noise, sigma)


@pytest.mark.parametrize("steps", [1000, 50, 2, 1])
def test_ddim_with_eta_1_is_ancestral_sampling(steps: int) -> None:
    bars = alpha_bars(LinearBetas().betas(1000))
    visited = visited_timesteps(1000, steps)
    earlier = torch.cat([bars[visited[1:]], bars[:1]])
    first, second = (each.transition(bars[visited], earlier) for each in (DDIM(1.0), Ancestral()))
    for name in ("x0", "xt", "noise"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("sampler", [DDIM(), DDIM(0.7), DDIM(1.0), Ancestral()])
def test_steps_keep_the_marginals(sampler: ReverseSampler) -> None:
    """Where x_t has the marginal q(x_t | x_0), x_s has q(x_s | x_0) (Song et al. 2021, lemma 1)."""
    bars = alpha_bars(CosineAlphaBars().betas(1000))
    bar, earlier = bars[[1000, 700, 20, 1]], bars[[900, 10, 19, 0]]
    step = sampler.transition(bar, earlier)
    torch.testing.assert_close(step.x0 + step.xt * bar.sqrt(), earlier.sqrt())
    torch.testing.assert_close(step.xt.square() * (1 - bar) + step.noise.square(), 1 - earlier, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_eta_is_a_share(eta: float) -> None:
    with pytest.raises(InvalidValueError):
        DDIM(eta)


def test_visited_timesteps_begin_at_the_last_one() -> None:
    assert visited_timesteps(1000, 1000).tolist() == list(range(1000, 0, -1))
    assert visited_timesteps(1000, 4).tolist() == [1000, 667, 334, 1]
    assert visited_timesteps(1000, 1).tolist() == [1000]
    for steps in (2, 3, 37, 50, 999):
        visited = visited_timesteps(1000, steps)
        assert len(visited) == steps
        assert (visited.diff() < 0).all()
        assert (int(visited[0]), int(visited[-1])) == (1000, 1)


# ---- the exact denoiser of a Gaussian


@pytest.mark.parametrize("prediction", Prediction)
@pytest.mark.parametrize("schedule", [LinearBetas(), CosineAlphaBars()])
@pytest.mark.parametrize("sampler", [DDIM(), DDIM(1.0), Ancestral(), Ancestral(Variance.forward)])
def test_exact_denoiser_reproduces_the_gaussian(
    sampler: ReverseSampler, schedule: NoiseSchedule, prediction: Prediction
) -> None:
    mean, deviation = moments(exact(sampler, 1000, 1000, schedule, prediction).double())
    assert mean == pytest.approx(MEAN, abs=2e-3)
    assert deviation == pytest.approx(DEVIATION, rel=0.02)


def test_error_of_few_steps_falls_with_their_number() -> None:
    errors = [abs(moments(exact(DDIM(), steps).double())[1] - DEVIATION) for steps in (10, 40, 160, 640)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.01


def test_samples_have_the_moments_of_the_steps() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(samples: Tensor) -> Tensor:
        return torch.randn(samples.shape, generator=generator)

    latents = torch.randn(20_000, 1, generator=generator)
    for sampler in (DDIM(), DDIM(1.0), Ancestral()):
        process = exact(sampler, 100)
        samples = process(latents, draw=draw)
        mean, deviation = moments(process.double())
        assert float(samples.mean()) == pytest.approx(mean, abs=0.01)
        assert float(samples.std()) == pytest.approx(deviation, rel=0.02)


def test_without_noise_the_latent_determines_the_sample() -> None:
    def no_draw(samples: Tensor) -> Tensor:
        raise AssertionError("a deterministic sampler draws nothing")

    latents = torch.randn(5, 3)
    process = exact(DDIM(), 20)
    assert process.deterministic
    assert torch.equal(process(latents, draw=no_draw), process(latents))
    one = process(latents[2:3])
    torch.testing.assert_close(one, process(latents)[2:3])
    noisy = exact(DDIM(0.5), 20)
    assert not noisy.deterministic
    assert not torch.equal(noisy(latents, draw=torch.randn_like), noisy(latents, draw=torch.randn_like))


def test_predictions_of_pixels_are_clipped() -> None:
    class Far(nn.Module):
        def forward(self, samples: Tensor, time: Tensor) -> Tensor:
            return torch.full_like(samples, 5.0)

    betas = LinearBetas().betas(10)
    process = ReverseProcess(Far(), betas, Prediction.epsilon, DDIM(), 10, 1.0)
    assert process(torch.randn(3, 1, 2, 2)).abs().max() <= 1
    assert process.predict_x0(torch.randn(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)).abs().max() <= 1


def test_trajectory_ends_in_the_sample() -> None:
    process, latents = exact(DDIM(), 7), torch.randn(4, 2)
    states = list(process.trajectory(latents))
    assert len(states) == 7
    assert torch.equal(states[-1], process(latents))
    again = latents
    for index, state in enumerate(states):
        again = process.step(again, torch.full((4,), index))
        assert torch.equal(again, state)


# ---- guidance


class ByClass(nn.Module):
    """A denoiser whose prediction is the label, 3 of no class."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def forward(self, samples: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        self.calls.append(labels.tolist())
        return labels.float()[:, None].expand_as(samples) * time[:, None]


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 3.0), (1.0, 1.0), (2.0, -1.0), (0.5, 2.0)])
def test_guidance_extrapolates_from_no_class_to_the_class(scale: float, expected: float) -> None:
    denoiser = ByClass()
    found = Guidance(3, scale)(denoiser, torch.zeros(2, 4), torch.full((2,), 0.5), torch.tensor([1, 1]))
    assert torch.equal(found, torch.full((2, 4), 0.5 * expected))
    # At 0 and 1 one of the two predictions alone is computed.
    assert denoiser.calls == {0.0: [[3, 3]], 1.0: [[1, 1]]}.get(scale, [[3, 3, 1, 1]])


def test_guided_noise_is_guided_v() -> None:
    """Both extrapolate to the same x_0, as each is an affine function of the other."""
    alpha, sigma, x = 0.6, 0.8, torch.tensor(0.9)
    epsilons = torch.tensor([0.2, -0.4])
    scale = 3.0
    epsilon = epsilons[0] + scale * (epsilons[1] - epsilons[0])
    vs = (epsilons - sigma * x) / alpha  # epsilon = sigma x + alpha v
    v = vs[0] + scale * (vs[1] - vs[0])
    torch.testing.assert_close(alpha * x - sigma * v, (x - sigma * epsilon) / alpha)
