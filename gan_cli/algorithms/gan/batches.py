"""The samples of one update of D or of G, the gradients of one step, and how many of them there were."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class UpdateBatch:
    """Real samples of one update, and the latents of generated ones.

    Attributes:
        real: ``(N, *shape)``; None for an update of G that uses generated ones only.
        latents: ``(N, latent_dim)``.
        labels: ``(N,)`` or ``(N, K)`` of both, or None.
        fake: ``(N, *shape)``, generated from the latents; None where micro-batches are generated one by one.
    """

    real: Tensor | None
    latents: Tensor
    labels: Tensor | None
    fake: Tensor | None


@dataclass(frozen=True)
class GANProgress:
    """The progress of training: the number of the latest step, updates of D and real batches so far."""

    step: int = 0
    updates_d: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Gradients:
    """Gradients of the latest updates of D and of G: a tensor for each parameter, or None for an unused one."""

    d: list[Tensor | None]
    g: list[Tensor | None]
