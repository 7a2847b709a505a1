"""What reaches G of D's judgement: the gradient of G's loss with respect to each generated sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_cli.protocols.adversarial import Objective


def gradient_figures(
    objective: Objective, critic: Callable[[Tensor], Tensor], fake: Tensor, real_logits: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Norms of dL_G / dG(z) per sample: mean and deviation, and the mean for each loss that G could have.

    Per sample, not of the batch's mean: a batch whose samples pull in different directions has not vanished. For a
    critic that judges each sample by itself, the chain rule gives all of them from one pass back through D.

    Args:
        objective: says what G minimises.
        critic: ``(N, *shape) -> (N,)`` logits.
        fake: ``(N, *shape)`` generated samples, or packs of them: whatever D judges as one.
        real_logits: ``(N,)``, of real samples, for objectives that compare.

    Returns:
        The figures, 0-dimensional, and the logits of the generated samples, ``(N,)``.
    """
    samples = fake.detach().requires_grad_()
    with torch.enable_grad():
        logits = critic(samples)
        (slope,) = torch.autograd.grad(logits.sum(), samples)
        steepness = slope.flatten(1).float().norm(dim=1)
        given = logits.detach().requires_grad_()
        losses = {"": objective.g_loss(real_logits, given)}
        losses |= {f"_{name}": loss for name, loss in objective.g_choices(given).items()}
        norms = {
            name: torch.autograd.grad(loss.sum(), given, retain_graph=True)[0].abs() * steepness
            for name, loss in losses.items()
        }
    figures = {f"diagnosis/gradient{name}": norm.mean() for name, norm in norms.items()}
    figures["diagnosis/gradient_deviation"] = norms[""].std(correction=0)
    return figures, logits.detach()
