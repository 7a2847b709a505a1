"""Per-sample values collected on the device between two reports, so that the hot path never waits for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# A window holds at most this many values (16 MB); longer stretches are reported by their most recent part.
CAPACITY = 2**22


class Window:
    """The latest rows of values since the last :meth:`clear`. Adding a row is one copy on the device."""

    def __init__(self, rows: int, width: int, device: torch.device) -> None:
        self._buffer = torch.zeros(max(1, min(rows, CAPACITY // width)), width, device=device)
        self._added = 0

    def add(self, values: Tensor) -> None:
        """Append one row ``(width,)``; the oldest row makes room when the window is full."""
        self._buffer[self._added % len(self._buffer)].copy_(values.detach(), non_blocking=True)
        self._added += 1

    def values(self) -> Tensor:
        """``(R, width)`` float32 on the device, in no particular order of rows; R is 0 right after a clear."""
        return self._buffer[: self._added]

    def clear(self) -> None:
        """Start over."""
        self._added = 0

    def state_dict(self) -> dict[str, Any]:
        """The rows and how many were added."""
        return {"values": self.values().clone(), "added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; of more rows than there is room for, some are dropped."""
        values = state["values"][: len(self._buffer)]
        self._buffer[: len(values)].copy_(values)
        self._added = int(state["added"]) if len(values) == len(self._buffer) else len(values)
