"""Samples of a denoiser, in blocks, from the latents and the noise of a seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_cli.algorithms.diffusion.reverse import DrawNoise, ReverseProcess
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.rng import BLOCK, SeededStream, fixed_latents


def draw_samples(
    process: ReverseProcess,
    shape: tuple[int, ...],
    seed: int,
    latents: Tensor,
    labels: Tensor | None,
) -> Tensor:
    """Make samples of latents on the device of the process, in bounded memory. Waits for the device.

    Args:
        process: the reverse process.
        shape: of a sample.
        seed: of the noise of the steps, where they draw any; a sample's does not depend on the number of samples.
        latents: x_T, ``(N, D)``, on the CPU.
        labels: ``(N,)`` or ``(N, K)``, on the CPU, or None.

    Returns:
        ``(N, *shape)`` on the CPU.
    """
    device = process.time.device
    parts = []
    for start in range(0, len(latents), BLOCK):
        block = latents[start : start + BLOCK].view(-1, *shape).to(device)
        block_labels = None if labels is None else labels[start : start + BLOCK].to(device)
        # Drawn on the CPU, as the latents are: the same noise on every device.
        stream = SeededStream(seed, f"reverse process {start}", torch.device("cpu"))
        parts.append(process(block, block_labels, noise_of_block(stream)).cpu())
    return torch.cat(parts)


def noise_of_block(stream: Stream) -> DrawNoise:
    """Return noise for up to ``BLOCK`` samples, in which that of one sample does not depend on their number."""

    def draw(samples: Tensor) -> Tensor:
        noise = stream.normal(BLOCK, samples[0].numel())
        return noise[: len(samples)].to(samples.device).view_as(samples)

    return draw


def latents_of(seed: int, count: int, shape: tuple[int, ...]) -> Tensor:
    """Return x_T of the first ``count`` samples of a seed, ``(count, D)`` on the CPU."""
    return fixed_latents(seed, count, math.prod(shape))
