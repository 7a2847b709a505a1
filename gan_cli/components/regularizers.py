"""Penalties on D's gradient with respect to its input, independent of the objective, and weight clipping.

Values are per sample, so a gradient norm is one sample's, not the batch's. A penalty at the samples that D has scored
already uses their input gradient; one at other points evaluates D again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.errors import require
from gan_cli.protocols.adversarial import Critic, ScoredBatch, Side
from gan_cli.protocols.rng import Stream


@dataclass(frozen=True, kw_only=True)
class _WeightedPenalty(ABC):
    """Base of penalties: a weight, and the interval of lazy regularisation (Karras et al. 2020).

    Attributes:
        weight: factor on the penalty's values.
        every: D updates from one application to the next.
    """

    weight: float
    every: int = 1

    def __post_init__(self) -> None:
        require(self.weight >= 0, "weight", self.weight, "a number >= 0")
        require(self.every >= 1, "every", self.every, "an integer >= 1")

    @abstractmethod
    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        """Compute the penalty per sample, ``(N,)``, without the weight."""


@dataclass(frozen=True, kw_only=True)
class R1(_WeightedPenalty):
    """``1/2 |grad D(x)|^2`` on real samples (Mescheder et al. 2018, eq. 9); ``weight`` is the paper's gamma."""

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.real})
    weight: float = 10.0

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        return 0.5 * _squared_norm(real.input_gradient())


@dataclass(frozen=True, kw_only=True)
class R2(_WeightedPenalty):
    """``1/2 |grad D(G(z))|^2`` on generated samples (ibid., eq. 10); ``weight`` is the paper's gamma."""

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.fake})
    weight: float = 10.0

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        return 0.5 * _squared_norm(fake.input_gradient())


@dataclass(frozen=True, kw_only=True)
class Roth(_WeightedPenalty):
    """The analytic equivalent of instance noise in a JSD GAN (Roth et al. 2017, eq. 24); ``weight`` is its gamma.

    ``1/2 ((1 - sigmoid(l(x)))^2 |grad l(x)|^2 + sigmoid(l(G(z)))^2 |grad l(G(z))|^2)``: a gradient is penalized most
    where D is wrong. To first order it is the increase of D's loss under noise of variance gamma on its inputs.
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.real, Side.fake})
    weight: float = 0.1

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        on_real = (-real.logits).sigmoid().square() * _squared_norm(real.input_gradient())
        on_fake = fake.logits.sigmoid().square() * _squared_norm(fake.input_gradient())
        return 0.5 * (on_real + on_fake)


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(_WeightedPenalty):
    """``(|grad D| - target)^2`` between real and generated samples (Gulrajani et al. 2017, eq. 3).

    Attributes:
        target: the gradient norm to hold; 1 in the paper.
        one_sided: penalize only norms above ``target``: WGAN-LP (Petzka et al. 2018, eq. 8).
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset()
    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.target >= 0, "target", self.target, "a number >= 0")

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        """Compute the penalty at one random point between each pair of samples, ``(N,)``."""
        start, end = real.samples.detach(), fake.samples.detach()
        excess = _norm(_gradient_at(critic, torch.lerp(start, end, _uniform_share(start, random)))) - self.target
        return (excess.relu() if self.one_sided else excess).square()


@dataclass(frozen=True, kw_only=True)
class Dragan(_WeightedPenalty):
    """``(|grad D| - target)^2`` around real samples (Kodali et al. 2017, eq. 1).

    The points are those of the authors' code: each real sample moves a random share of the way to a copy of itself
    with uniform noise of ``spread`` standard deviations of the batch.
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset()
    weight: float = 10.0
    target: float = 1.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.target >= 0, "target", self.target, "a number >= 0")
        require(self.spread > 0, "spread", self.spread, "a number > 0")

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        start = real.samples.detach()
        noise = random.uniform(*start.shape).to(start.dtype)
        points = start + _uniform_share(start, random) * self.spread * start.std() * noise
        return (_norm(_gradient_at(critic, points)) - self.target).square()


def _gradient_at(critic: Critic, points: Tensor) -> Tensor:
    """Compute d critic / d points, ``(N, *shape)``, differentiable, for a critic that scores points independently."""
    points = points.requires_grad_()
    return torch.autograd.grad(critic(points).sum(), points, create_graph=True)[0]


def _uniform_share(like: Tensor, random: Stream) -> Tensor:
    """Draw one number from [0, 1) per sample, ``(N, 1, ...)``, of the dimensions and dtype of ``like``."""
    return random.uniform(len(like), *[1] * (like.dim() - 1)).to(like.dtype)


def _squared_norm(gradient: Tensor) -> Tensor:
    """Compute the squared Euclidean norm per sample, ``(N, *shape) -> (N,)``."""
    return gradient.flatten(1).square().sum(1)


def _norm(gradient: Tensor) -> Tensor:
    """Compute the Euclidean norm per sample, ``(N, *shape) -> (N,)``, with derivative 0 at 0."""
    squared = _squared_norm(gradient)
    is_zero = squared == 0
    # The inner `where` keeps the root's infinite derivative at 0 out of the backward pass.
    return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, squared).sqrt())


@dataclass(frozen=True)
class WeightClipping:
    """Projection of every weight onto [-c, c], which bounds the critic's Lipschitz constant.

    Arjovsky et al. 2017, algorithm 1.
    """

    c: float = 0.01

    def __post_init__(self) -> None:
        require(self.c > 0, "c", self.c, "a number > 0")

    @torch.no_grad()
    def project(self, parameters: list[Tensor]) -> None:
        """Clip all parameters in place with two kernel launches."""
        torch._foreach_clamp_min_(parameters, -self.c)
        torch._foreach_clamp_max_(parameters, self.c)
