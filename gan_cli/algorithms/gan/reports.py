"""The way of a report's numbers to the host: those of one run, or of many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_cli.algorithms.inspection import global_norm
from gan_cli.protocols.arrays import FloatArray


@dataclass(frozen=True)
class DeviceReport:
    """Numbers of a report that still lie on the device.

    Attributes:
        metrics: tag -> 0-dimensional tensor.
        scores: name of a histogram -> D's scores, of any shape.
    """

    metrics: Mapping[str, Tensor]
    scores: Mapping[str, Tensor]


@dataclass(frozen=True)
class HostReport:
    """Numbers of a report on the host.

    Attributes:
        metrics: tag -> number.
        histograms: name -> ``(N,)``.
    """

    metrics: dict[str, float]
    histograms: dict[str, FloatArray]


def transfer(reports: Sequence[DeviceReport]) -> list[HostReport]:
    """Read the reports of all runs in two transfers, of which only the first has to wait for the device's work."""
    numbers = iter(torch.stack([each.float() for report in reports for each in report.metrics.values()]).tolist())
    scores = [score.flatten() for report in reports for score in report.scores.values()]
    parts = iter(_split(torch.cat(scores).cpu().numpy(), [len(score) for score in scores]))
    return [
        HostReport(
            {tag: next(numbers) for tag in report.metrics},
            {name: next(parts) for name in report.scores},
        )
        for report in reports
    ]


def gradient_norms(d: Sequence[Tensor | None], g: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """Return the tags of the global norms of D's and G's gradients, 0-dimensional each."""
    return {"grad_norm/d": global_norm(d), "grad_norm/g": global_norm(g)}


def _split(numbers: FloatArray, sizes: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    return np.split(numbers, list(accumulate(sizes))[:-1])
