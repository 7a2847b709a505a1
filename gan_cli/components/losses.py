"""The losses of D and of G: an objective with its penalties, constraint, schedules and number of D's updates.

Objectives go from D's logits to per-sample losses of D and of G, and to the divergence that D's loss estimates.
Everything is computed from logits ``l``. Where ``D(x) = sigmoid(l)``, it is through ``softplus``: ``-log D =
softplus(-l)`` and ``-log(1 - D) = softplus(l)`` stay finite, and so do their gradients, however large a logit grows.
The caller reduces; no objective depends on optimizers, penalties or noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, TypeAlias

from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.errors import require
from gan_cli.protocols.adversarial import Constraint, Objective, Penalty
from gan_cli.protocols.algorithm import Schedule

LOG_2 = math.log(2.0)
Target: TypeAlias = Annotated[float, Range(-1_000_000, 1_000_000)]


@dataclass(frozen=True)
class WarmUp:
    """Generator updates before which D is trained for longer, as in the WGAN authors' code.

    Attributes:
        d_steps: updates of D before each of them.
        first: number of generator updates that it covers at the start.
        every: and after those, each generator update whose number is a multiple of this.
    """

    d_steps: int
    first: int
    every: int

    def covers(self, step: int) -> bool:
        """Return whether generator update ``step``, counted from 0, is one of the warm-up."""
        return step < self.first or step % self.every == 0


@dataclass(frozen=True)
class DiscriminatorSteps:
    """The number of D's updates before each update of G: k in Goodfellow et al. (2014), n_critic in WGAN's paper.

    Attributes:
        regular: the number outside of the warm-up.
        warm_up: when the number is a larger one; None: never.
    """

    regular: int = 1
    warm_up: WarmUp | None = None

    def __call__(self, step: int) -> int:
        """Return the number of D's updates before generator update ``step``, counted from 0."""
        return self.warm_up.d_steps if self.warm_up is not None and self.warm_up.covers(step) else self.regular

    @property
    def largest(self) -> int:
        """Largest number of D's updates before any one generator update."""
        return self.regular if self.warm_up is None else max(self.regular, self.warm_up.d_steps)


@dataclass(frozen=True)
class Loss:
    """The losses of D and of G, with everything that depends on the choice of a loss.

    Attributes:
        objective: per-sample losses of D and of G.
        penalties: regularization terms of D's loss by name, each with a weight of its own.
        anneal: a factor on all penalties, by step; None: 1.
        top_k: share of a batch that G learns from, by step: the samples that D scores highest; None: the whole batch.
        constraint: projection of D's weights after each of D's updates; None: none.
        reuse: whether G learns from the samples of D's last update, instead of fresh ones.
        d_steps: updates of D before each update of G.
    """

    objective: Objective
    penalties: Mapping[str, Penalty] = field(default_factory=dict)
    anneal: Schedule | None = None
    top_k: Schedule | None = None
    constraint: Constraint | None = None
    reuse: bool = False
    d_steps: DiscriminatorSteps = field(default_factory=DiscriminatorSteps)


class _SingleGeneratorLoss:
    """Base of objectives with a single loss of G for their discriminator."""

    relativistic: ClassVar[bool] = False

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        return {}


class JensenShannon:
    """The discriminator's side of the original GAN, common to both losses of G (Goodfellow et al. 2014, eq. 1)."""

    divergence_name: ClassVar[str] = "jsd"
    divergence_unit: ClassVar[str] = "nats"
    ceiling: ClassVar[float] = LOG_2
    score_name: ClassVar[str] = "probability"
    score_limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    relativistic: ClassVar[bool] = False
    boundary: float = 0.0

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-log D(x) - log(1 - D(G(z)))`` per pair of samples.

        Args:
            real: logits of real samples, ``(N,)``.
            fake: logits of generated samples, ``(N,)``.

        Returns:
            ``(N,)``, each >= 0; its mean is ``2 log 2`` where D is 1/2 everywhere.
        """
        return softplus(-real) + softplus(fake)

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]: D maximizes it, and ``loss=minimax`` lets G minimize it.

        Returns:
            0-dimensional, at most 0, its ceiling; ``-2 log 2 + 2 JSD(p, q)`` for the optimal D (theorem 1), so
            ``-2 log 2 = -1.386`` where no D can tell the two distributions apart.
        """
        return -self.d_loss(real, fake).mean()

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute a lower bound on JSD(p, q) in nats: ``V = -2 log 2 + 2 JSD`` for the optimal D (theorem 1).

        Returns:
            0-dimensional, in [0, log 2]: ``log 2``, its ceiling, where D separates the two completely.
        """
        return (LOG_2 - 0.5 * self.d_loss(real, fake).mean()).clamp(0.0, LOG_2)

    def score(self, logits: Tensor) -> Tensor:
        """Return D(x), a probability in [0, 1]; same shape as ``logits``."""
        return logits.sigmoid()

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        """Return ``log(1 - D(G(z)))``, which saturates, and ``-log D(G(z))``, which does not (ibid., section 3)."""
        return {"saturating": -softplus(fake), "non_saturating": softplus(-fake)}


class NonSaturating(JensenShannon):
    """G minimises ``-log D(G(z))``, whose gradient is large where D rejects (Goodfellow et al. 2014, section 3)."""

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-log D(G(z))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return softplus(-fake)


class Minimax(JensenShannon):
    """G minimises ``log(1 - D(G(z)))``, whose gradient vanishes where D is confident (ibid., eq. 1)."""

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``log(1 - D(G(z)))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return -softplus(fake)


class Wasserstein(_SingleGeneratorLoss):
    """The critic's loss without sigmoid and logarithm (Arjovsky et al. 2017, eq. 2 and algorithm 1)."""

    divergence_name: ClassVar[str] = "wasserstein"
    ceiling: ClassVar[None] = None
    score_name: ClassVar[str] = "critic value"
    boundary: None = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``f(G(z)) - f(x)`` per pair of samples, ``(N,)``, whose mean the critic minimises."""
        return fake - real

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-f(G(z))`` per sample, ``(N,)``, which the critic defines only up to a constant."""
        return -fake

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Estimate the earth mover's distance times the critic's Lipschitz constant K, 0-dimensional.

        It is ``E f(x) - E f(G(z))``. For clipped weights K is not known, and differs from run to run; under a gradient
        penalty it is about 1.
        """
        return -self.d_loss(real, fake).mean()

    def score(self, logits: Tensor) -> Tensor:
        """Return the critic value itself; same shape as ``logits``."""
        return logits


@dataclass(frozen=True)
class LeastSquares(_SingleGeneratorLoss):
    """Least squares instead of logarithms: no vanishing gradient far from the boundary (Mao et al. 2017, eq. 2).

    Attributes:
        a: D's target for generated samples.
        b: D's target for real ones.
        c: G's target for D's output on generated ones; (a, b, c) = (0, 1, 1) is the paper's eq. 9, (-1, 1, 0) its
            eq. 8.
    """

    divergence_name: ClassVar[str] = "le_cam"
    ceiling: ClassVar[float] = 1.0
    score_name: ClassVar[str] = "output"
    a: Target = 0.0
    b: Target = 1.0
    c: Target = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        require(self.a < self.b, "a", self.a, f"a number below b, which is {self.b}")

    @property
    def boundary(self) -> float:
        """Return the midpoint of D's two targets."""
        return (self.a + self.b) / 2

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``((D(x) - b)^2 + (D(G(z)) - a)^2) / 2`` per pair of samples, ``(N,)``."""
        return 0.5 * ((real - self.b).square() + (fake - self.a).square())

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``(D(G(z)) - c)^2 / 2`` per sample, ``(N,)``."""
        return 0.5 * (fake - self.c).square()

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute a lower bound on Le Cam's distance ``1/2 int (p - q)^2 / (p + q)``, 0-dimensional, in [0, 1].

        The optimal D is ``(b p + a q) / (p + q)``, where ``d_loss`` is ``(b - a)^2 / 2 int p q / (p + q)``.
        """
        scale = (self.b - self.a) ** 2
        return (1.0 - 4.0 * self.d_loss(real, fake).mean() / scale).clamp(0.0, 1.0)

    def score(self, logits: Tensor) -> Tensor:
        """Return D's output, near ``b`` for real and near ``a`` for generated samples; same shape as ``logits``."""
        return logits


class Hinge(_SingleGeneratorLoss):
    """A hinge loss for D, and its negative output for G (Lim & Ye 2017; Miyato et al. 2018, eqs. 16 and 17)."""

    divergence_name: ClassVar[str] = "total_variation"
    ceiling: ClassVar[float] = 1.0
    score_name: ClassVar[str] = "critic value"
    boundary: float = 0.0

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`` per pair of samples, ``(N,)``."""
        return relu(1.0 - real) + relu(1.0 + fake)

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-D(G(z))`` per sample, ``(N,)``."""
        return -fake

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute a lower bound on the total variation distance, 0-dimensional, in [0, 1].

        The optimal D is ``sign(p - q)``, where ``d_loss`` is ``2 int min(p, q) = 2 (1 - TV)``.
        """
        return (1.0 - 0.5 * self.d_loss(real, fake).mean()).clamp(0.0, 1.0)

    def score(self, logits: Tensor) -> Tensor:
        """Return the critic value; same shape as ``logits``."""
        return logits


class SigmoidCritic(_SingleGeneratorLoss):
    """A critic that keeps the sigmoid: WGAN's losses of ``f = sigmoid(l)``, bounded instead of Lipschitz.

    The largest ``E f(x) - E f(G(z))`` over all f with values in [0, 1] is the total variation distance, which like the
    JSD stands at its ceiling, without a gradient, where the distributions do not overlap (Arjovsky et al. 2017,
    section 2).
    """

    divergence_name: ClassVar[str] = "total_variation"
    ceiling: ClassVar[float] = 1.0
    score_name: ClassVar[str] = "probability"
    score_limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    boundary: float = 0.0

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``f(G(z)) - f(x)`` per pair of samples, ``(N,)``, each in [-1, 1]."""
        return fake.sigmoid() - real.sigmoid()

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-f(G(z))`` per sample, ``(N,)``, whose gradient vanishes where the sigmoid is flat."""
        return -fake.sigmoid()

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute a lower bound on the total variation distance, 0-dimensional, in [0, 1]."""
        return (-self.d_loss(real, fake).mean()).clamp(0.0, 1.0)

    def score(self, logits: Tensor) -> Tensor:
        """Return f, in [0, 1]; same shape as ``logits``."""
        return logits.sigmoid()


class Relativistic(_SingleGeneratorLoss):
    """D compares each real sample with a generated one (Jolicoeur-Martineau 2019, RSGAN; Huang et al. 2024, eq. 2)."""

    divergence_name: ClassVar[str] = "relativistic"
    divergence_unit: ClassVar[str] = "nats"
    ceiling: ClassVar[float] = LOG_2
    score_name: ClassVar[str] = "critic value"
    relativistic: ClassVar[bool] = True
    boundary: None = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-log sigmoid(D(x) - D(G(z)))`` per pair of samples, ``(N,)``; ``log 2`` for a constant D."""
        return softplus(fake - real)

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute ``-log sigmoid(D(G(z)) - D(x))`` per pair of samples, ``(N,)``."""
        return softplus(real - fake)

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute a lower bound on half the paired relativistic divergence (Jolicoeur-Martineau 2020, eq. 4).

        Returns:
            0-dimensional, in [0, log 2]: 0 for equal distributions, ``log 2`` where D separates every pair.
        """
        return (LOG_2 - self.d_loss(real, fake).mean()).clamp(0.0, LOG_2)

    def score(self, logits: Tensor) -> Tensor:
        """Return the critic value, of which only differences are meaningful; same shape as ``logits``."""
        return logits


def divergence_names() -> tuple[str, ...]:
    """Return the names of the divergences that the losses of this module estimate, for pages that compare runs."""
    names = (getattr(value, "divergence_name", None) for value in globals().values() if isinstance(value, type))
    return tuple(dict.fromkeys(name for name in names if name is not None))
