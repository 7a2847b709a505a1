"""Per-sample values collected on the device between two reports, so that updates never wait for them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_cli.runtime.distributed import ProcessGroup, SingleProcess

# A buffer holds at most this many values (16 MB); of more updates, only the most recent ones are reported.
CAPACITY = 2**22


class RingBuffer:
    """Ring buffer on the device of the latest rows of values since the last :meth:`clear`.

    Each of several processes adds its own columns of the rows; :meth:`values` gathers whole rows.

    The number of added rows is a tensor on the device, so that :meth:`add` can be captured in a CUDA graph.

    Attributes:
        added: rows since the last clear, 0-dimensional.
    """

    def __init__(self, rows: int, width: int, device: torch.device, group: ProcessGroup | None = None) -> None:
        """Allocate the buffer on the device.

        Args:
            rows: capacity, unless ``CAPACITY`` values are fewer.
            width: columns of this process.
            device: where the buffer lies.
            group: the processes that share the rows; None: this one only.
        """
        self._group = group or SingleProcess()
        self._buffer = torch.zeros(max(1, min(rows, CAPACITY // width)), width, device=device)
        self._slots = torch.arange(len(self._buffer), device=device)
        self.added = torch.zeros((), dtype=torch.int64, device=device)

    @torch.no_grad()
    def add(self, values: Tensor) -> None:
        """Append rows ``(R, width)``, which overwrite the oldest ones when the buffer is full."""
        capacity = len(self._buffer)
        skipped = max(0, len(values) - capacity)
        start = self.added + skipped if skipped else self.added
        slots = (self._slots[: len(values) - skipped] + start) % capacity
        self._buffer.index_copy_(0, slots, values[skipped:].detach())
        self.added.add_(len(values))

    @torch.no_grad()
    def add_if(self, condition: Tensor, row: Tensor) -> None:
        """Append one row ``(width,)`` if ``condition``, a 0-dimensional boolean on the device, is true."""
        slot = (self._slots[:1] + self.added) % len(self._buffer)
        previous = self._buffer.index_select(0, slot)
        self._buffer.index_copy_(0, slot, torch.where(condition, row.detach(), previous))
        self.added.add_(condition)

    def values(self) -> Tensor:
        """Return ``(R, size width)`` float32 on the device, rows in no particular order; R is 0 right after a clear.

        Waits for the device, where the number of rows is kept, and for the other processes.
        """
        return self._group.all_gather(self._buffer[: int(self.added)], dim=1)

    def column_view(self, index: int, of: int) -> RingBuffer:
        """Return a buffer over chunk number ``index`` of ``of`` equal chunks of the columns, in the same memory."""
        view = copy.copy(self)
        view._buffer = self._buffer.chunk(of, dim=1)[index]
        return view

    def clear(self) -> None:
        """Remove all rows from the buffer."""
        self.added.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, and how many were added."""
        return {"values": self.values().clone(), "added": int(self.added)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned; rows beyond the capacity are dropped."""
        values = state["values"][: len(self._buffer)].chunk(self._group.size, dim=1)[self._group.rank]
        self._buffer[: len(values)].copy_(values)
        self.added.fill_(int(state["added"]) if len(values) == len(self._buffer) else len(values))


class MetricBuffer:
    """Rows that a training step adds to ring buffers, held back until its updates are known to be applied."""

    def __init__(self, ring_buffers: Mapping[str, RingBuffer]) -> None:
        self._ring_buffers = ring_buffers
        self._rows: defaultdict[str, list[Tensor]] = defaultdict(list)

    def record(self, name: str, row: Tensor) -> None:
        """Hold a row ``(width,)`` for the ring buffer of that name."""
        self._rows[name].append(row)

    def commit(self, applied: Tensor | None) -> None:
        """Add the rows of an update that may have been skipped if it was ``applied``, else drop them.

        Without effect where ``applied`` is None, for an update that is never skipped: :meth:`flush` adds its rows.
        """
        if applied is not None:
            for name, rows in self._rows.items():
                for row in rows:
                    self._ring_buffers[name].add_if(applied, row)
            self.clear()

    def flush(self) -> None:
        """Add the rows that are held, all of a ring buffer at once."""
        for name, rows in self._rows.items():
            self._ring_buffers[name].add(torch.stack(rows))
        self.clear()

    def clear(self) -> None:
        """Drop the rows that are held."""
        self._rows.clear()
