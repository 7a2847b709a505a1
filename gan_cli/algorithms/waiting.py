"""How long training waits for data."""

from __future__ import annotations

import time

from gan_cli.protocols.data import Sampler


class DataWait:
    """Share of the time between two reports that goes by waiting for data, where one may have to."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._since = (time.perf_counter(), 0.0)

    def figures(self) -> dict[str, float]:
        """``speed/data_wait``, in [0, 1], since the last call; nothing where the host never waits."""
        if self._sampler.waited is None:
            return {}
        (then, before), now = self._since, (time.perf_counter(), self._sampler.waited)
        self._since = now
        return {"speed/data_wait": (now[1] - before) / max(now[0] - then, 1e-9)}
