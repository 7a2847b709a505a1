"""Colours of images changed by affine maps of red, green and blue, as 4x4 matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Each part of grey, as a direction of length 1 among colors: red, green and blue alike.
LUMA = 1 / math.sqrt(3)


def recolour(images: Tensor, colours: Tensor) -> Tensor:
    """Map the colors of images ``(N, C, H, W)``: of RGB and RGBA all three, of others each channel as if it were grey.

    Args:
        images: about in [-1, 1].
        colours: ``(N, 4, 4)``, from homogeneous red, green and blue to the same.
    """
    matrix = colours.to(images.dtype)
    if images.shape[1] in (3, 4):
        mapped = torch.einsum("nij,njhw->nihw", matrix[:, :3, :3], images[:, :3]) + matrix[:, :3, 3, None, None]
        return torch.cat([mapped, images[:, 3:]], dim=1)
    grey = matrix[:, :3].mean(1)  # what a grey pixel becomes, as grey
    return images * grey[:, :3].sum(1)[:, None, None, None] + grey[:, 3, None, None, None]


def brightness(amounts: Tensor) -> Tensor:
    """Return the maps ``(N, 4, 4)`` that add amounts ``(N,)`` to all three colors."""
    matrix = torch.eye(4, device=amounts.device).repeat(len(amounts), 1, 1)
    matrix[:, :3, 3] = amounts[:, None]
    return matrix


def contrast(factors: Tensor) -> Tensor:
    """Return the maps that multiply all three colors, of which 0 is grey, by factors ``(N,)``."""
    return torch.diag_embed(torch.cat([factors[:, None].expand(-1, 3), torch.ones_like(factors)[:, None]], dim=1))


def luma_flip(flips: Tensor) -> Tensor:
    """Return the maps that exchange light and dark and keep hues, where ``(N,)`` bool says so."""
    return _from_parts(1 - 2 * flips.float(), torch.eye(3, device=flips.device).expand(len(flips), -1, -1))


def hue_rotation(angles: Tensor) -> Tensor:
    """Return the maps that turn hues by angles ``(N,)`` in radians around the axis of grey (Rodrigues' formula)."""
    identity = torch.eye(3, device=angles.device)
    cross = LUMA * (identity.roll(1, 0) - identity.roll(-1, 0))
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    return _from_parts(torch.ones_like(angles), cosine * identity + sine * cross)


def saturation(factors: Tensor) -> Tensor:
    """Return the maps that multiply the distance from grey by factors ``(N,)``."""
    return _from_parts(torch.ones_like(factors), factors[:, None, None] * torch.eye(3, device=factors.device))


def _from_parts(luma: Tensor, chroma: Tensor) -> Tensor:
    """Return maps that multiply grey by ``(N,)``, and what is orthogonal to it by matrices ``(N, 3, 3)``."""
    grey = torch.full((3, 3), LUMA**2, device=luma.device)
    matrix = torch.eye(4, device=luma.device).repeat(len(luma), 1, 1)
    matrix[:, :3, :3] = luma[:, None, None] * grey + chroma @ (torch.eye(3, device=luma.device) - grey)
    return matrix
