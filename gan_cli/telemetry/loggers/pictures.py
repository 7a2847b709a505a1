"""Pictures and alarms in the forms that trackers take."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.callbacks import Alarm, PreviewEvent

BINS = 64


@dataclass(frozen=True)
class Bins:
    """A histogram: counts ``(BINS,)`` between edges ``(BINS + 1,)``."""

    counts: IntArray
    edges: FloatArray


def histograms(report: Report) -> Iterator[tuple[str, Bins]]:
    """Yield the tags and histograms of a report, those of finite values."""
    for tag, values in report.histograms.items():
        if values.size and np.isfinite(values).all():
            yield tag, Bins(*np.histogram(values, BINS))


def grids(event: PreviewEvent) -> Iterator[tuple[str, Image.Image]]:
    """Yield the tags and pictures of a preview."""
    for name, encoded in event.images.items():
        with Image.open(io.BytesIO(encoded.png)) as opened:
            opened.load()
            yield f"samples/{name}".rstrip("/"), opened.convert("RGB")


def advice(alarm: Alarm) -> str:
    """Return what an alarm has found and what to try, in two sentences."""
    return f"{alarm.message}. Try {alarm.try_next}" if not alarm.see else f"{alarm.message}. See {alarm.see}"
