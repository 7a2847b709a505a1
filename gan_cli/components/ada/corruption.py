"""Images corrupted: octaves of frequencies amplified, noise added, a rectangle cut out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gan_cli.components.ada.geometry import mirror_pad


def amplify_octaves(images: Tensor, gains: Tensor, bank: Tensor) -> Tensor:
    """Multiply four octaves of frequencies of images, the lowest first.

    Args:
        images: ``(N, C, H, W)``.
        gains: ``(N, 4)``.
        bank: filters of the octaves, :func:`~gan_cli.components.ada.wavelets.octave_bank` on the device of the images.
    """
    count, channels = images.shape[:2]
    taps = gains.to(images.dtype) @ bank.to(images.dtype)
    margin = taps.shape[1] // 2
    # The samples as groups of one image: each has a filter of its own.
    planes = mirror_pad(images, margin).flatten(0, 1)[None]
    for shape in ((-1, 1), (1, -1)):
        kernels = taps.reshape(count, 1, *shape).repeat_interleave(channels, dim=0)
        planes = conv2d(planes, kernels, groups=count * channels)
    return planes.reshape(images.shape)


def add_noise(images: Tensor, noise: Tensor, deviations: Tensor) -> Tensor:
    """Add noise, ``(N, C, H, W)`` from N(0, 1), times deviations ``(N,)``."""
    return images + noise * deviations[:, None, None, None].to(images.dtype)


def cut_out(images: Tensor, centres: Tensor, shares: Tensor) -> Tensor:
    """Blank a rectangle of each image with 0.

    Args:
        images: ``(N, C, H, W)``.
        centres: ``(N, 2)`` in [0, 1): its row and column, as shares of the sides.
        shares: ``(N,)``: its sides, as shares of the image's; 0: none.
    """
    inside = [
        ((torch.arange(side, device=images.device) + 0.5) / side - centres[:, axis, None]).abs() < shares[:, None] / 2
        for axis, side in enumerate(images.shape[2:])
    ]
    blanked = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(blanked, 0.0)
