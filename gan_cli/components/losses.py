"""Objectives: from D's logits to per-sample losses of D and of G, and to the divergence that D's loss estimates.

Everything is computed from logits ``l`` with ``D(x) = sigmoid(l)``, through ``softplus``: ``-log D = softplus(-l)``
and ``-log(1 - D) = softplus(l)``, which stay finite, and so do their gradients, however large a logit grows.
The caller reduces; nothing here knows of optimizers, penalties or noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_cli.errors import require

LOG_2 = math.log(2.0)


class _SingleGeneratorLoss:
    """Objectives that leave G no choice of a loss."""

    relativistic: ClassVar[bool] = False

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        """None."""
        return {}


class JensenShannon:
    """What the losses of the original GAN share: its discriminator (Goodfellow et al. 2014, eq. 1)."""

    divergence_name: ClassVar[str] = "jsd"
    ceiling: ClassVar[float] = LOG_2
    score_name: ClassVar[str] = "probability"
    relativistic: ClassVar[bool] = False
    boundary: float = 0.0

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-log D(x) - log(1 - D(G(z)))`` per pair of samples.

        Args:
            real: logits of real samples, ``(N,)``.
            fake: logits of generated samples, ``(N,)``.

        Returns:
            ``(N,)``, each >= 0; its mean is ``2 log 2`` for a D that knows nothing.
        """
        return softplus(-real) + softplus(fake)

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Lower bound on JSD(p, q) in nats: ``V = -2 log 2 + 2 JSD`` for the best D (theorem 1), less for others.

        Returns:
            0-dimensional, in [0, log 2]. It is ``log 2``, its ceiling, when D separates the two completely.
        """
        return (LOG_2 - 0.5 * self.d_loss(real, fake).mean()).clamp(0.0, LOG_2)

    def score(self, logits: Tensor) -> Tensor:
        """D(x) as the user reads it: a probability in [0, 1]. Same shape as ``logits``."""
        return logits.sigmoid()

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        """``log(1 - D(G(z)))``, which saturates, and ``-log D(G(z))``, which does not (ibid., section 3)."""
        return {"saturating": -softplus(fake), "non_saturating": softplus(-fake)}


class NonSaturating(JensenShannon):
    """G minimises ``-log D(G(z))``, strong where D is confident (Goodfellow et al. 2014, section 3)."""

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-log D(G(z))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return softplus(-fake)


class Minimax(JensenShannon):
    """G minimises ``log(1 - D(G(z)))``, whose gradient vanishes where D is confident (ibid., eq. 1)."""

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``log(1 - D(G(z)))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return -softplus(fake)


class Wasserstein(_SingleGeneratorLoss):
    """The critic's loss without sigmoid and logarithm (Arjovsky et al. 2017, eq. 2 and algorithm 1)."""

    divergence_name: ClassVar[str] = "wasserstein"
    ceiling: ClassVar[None] = None
    score_name: ClassVar[str] = "critic value"
    boundary: None = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``f(G(z)) - f(x)`` per pair of samples, ``(N,)``; the critic maximises its negative."""
        return fake - real

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-f(G(z))`` per sample, ``(N,)``. Its value means nothing by itself."""
        return -fake

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E f(x) - E f(G(z))``: the earth-mover distance up to the critic's Lipschitz constant; 0-dimensional."""
        return -self.d_loss(real, fake).mean()

    def score(self, logits: Tensor) -> Tensor:
        """The critic value itself. Same shape as ``logits``."""
        return logits


@dataclass(frozen=True)
class LeastSquares(_SingleGeneratorLoss):
    """Least squares instead of logarithms: no vanishing gradient far from the boundary (Mao et al. 2017, eq. 2).

    Attributes:
        a: what D is to say of generated samples.
        b: what D is to say of real ones.
        c: what G wants D to say of generated ones. (a, b, c) = (0, 1, 1) is the paper's eq. 9, (-1, 1, 0) its eq. 8.
    """

    divergence_name: ClassVar[str] = "le_cam"
    ceiling: ClassVar[float] = 1.0
    score_name: ClassVar[str] = "output"
    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def __post_init__(self) -> None:
        require(self.a < self.b, "a", self.a, f"a number below b, which is {self.b}")

    @property
    def boundary(self) -> float:
        """Half way between the two targets."""
        return (self.a + self.b) / 2

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``((D(x) - b)^2 + (D(G(z)) - a)^2) / 2`` per pair of samples, ``(N,)``."""
        return 0.5 * ((real - self.b).square() + (fake - self.a).square())

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``(D(G(z)) - c)^2 / 2`` per sample, ``(N,)``."""
        return 0.5 * (fake - self.c).square()

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Lower bound on Le Cam's distance ``1/2 int (p - q)^2 / (p + q)``, 0-dimensional, in [0, 1].

        The best D is ``(b p + a q) / (p + q)``, where ``d_loss`` is ``(b - a)^2 / 2 int p q / (p + q)``.
        """
        scale = (self.b - self.a) ** 2
        return (1.0 - 4.0 * self.d_loss(real, fake).mean() / scale).clamp(0.0, 1.0)

    def score(self, logits: Tensor) -> Tensor:
        """D's own output, near ``b`` for real samples and near ``a`` for generated ones."""
        return logits


class Hinge(_SingleGeneratorLoss):
    """D's margins, G's critic value (Lim & Ye 2017; Miyato et al. 2018, eqs. 16 and 17)."""

    divergence_name: ClassVar[str] = "total_variation"
    ceiling: ClassVar[float] = 1.0
    score_name: ClassVar[str] = "critic value"
    boundary: float = 0.0

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`` per pair of samples, ``(N,)``."""
        return relu(1.0 - real) + relu(1.0 + fake)

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-D(G(z))`` per sample, ``(N,)``."""
        return -fake

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Lower bound on the total variation distance, 0-dimensional, in [0, 1].

        The best D is ``sign(p - q)``, where ``d_loss`` is ``2 int min(p, q) = 2 (1 - TV)``.
        """
        return (1.0 - 0.5 * self.d_loss(real, fake).mean()).clamp(0.0, 1.0)

    def score(self, logits: Tensor) -> Tensor:
        """The critic value. Same shape as ``logits``."""
        return logits


class Relativistic(_SingleGeneratorLoss):
    """D compares each real sample with a generated one (Jolicoeur-Martineau 2019, RSGAN; Huang et al. 2024, eq. 2)."""

    divergence_name: ClassVar[str] = "relativistic"
    ceiling: ClassVar[float] = LOG_2
    score_name: ClassVar[str] = "critic value"
    relativistic: ClassVar[bool] = True
    boundary: None = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-log sigmoid(D(x) - D(G(z)))`` per pair of samples, ``(N,)``; ``log 2`` for a D that knows nothing."""
        return softplus(fake - real)

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-log sigmoid(D(G(z)) - D(x))`` per pair of samples, ``(N,)``."""
        return softplus(real - fake)

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Lower bound on half the paired relativistic divergence (Jolicoeur-Martineau 2020, eq. 4), in [0, log 2].

        It is 0 for equal distributions, and ``log 2`` where D tells every pair apart; 0-dimensional.
        """
        return (LOG_2 - self.d_loss(real, fake).mean()).clamp(0.0, LOG_2)

    def score(self, logits: Tensor) -> Tensor:
        """The critic value: only differences between real and generated samples mean something."""
        return logits
