"""Penalties on D's gradient with respect to its input, independent of the objective, and weight clipping.

Values are per logit, so a gradient norm is that of the one sample, or pack, which D scores, not the batch's. A penalty
at the samples that D has scored already uses their input gradient; one at other points evaluates D again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import torch
from torch import Tensor

from gan_cli.components.ranges import Count, NonNegative, Positive, Range, check_ranges
from gan_cli.protocols.adversarial import Critic, Penalty, ScoredBatch, Side
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.rng import Stream

# Names of the penalties in one update of D.
DuePenalties: TypeAlias = tuple[str, ...]
Weight: TypeAlias = Annotated[float, Range(0, 1_000_000_000)]


@dataclass(frozen=True, kw_only=True)
class _WeightedPenalty(ABC):
    """Base of penalties: a weight, and the interval of lazy regularisation (Karras et al. 2020).

    Attributes:
        weight: factor on the penalty's values.
        every: D updates from one application to the next.
    """

    weight: Weight
    every: Count = 1

    def __post_init__(self) -> None:
        check_ranges(self)

    @abstractmethod
    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        """Compute the penalty per logit, ``(N,)``, without the weight."""


@dataclass(frozen=True, kw_only=True)
class R1(_WeightedPenalty):
    """``1/2 |grad D(x)|^2`` on real samples (Mescheder et al. 2018, eq. 9); ``weight`` is the paper's gamma."""

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.real})
    weight: Weight = 10.0

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        return 0.5 * _squared_norm(real.input_gradient(), real.logits)


@dataclass(frozen=True, kw_only=True)
class R2(_WeightedPenalty):
    """``1/2 |grad D(G(z))|^2`` on generated samples (ibid., eq. 10); ``weight`` is the paper's gamma."""

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.fake})
    weight: Weight = 10.0

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        return 0.5 * _squared_norm(fake.input_gradient(), fake.logits)


@dataclass(frozen=True, kw_only=True)
class Roth(_WeightedPenalty):
    """The analytic equivalent of instance noise in a JSD GAN (Roth et al. 2017, eq. 24); ``weight`` is its gamma.

    ``1/2 ((1 - sigmoid(l(x)))^2 |grad l(x)|^2 + sigmoid(l(G(z)))^2 |grad l(G(z))|^2)``: a gradient is penalized most
    where D is wrong. To first order it is the increase of D's loss under noise of variance gamma on its inputs.
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset({Side.real, Side.fake})
    weight: Weight = 0.1

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        on_real = (-real.logits).sigmoid().square() * _squared_norm(real.input_gradient(), real.logits)
        on_fake = fake.logits.sigmoid().square() * _squared_norm(fake.input_gradient(), fake.logits)
        return 0.5 * (on_real + on_fake)


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(_WeightedPenalty):
    """``(|grad D| - target)^2`` between real and generated samples (Gulrajani et al. 2017, eq. 3).

    Attributes:
        target: the gradient norm to hold; 1 in the paper.
        one_sided: penalize only norms above ``target``: WGAN-LP (Petzka et al. 2018, eq. 8).
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset()
    weight: Weight = 10.0
    target: NonNegative = 1.0
    one_sided: bool = False

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        """Compute the penalty at one random point between each real and generated sample or pack, ``(N,)``."""
        points = torch.lerp(real.samples.detach(), fake.samples.detach(), _uniform_share(real, random))
        excess = _norm(_gradient_at(critic, points), real.logits) - self.target
        return (excess.relu() if self.one_sided else excess).square()


@dataclass(frozen=True, kw_only=True)
class Dragan(_WeightedPenalty):
    """``(|grad D| - target)^2`` around real samples (Kodali et al. 2017, eq. 1).

    The points are those of the authors' code: each real sample moves a random share of the way to a copy of itself
    with uniform noise of ``spread`` standard deviations of the batch.

    Attributes:
        target: the gradient norm to hold; 1 in the paper.
        spread: largest distance that a real sample is moved by, in standard deviations of the batch.
    """

    gradient_sides: ClassVar[frozenset[Side]] = frozenset()
    batch_statistic: ClassVar[str] = "the standard deviation of DRAGAN"
    weight: Weight = 10.0
    target: NonNegative = 1.0
    spread: Positive = 0.5

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        start = real.samples.detach()
        count, first, *rest = start.shape
        rows = len(real.logits)
        noise = random.uniform(rows, count // rows * first, *rest).to(start.dtype).reshape(start.shape)
        points = start + _uniform_share(real, random) * self.spread * start.std() * noise
        return (_norm(_gradient_at(critic, points), real.logits) - self.target).square()


def _gradient_at(critic: Critic, points: Tensor) -> Tensor:
    """Compute d critic / d points, ``(N, *shape)``, differentiable, for a critic that scores points independently."""
    points = points.requires_grad_()
    return torch.autograd.grad(critic(points).sum(), points, create_graph=True)[0]


def _uniform_share(batch: ScoredBatch, random: Stream) -> Tensor:
    """Draw a number from [0, 1) per logit, for each of its samples: ``(N, 1, ...)``, of their dimensions and dtype."""
    samples, ones = batch.samples, [1] * (batch.samples.dim() - 1)
    share = random.uniform(len(batch.logits), *ones).to(samples.dtype)
    return share[:, None].expand(-1, len(samples) // len(share), *ones).reshape(-1, *ones)


def _squared_norm(gradient: Tensor, logits: Tensor) -> Tensor:
    """Compute the squared Euclidean norm of ``(N, *shape)`` per logit: over all samples that it belongs to.

    In the logits' dtype: a gradient with respect to samples that G has made under autocast is bf16.
    """
    return gradient.reshape(len(logits), -1).to(logits.dtype).square().sum(1)


def _norm(gradient: Tensor, logits: Tensor) -> Tensor:
    """Compute the Euclidean norm of ``(N, *shape)`` per logit, with derivative 0 at 0."""
    squared = _squared_norm(gradient, logits)
    is_zero = squared == 0
    # The inner `where` keeps the root's infinite derivative at 0 out of the backward pass.
    return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, squared).sqrt())


@dataclass(frozen=True)
class RegularizationTerm:
    """The penalties of one update of D.

    Attributes:
        loss: to add to D's loss, 0-dimensional; a lazy penalty also counts for the updates that it is omitted from.
        values: the sum of the weighted penalties per logit, ``(N,)``, detached.
    """

    loss: Tensor
    values: Tensor


class Regularization:
    """The sum of penalties in D's loss: each is due at every n-th of D's updates, with a common factor over the steps.

    Args:
        penalties: by name.
        anneal: from step to a factor on all of them; None: 1.
        device: of D.
    """

    def __init__(self, penalties: Mapping[str, Penalty], anneal: Schedule | None, device: torch.device) -> None:
        self._penalties = penalties
        self._anneal = anneal
        self._factor = torch.ones((), device=device)

    def set_step(self, step: int) -> None:
        """Write the factor at ``step`` to the device, where a captured step reads it."""
        if self._anneal is not None:
            self._factor.fill_(self._anneal(step))

    def due(self, update: int) -> DuePenalties:
        """Return the penalties of D's update number ``update``, counted from 0."""
        return tuple(name for name, penalty in self._penalties.items() if update % penalty.every == 0)

    def gradient_sides(self, due: DuePenalties) -> frozenset[Side]:
        """Return the batches whose input gradient these penalties use."""
        return frozenset[Side]().union(*(self._penalties[name].gradient_sides for name in due))

    def __call__(
        self,
        due: DuePenalties,
        critic: Critic,
        real: ScoredBatch,
        fake: ScoredBatch,
        random: Stream,
        mean: Callable[[Tensor], Tensor],
    ) -> RegularizationTerm:
        """Compute the term of the penalties that are due, of which there is at least one; ``mean`` reduces ``(N,)``."""
        penalties = [self._penalties[name] for name in due]
        values = [penalty.weight * penalty(critic, real, fake, random) for penalty in penalties]
        lazy = [penalty.every * mean(value) for penalty, value in zip(penalties, values, strict=True)]
        total = (self._factor * torch.stack(values).sum(0)).detach()
        return RegularizationTerm(self._factor * torch.stack(lazy).sum(), total)


@dataclass(frozen=True)
class WeightClipping:
    """Projection of every parameter, biases too, onto [-c, c], which bounds the critic's Lipschitz constant.

    Arjovsky et al. 2017, algorithm 1.

    Attributes:
        c: largest absolute value of a weight; 0.01 in the paper.
    """

    c: Positive = 0.01

    def __post_init__(self) -> None:
        check_ranges(self)

    @torch.no_grad()
    def project(self, parameters: list[Tensor]) -> None:
        """Clip all parameters in place with two kernel launches."""
        torch._foreach_clamp_min_(parameters, -self.c)
        torch._foreach_clamp_max_(parameters, self.c)
