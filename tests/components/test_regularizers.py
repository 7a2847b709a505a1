"""Penalties against closed forms and central differences in float64, and what they do to D's gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import DiscriminatorPipeline
from gan_cli.components.noise import Scheduled
from gan_cli.components.regularizers import R1, R2, Dragan, GradientPenalty, Regularization, Roth
from gan_cli.config.schema import DeviceSection
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.adversarial import Critic, Penalty, ScoredBatch, Side
from gan_cli.runtime.device import Workload, choose
from gan_cli.runtime.rng import SeededStream

N = 7
SHAPES = [(2,), (1, 3, 3)]
ALL: list[Penalty] = [
    R1(), R2(), Roth(), GradientPenalty(), GradientPenalty(one_sided=True), GradientPenalty(target=0.0), Dragan(),
]  # fmt: skip


def names(penalty: object) -> str:
    return type(penalty).__name__


def scored_batch(critic: Critic, samples: Tensor) -> ScoredBatch:
    points = samples.detach().requires_grad_()
    logits = critic(points)
    return ScoredBatch(points, logits, lambda: torch.autograd.grad(logits.sum(), points, create_graph=True)[0])


def batches(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (
        torch.randn(N, *shape, generator=random, dtype=torch.float64),
        torch.randn(N, *shape, generator=random, dtype=torch.float64) * 0.5 + 2,
    )


def values(penalty: Penalty, critic: Critic, shape: tuple[int, ...]) -> Tensor:
    real, fake = batches(shape)
    return penalty(critic, scored_batch(critic, real), scored_batch(critic, fake), stream())


def stream() -> SeededStream:
    return SeededStream(2, "test", torch.device("cpu"))


def network(shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(3)
    inputs = int(np.prod(shape))
    layers = [nn.Flatten(), nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)]
    return nn.Sequential(*layers).double()


# ---- packs: what D scores as one has one gradient norm, and one random point


@pytest.mark.parametrize("penalty", ALL, ids=names)
@pytest.mark.parametrize("pac", [1, 2])
def test_penalty_of_packs_is_that_of_samples_as_large_as_a_pack(penalty: Penalty, pac: int) -> None:
    generator = torch.Generator().manual_seed(4)
    batches = [torch.randn(2 * N, 3, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2)]
    d = network((3 * pac, 2, 2))

    def packed(samples: Tensor) -> Tensor:
        return samples.reshape(-1, 3 * pac, 2, 2)

    def of_samples(samples: Tensor) -> Tensor:
        logits: Tensor = d(packed(samples))
        return logits

    found = penalty(of_samples, *(scored_batch(of_samples, each) for each in batches), stream())
    expected = penalty(d, *(scored_batch(d, packed(each)) for each in batches), stream())
    assert found.shape == (2 * N // pac,)
    assert torch.equal(found, expected)


# ---- the sum of penalties: which are due, what a lazy one counts for, the common factor


def test_regularization_sums_the_penalties_that_are_due() -> None:
    d = network((2,))
    real, fake = (scored_batch(d, each.clone()) for each in batches((2,)))
    penalties: dict[str, Penalty] = {"r1": R1(weight=3.0, every=4), "r2": R2(weight=0.5)}
    regularization = Regularization(penalties, lambda step: 2.0 / (step + 1), torch.device("cpu"))
    assert [regularization.due(update) for update in range(5)] == [("r1", "r2"), *[("r2",)] * 3, ("r1", "r2")]
    assert regularization.gradient_sides(("r1", "r2")) == {Side.real, Side.fake}
    assert regularization.gradient_sides(()) == set()
    r1, r2 = R1()(d, real, fake, stream()), R2()(d, real, fake, stream())
    for step in (0, 3):
        regularization.set_step(step)
        term = regularization(("r1", "r2"), d, real, fake, stream(), torch.mean)
        torch.testing.assert_close(term.loss, 2 / (step + 1) * (4 * 3 * r1.mean() + 0.5 * r2.mean()))
        torch.testing.assert_close(term.values, (2 / (step + 1) * (3 * r1 + 0.5 * r2)).detach())
        assert not term.values.requires_grad


# ---- closed forms: a linear critic has one gradient everywhere, a quadratic one the gradient 2 a x


@pytest.mark.parametrize("shape", SHAPES)
def test_penalty_of_a_linear_critic_follows_from_its_gradient(shape: tuple[int, ...]) -> None:
    w = torch.full(shape, 0.7, dtype=torch.float64)
    squared = float(w.square().sum())
    norm = squared**0.5

    def critic(x: Tensor) -> Tensor:
        return (x * w).flatten(1).sum(1)

    for penalty, expected in [
        (R1(), 0.5 * squared),
        (R2(), 0.5 * squared),
        (GradientPenalty(), (norm - 1) ** 2),
        (GradientPenalty(target=0.0), squared),
        (GradientPenalty(target=5.0), (norm - 5) ** 2),
        (GradientPenalty(target=5.0, one_sided=True), 0.0),
        (GradientPenalty(target=0.5, one_sided=True), (norm - 0.5) ** 2),
        (Dragan(), (norm - 1) ** 2),
    ]:
        np.testing.assert_allclose(values(penalty, critic, shape), np.full(N, expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_r1_penalizes_real_samples_and_r2_generated_ones(shape: tuple[int, ...]) -> None:
    def critic(x: Tensor) -> Tensor:
        return 3 * x.square().flatten(1).sum(1)

    real, fake = batches(shape)
    for penalty, samples in ((R1(), real), (R2(), fake)):
        expected = 0.5 * 36 * samples.square().flatten(1).sum(1)
        torch.testing.assert_close(values(penalty, critic, shape), expected)
        assert penalty.gradient_sides == {Side.real if samples is real else Side.fake}


def test_roth_weighs_the_slope_by_how_wrong_d_is() -> None:
    w = torch.tensor([0.3, -1.1], dtype=torch.float64)
    real, fake = batches((2,))
    on_real, on_fake = torch.sigmoid(real @ w), torch.sigmoid(fake @ w)
    expected = 0.5 * ((1 - on_real) ** 2 + on_fake**2) * w.square().sum()
    torch.testing.assert_close(values(Roth(), lambda x: x @ w, (2,)), expected)


def test_gradient_penalty_lies_between_the_pair_and_dragan_around_the_real_sample() -> None:
    real, fake = batches((2,))
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(1)

    for penalty in (GradientPenalty(), Dragan(spread=0.5)):
        penalty(
            critic,
            scored_batch(lambda x: x.sum(1), real),
            scored_batch(lambda x: x.sum(1), fake),
            SeededStream(0, "test", torch.device("cpu")),
        )
    share = (seen[0] - real) / (fake - real)
    torch.testing.assert_close(share[:, 0], share[:, 1])  # on the line between the two
    assert ((share >= 0) & (share <= 1)).all()
    assert share[:, 0].std() > 0.1  # each sample has a share of its own
    moved = seen[1] - real
    assert (moved >= 0).all()
    assert (moved <= 0.5 * real.std()).all()


# ---- central differences: the value from the critic's values alone, its gradient from the value's


def numeric_slope(critic: Critic, samples: Tensor, h: float = 1e-6) -> Tensor:
    gradient = torch.zeros_like(samples)
    for index in product(*map(range, samples.shape[1:])):
        moved = torch.zeros_like(samples)
        moved[(slice(None), *index)] = h
        gradient[(slice(None), *index)] = (critic(samples + moved) - critic(samples - moved)).detach() / (2 * h)
    return gradient


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_values_agree_with_central_differences(penalty: Penalty, shape: tuple[int, ...]) -> None:
    critic = network(shape)
    found = values(penalty, critic, shape).detach()

    class Numeric(torch.autograd.Function):
        """The critic with an input gradient that torch did not differentiate."""

        @staticmethod
        def forward(context: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            context.save_for_backward(numeric_slope(critic, x))
            return critic(x).detach()

        @staticmethod
        def backward(context: torch.autograd.function.FunctionCtx, upstream: Tensor) -> Tensor:
            (gradient,) = context.saved_tensors
            return gradient * upstream.reshape(-1, *[1] * (gradient.dim() - 1))

    np.testing.assert_allclose(values(penalty, Numeric.apply, shape).detach(), found, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_gradient_with_respect_to_the_weights_agrees_with_central_differences(penalty: Penalty) -> None:
    critic = network((2,))
    weights = list(critic.parameters())
    found = torch.autograd.grad(values(penalty, critic, (2,)).mean(), weights, allow_unused=True)
    h = 1e-5
    for weight, gradient in zip(weights, found, strict=True):
        for index in product(*map(range, weight.shape)):
            with torch.no_grad():
                weight[index] += h
                above = float(values_no_grad(penalty, critic))
                weight[index] -= 2 * h
                below = float(values_no_grad(penalty, critic))
                weight[index] += h
            expected = 0.0 if gradient is None else float(gradient[index])
            assert (above - below) / (2 * h) == pytest.approx(expected, rel=1e-5, abs=1e-8)


def values_no_grad(penalty: Penalty, critic: nn.Module) -> Tensor:
    with torch.enable_grad():
        return values(penalty, critic, (2,)).mean().detach()


# ---- per sample, safe at zero, lazy


@pytest.mark.parametrize("penalty", [GradientPenalty(), Dragan(), R1(), R2(), Roth()], ids=names)
def test_a_penalty_is_one_samples_own(penalty: Penalty) -> None:
    """A norm over the whole batch, torchgan's mistake, would give one value for all."""
    found = values(penalty, lambda x: x.pow(3).sum(1), (2,))
    assert found.shape == (N,)
    assert len(set(found.tolist())) == N


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_flat_critic_has_a_finite_gradient(penalty: Penalty) -> None:
    """The derivative of a norm at 0 is 0 / 0 unless someone takes care."""
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    found = values(penalty, lambda x: x @ w, (2,))
    assert found.isfinite().all()
    (gradient,) = torch.autograd.grad(found.sum(), w)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("build", [R1, R2, Roth, GradientPenalty, Dragan])
@pytest.mark.parametrize(("key", "value"), [("weight", -1.0), ("every", 0)])
def test_impossible_settings_are_refused(build: Callable[..., Penalty], key: str, value: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        build(**{key: value})
    assert refused.value.key == key


# ---- what the discriminator pipeline passes to a penalty


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("sides", [{Side.real}, {Side.fake}, {Side.real, Side.fake}])
def test_input_gradients_of_the_pipeline_are_those_of_each_batch(sides: set[Side], batch_norm: bool) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(2, 4), nn.BatchNorm1d(4)] if batch_norm else [nn.Linear(2, 4)]
    d = nn.Sequential(*layers, nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    device = choose(DeviceSection(), Workload(1, convolutional=False, widest=8))
    stream = SeededStream(0, "noise", device.torch_device)
    context = Context((2,), 0, device, 0, batch_size=1, pac=1, log_every=1, sample_count=1, half_life=0)
    pipeline = DiscriminatorPipeline(d, context, noise=Scheduled(None), noise_stream=stream, augment=None)
    batch = dict(zip((Side.real, Side.fake), batches((2,)), strict=True))
    found = dict(zip((Side.real, Side.fake), pipeline.score_pair(*batch.values(), None, frozenset(sides)), strict=True))
    for side in sides:
        points = batch[side].clone().requires_grad_()
        (expected,) = torch.autograd.grad(d(points).sum(), points)
        torch.testing.assert_close(
            found[side].input_gradient(), expected.to(found[side].input_gradient()), rtol=1e-5, atol=1e-6
        )
        assert torch.equal(found[side].samples.detach(), batch[side])


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_penalties_of_bf16_samples_are_float32(penalty: Penalty) -> None:
    """G's samples under autocast are bf16, and so is the gradient with respect to them; logits are float32."""
    weight = torch.linspace(-1, 1, 512)

    def critic(samples: Tensor) -> Tensor:
        return samples.float() @ weight

    real, fake = (torch.ones(N, 512, dtype=torch.bfloat16) for _ in range(2))
    found = penalty(critic, scored_batch(critic, real), scored_batch(critic, fake), stream())
    assert found.dtype == torch.float32
    if isinstance(penalty, R1 | R2):
        gradient = weight.bfloat16().double()
        torch.testing.assert_close(found.double(), 0.5 * gradient.square().sum().expand(N), rtol=1e-6, atol=0)
