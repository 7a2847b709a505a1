"""The forward process against its definition, schedules against the papers' values, and what is predicted."""

from __future__ import annotations

import math

import pytest
import torch

from gan_cli.algorithms.diffusion.process import ForwardProcess, Prediction, Target, alpha_bars
from gan_cli.algorithms.diffusion.schedules import MAX_BETA, CosineAlphaBars, LinearBetas, NoiseSchedule
from gan_cli.errors import InvalidValueError

SCHEDULES = (LinearBetas(), CosineAlphaBars())


def test_linear_schedule_is_that_of_ho() -> None:
    betas = LinearBetas().betas(1000)
    assert betas.dtype == torch.float64
    assert (float(betas[0]), float(betas[-1])) == (1e-4, 0.02)
    torch.testing.assert_close(betas.diff(), torch.full((999,), (0.02 - 1e-4) / 999, dtype=torch.float64))
    # Section 4: the KL of q(x_T | x_0) from N(0, I) is about 1e-5 bits a dimension, for x_0 of unit variance.
    left = float(alpha_bars(betas)[-1])
    assert left == pytest.approx(4.0358e-5, rel=1e-4)
    assert 0.5 * (left - left - math.log(1 - left)) / math.log(2) == pytest.approx(2.9e-5, rel=0.01)


@pytest.mark.parametrize("timesteps", [100, 250, 4000])
def test_linear_schedule_of_fewer_timesteps_ends_in_the_same_noise(timesteps: int) -> None:
    assert float(alpha_bars(LinearBetas().betas(timesteps))[-1]) < 1e-4


def test_cosine_schedule_is_equation_17_of_nichol_and_dhariwal() -> None:
    betas = CosineAlphaBars().betas(4000)

    def f(t: int) -> float:
        return math.cos((t / 4000 + 0.008) / 1.008 * math.pi / 2) ** 2

    found = alpha_bars(betas)
    for t in (0, 1, 10, 2000, 3990):
        assert float(found[t]) == pytest.approx(f(t) / f(0), rel=1e-9)
    assert float(betas.max()) == MAX_BETA == float(betas[-1])
    # Section 3.2: the square root of the first beta is slightly smaller than the 1/127.5 between two values of a pixel.
    assert 0.8 / 127.5 < math.sqrt(float(CosineAlphaBars().betas(1000)[0])) < 1 / 127.5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("timesteps", [2, 50, 1000])
def test_betas_are_variances(schedule: NoiseSchedule, timesteps: int) -> None:
    betas = schedule.betas(timesteps)
    assert betas.shape == (timesteps,)
    assert ((betas > 0) & (betas < 1)).all()
    assert (alpha_bars(betas).diff() < 0).all()


@pytest.mark.parametrize(("key", "value"), [("start", 0.0), ("start", 1.0), ("end", 1e-5), ("end", 1.0)])
def test_betas_of_a_line_lie_between_0_and_1(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError) as rejected:
        LinearBetas(**{key: value})
    assert rejected.value.key == key


def test_offset_is_not_negative() -> None:
    with pytest.raises(InvalidValueError):
        CosineAlphaBars(-0.1)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_marginals_are_those_of_single_steps(schedule: NoiseSchedule) -> None:
    """Mean and variance of q(x_t | x_0), from q(x_t | x_{t-1}) applied t times (Ho et al. 2020, eq. 2 and 4)."""
    betas = schedule.betas(30)
    process = ForwardProcess(betas, Prediction.epsilon)
    mean, variance = torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    for t, beta in enumerate(betas, start=1):
        mean, variance = (1 - beta).sqrt() * mean, (1 - beta) * variance + beta
        at = torch.tensor([t])
        zero, one = torch.zeros(1, 1), torch.ones(1, 1)
        assert float(process.diffuse(0.7 * one, at, zero)) == pytest.approx(float(mean), rel=1e-5)
        assert float(process.diffuse(zero, at, one)) ** 2 == pytest.approx(float(variance), rel=1e-5)


def test_each_sample_has_its_own_timestep() -> None:
    process = ForwardProcess(LinearBetas().betas(10), Prediction.v)
    x0, noise = torch.randn(2, 5, 1, 3, 3)
    timesteps = torch.tensor([1, 10, 4, 4, 7])
    noisy, target = process.diffuse(x0, timesteps, noise), process.target(x0, timesteps, noise)
    for row, t in enumerate(timesteps):
        one = slice(row, row + 1)
        assert torch.equal(noisy[one], process.diffuse(x0[one], t[None], noise[one]))
        assert torch.equal(target[one], process.target(x0[one], t[None], noise[one]))


@pytest.mark.parametrize("prediction", Prediction)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_x0_is_what_the_target_was_made_of(prediction: Prediction, schedule: NoiseSchedule) -> None:
    bars = alpha_bars(schedule.betas(50))[1:50]
    alpha, sigma = bars.sqrt(), (1 - bars).sqrt()
    x0, noise = torch.randn(2, 49, dtype=torch.float64)
    x = alpha * x0 + sigma * noise
    target = Target.of(prediction, alpha, sigma)
    predicted = target.epsilon * noise + target.x0 * x0
    torch.testing.assert_close(target.x0_from_x * x + target.x0_from_output * predicted, x0, rtol=1e-9, atol=1e-9)
    if prediction is Prediction.epsilon:
        assert torch.equal(predicted, noise)
    else:  # Salimans & Ho 2022: v = alpha epsilon - sigma x, epsilon = sigma z_t + alpha v
        torch.testing.assert_close(predicted, alpha * noise - sigma * x0)
        torch.testing.assert_close(sigma * x + alpha * predicted, noise)


def test_noise_is_predicted_as_it_was_drawn() -> None:
    process = ForwardProcess(CosineAlphaBars().betas(20), Prediction.epsilon)
    x0, noise = torch.randn(2, 20, 2)
    assert torch.equal(process.target(x0, torch.arange(1, 21), noise), noise)
