"""Objectives: from D's logits to per-sample losses of D and of G, and to the divergence that D's loss estimates.

Everything is computed from logits ``l`` with ``D(x) = sigmoid(l)``, through ``softplus``: ``-log D = softplus(-l)``
and ``-log(1 - D) = softplus(l)``, which stay finite, and so do their gradients, however large a logit grows.
The caller reduces; nothing here knows of optimizers, penalties or noise.
"""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

LOG_2 = math.log(2.0)


class JensenShannon:
    """What the losses of the original GAN share: its discriminator (Goodfellow et al. 2014, eq. 1)."""

    divergence_name: ClassVar[str] = "jsd"

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


class NonSaturating(JensenShannon):
    """G minimises ``-log D(G(z))``, strong where D is confident (Goodfellow et al. 2014, section 3)."""

    def g_loss(self, fake: Tensor) -> Tensor:
        """``-log D(G(z))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return softplus(-fake)


class Minimax(JensenShannon):
    """G minimises ``log(1 - D(G(z)))``, whose gradient vanishes where D is confident (ibid., eq. 1)."""

    def g_loss(self, fake: Tensor) -> Tensor:
        """``log(1 - D(G(z)))`` per sample, ``(N,)``, from logits ``(N,)``."""
        return -softplus(fake)


class Wasserstein:
    """The critic's loss without sigmoid and logarithm (Arjovsky et al. 2017, eq. 2 and algorithm 1)."""

    divergence_name: ClassVar[str] = "wasserstein"

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``f(G(z)) - f(x)`` per pair of samples, ``(N,)``; the critic maximises its negative."""
        return fake - real

    def g_loss(self, fake: Tensor) -> Tensor:
        """``-f(G(z))`` per sample, ``(N,)``. Its value means nothing by itself."""
        return -fake

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E f(x) - E f(G(z))``: the earth-mover distance up to the critic's Lipschitz constant; 0-dimensional."""
        return -self.d_loss(real, fake).mean()

    def score(self, logits: Tensor) -> Tensor:
        """The critic value itself. Same shape as ``logits``."""
        return logits
