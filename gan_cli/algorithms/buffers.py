"""Per-sample values collected on the device between two reports, so that the hot path never waits for them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_cli.runtime.distributed import Alone, Group

# A window holds at most this many values (16 MB); longer stretches are reported by their most recent part.
CAPACITY = 2**22


class Window:
    """The latest rows of values since the last :meth:`clear`.

    Each of several processes adds its columns of the rows; what is read are whole rows.

    How many rows were added is a number on the device, so that adding some can be recorded and replayed.

    Attributes:
        added: rows since the last clear, 0-dimensional.
    """

    def __init__(self, rows: int, width: int, device: torch.device, group: Group | None = None) -> None:
        """``width``: columns of this process; ``group`` None: it is alone."""
        self._group = group or Alone()
        self._buffer = torch.zeros(max(1, min(rows, CAPACITY // width)), width, device=device)
        self._places = torch.arange(len(self._buffer), device=device)
        self.added = torch.zeros((), dtype=torch.int64, device=device)

    @torch.no_grad()
    def add(self, values: Tensor) -> None:
        """Append rows ``(R, width)``; the oldest rows make room when the window is full."""
        room = len(self._buffer)
        skipped = max(0, len(values) - room)
        start = self.added + skipped if skipped else self.added
        places = (self._places[: len(values) - skipped] + start) % room
        self._buffer.index_copy_(0, places, values[skipped:].detach())
        self.added.add_(len(values))

    @torch.no_grad()
    def add_if(self, wanted: Tensor, row: Tensor) -> None:
        """Append one row ``(width,)`` where ``wanted``, a 0-dimensional boolean on the device, is true."""
        place = (self._places[:1] + self.added) % len(self._buffer)
        there = self._buffer.index_select(0, place)
        self._buffer.index_copy_(0, place, torch.where(wanted, row.detach(), there))
        self.added.add_(wanted)

    def values(self) -> Tensor:
        """``(R, size width)`` float32 on the device, in no particular order of rows; R is 0 right after a clear.

        Waits for the device, which knows how many rows there are, and for the other processes.
        """
        return self._group.gathered(self._buffer[: int(self.added)], dim=1)

    def part(self, index: int, of: int) -> Window:
        """A window on part number ``index`` of ``of`` equal ones of each row, and on the same memory."""
        part = copy.copy(self)
        part._buffer = self._buffer.chunk(of, dim=1)[index]
        return part

    def clear(self) -> None:
        """Start over."""
        self.added.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The rows and how many were added."""
        return {"values": self.values().clone(), "added": int(self.added)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; of more rows than there is room for, some are dropped."""
        values = state["values"][: len(self._buffer)].chunk(self._group.size, dim=1)[self._group.rank]
        self._buffer[: len(values)].copy_(values)
        self.added.fill_(int(state["added"]) if len(values) == len(self._buffer) else len(values))


class Ledger:
    """What a step is going to add to windows, in the order in which it comes."""

    def __init__(self, windows: Mapping[str, Window]) -> None:
        """``windows`` by name."""
        self._windows = windows
        self._rows: defaultdict[str, list[Tensor]] = defaultdict(list)

    def note(self, name: str, row: Tensor) -> None:
        """A row ``(width,)`` for the window of that name."""
        self._rows[name].append(row)

    def settle(self, made: Tensor | None) -> None:
        """An update is over. Where it may not have been ``made``, its rows are added now or never."""
        if made is not None:
            for name, rows in self._rows.items():
                for row in rows:
                    self._windows[name].add_if(made, row)
            self.clear()

    def book(self) -> None:
        """Add what was noted, all of a window's rows at once."""
        for name, rows in self._rows.items():
            self._windows[name].add(torch.stack(rows))
        self.clear()

    def clear(self) -> None:
        """Forget what was noted."""
        self._rows.clear()
