"""Panels of the reverse process: x_t from noise to sample, as rows of images or as scatter plots side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_cli.algorithms.previews import to_numpy
from gan_cli.protocols.algorithm import Panel

# States of a sample that are shown, x_T and x_0 among them: in a row of images; side of a square of scatter plots.
COLUMNS, SIDE = 10, 3
# Half the width of a scatter plot: hardly any point of N(0, I) lies farther out. Plots fill this share of their cells.
EXTENT, FILLED = 3.0, 0.9


def frames(states: Sequence[Tensor]) -> Panel:
    """Show a row for each image, from noise to sample; ``states`` are x_T to x_0, ``(N, C, H, W)`` each."""
    shown = torch.stack(_evenly(states, COLUMNS), dim=1)
    return Panel(to_numpy(shown.flatten(0, 1)), shown.shape[1], "noise on the left, samples on the right")


def trajectories(states: Sequence[Tensor]) -> Panel:
    """Show scatter plots side by side, from noise (top left) to samples; ``states`` are x_T to x_0, ``(N, 2)`` each.

    They are one set of points, each plot moved to its cell of a square.
    """
    shown = _evenly(states, SIDE * SIDE)
    parts = []
    for index, points in enumerate(shown):
        row, column = divmod(index, SIDE)
        centre = points.new_tensor([column, SIDE - 1 - row]) - (SIDE - 1) / 2
        inside = points[(points.abs() <= EXTENT).all(dim=1)]
        parts.append((centre + inside * (FILLED / (2 * EXTENT))) * (2 / SIDE))
    return Panel(to_numpy(torch.cat(parts)), caption="from noise, top left, to samples")


def _evenly(states: Sequence[Tensor], count: int) -> list[Tensor]:
    """Return at most ``count`` of the states, evenly spaced, the first and the last among them."""
    chosen = torch.linspace(0, len(states) - 1, min(count, len(states))).round().long()
    return [states[index] for index in chosen.tolist()]
