"""Inversion of a generator: latents whose samples come closest to pictures, found by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_cli.inference.differentiable import frozen_call
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.inference.loading import network_device
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import ConditionValues
from gan_cli.runtime.rng import BLOCK, fixed_latents

# Adam's decay rates.
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class InversionSettings:
    """Settings of the descent that inverts pictures.

    Attributes:
        starts: latents of N(0, I) that the descent begins from, for each candidate label.
        steps: of Adam, whose rate falls to 0 along a half cosine.
        rate: Adam's rate in the first step.
        noise: standard deviation of Gaussian noise that a picture is taken to have, for each number of it, on the
            scale of [-1, 1]; the larger, the more the prior counts.
        seed: seed of the starts.
    """

    starts: int = 8
    steps: int = 500
    rate: float = 0.1
    noise: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Inversion:
    """Latents that were found for N pictures.

    Attributes:
        latents: ``(N, latent_dim)``, those of the best start.
        distances: ``(N,)``, root mean square difference between each picture and its reconstruction.
        reconstructions: ``(N, *shape)``, samples of the latents.
        start_distances: ``(N, starts)``, the distances that each start led to, with the label that was chosen.
        labels: the label of each picture, ``(N,)`` or ``(N, K)``; None: the generator has none.
    """

    latents: FloatArray
    distances: FloatArray
    reconstructions: FloatArray
    start_distances: FloatArray
    labels: ConditionValues | None = None


def invert(
    trained: TrainedGenerator,
    targets: FloatArray,
    labels: Tensor | None = None,
    settings: InversionSettings | None = None,
) -> Inversion:
    """Find the latent of each picture.

    Minimizes ``|G(z) - x|^2 / (2 noise^2) + |z|^2 / 2``, the negative logarithm of ``p(z | x)`` up to a constant, where
    x is a sample with Gaussian noise (Lipton & Tripathi 2017 without the prior; Creswell & Bharath 2018 with one).
    Pictures are inverted one by one, so that the result for one does not depend on the others.

    Args:
        trained: the generator.
        targets: ``(N, *shape)``, images in [-1, 1].
        labels: candidates, ``(C,)`` or ``(C, K)``, of which the likeliest is chosen for each picture; None for a
            generator without labels.
        settings: of the descent; None: the defaults.
    """
    settings = settings or InversionSettings()
    found = [_invert_one(trained, target, labels, settings) for target in targets]
    return Inversion(
        np.stack([each.latents[0] for each in found]),
        np.array([each.distances[0] for each in found], np.float32),
        np.stack([each.reconstructions[0] for each in found]),
        np.stack([each.start_distances[0] for each in found]),
        None if labels is None else np.stack([each.labels[0] for each in found if each.labels is not None]),
    )


def _invert_one(
    trained: TrainedGenerator, target: FloatArray, labels: Tensor | None, settings: InversionSettings
) -> Inversion:
    """Invert one picture from all starts, with all candidate labels."""
    starts = fixed_latents(settings.seed, settings.starts, trained.latent_dim)
    candidates = 1 if labels is None else len(labels)
    latents = starts.repeat(candidates, 1)  # all starts with the first label, then with the next
    each_label = None if labels is None else labels.repeat_interleave(settings.starts, 0)
    wanted = torch.from_numpy(np.ascontiguousarray(target, np.float32))
    blocks = [slice(first, first + BLOCK) for first in range(0, len(latents), BLOCK)]
    parts = [
        _descend(trained, wanted, latents[block], None if each_label is None else each_label[block], settings)
        for block in blocks
    ]
    reached, errors, losses = (torch.cat(each) for each in zip(*parts, strict=True))
    best = int(losses.argmin())
    label = None if each_label is None else each_label[best : best + 1]
    same_label = slice(best // settings.starts * settings.starts, (best // settings.starts + 1) * settings.starts)
    distances = errors.sqrt().numpy()
    return Inversion(
        reached[best : best + 1].numpy(),
        distances[best : best + 1],
        trained.samples(reached[best : best + 1], label),
        distances[same_label][None],
        None if label is None else label.numpy(),
    )


def _descend(
    trained: TrainedGenerator, target: Tensor, latents: Tensor, labels: Tensor | None, settings: InversionSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the latents that the descent ends at, their mean squared errors, and losses; infinite where not finite."""
    device = network_device(trained.network)
    generate = frozen_call(trained.network, None if labels is None else labels.to(device))
    wanted, place = target.to(device), latents.to(device).requires_grad_()
    prior = settings.noise**2 / target.numel()

    def measure() -> tuple[Tensor, Tensor]:
        errors = (generate(place) - wanted).square().flatten(1).mean(1)
        return errors, errors + prior * place.square().sum(1)

    optimizer = torch.optim.Adam([place], lr=settings.rate, betas=BETAS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    with torch.enable_grad():
        for _ in range(settings.steps):
            # The sum: each row is a descent of its own.
            (place.grad,) = torch.autograd.grad(measure()[1].sum(), place)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        errors, losses = measure()
    return place.detach().cpu(), errors.cpu(), losses.nan_to_num(torch.inf, torch.inf).cpu()
