"""Streams, events and graphs of the pretended device: a capture that fails leaves what it leaves on a GPU."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from tests.helpers.recorders import Tape

Pool = tuple[int, int]


@dataclass
class Captures:
    """What was captured on the device.

    Attributes:
        graphs: those whose capture succeeded.
        failures: what was raised in each that failed.
        replays: launches of captured graphs.
    """

    graphs: int = 0
    failures: list[BaseException] = field(default_factory=list)
    replays: int = 0


class CaptureDevice(Protocol):
    """What a graph needs of the device."""

    captures: Captures
    pools: PoolState
    current_stream: Stream

    def begin_capture(self, generators: Sequence[torch.Generator]) -> None:
        """From here on, an operation that no graph can hold is an error."""
        ...

    def end_capture(self) -> bool:
        """Whether the capture is valid."""
        ...


class PoolState:
    """The allocator's pools of memory for graphs."""

    def __init__(self) -> None:
        self.recording: set[Pool] = set()
        self.used: Counter[Pool] = Counter()

    def begin(self, pool: Pool) -> None:
        assert pool not in self.recording, "beginAllocateToPool: already recording to mempool_id"
        self.recording.add(pool)
        self.used[pool] += 1

    def end(self, _: int, pool: Pool) -> None:
        if pool not in self.recording:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.recording.remove(pool)

    def release(self, _: int, pool: Pool) -> None:
        assert self.used[pool] > 0, "releasePool: more often than begun"
        self.used[pool] -= 1


class Stream:
    """A name for the only stream there is."""

    device: torch.device

    def __init__(self, *_: Any, **__: Any) -> None:
        import torch

        self.device = torch.device("cuda", 0)

    def wait_stream(self, _: Stream) -> None:
        pass


class Graph:
    """A CUDA graph: the operations of a step, which are repeated on the same memory."""

    def __init__(self, device: CaptureDevice, default: tuple[Stream, torch.Generator]) -> None:
        self.device = device
        self._default_stream, generator = default
        self.generators = [generator]
        self._pool: Pool | None = None
        self._tape: Tape | None = None
        self._stack = contextlib.ExitStack()

    def register_generator_state(self, generator: torch.Generator) -> None:
        """Let steps draw from the generator."""
        self.generators.append(generator)

    def capture_begin(self, pool: Pool, **_: Any) -> None:
        from tests.helpers.recorders import Tape

        if self.device.current_stream is self._default_stream:
            raise RuntimeError("CUDA graphs must be captured on a non-default stream.")
        self._pool = pool
        self.device.pools.begin(pool)
        self._recorded = self._stack.enter_context(Tape())
        self.device.begin_capture(self.generators)

    def capture_end(self) -> None:
        """End the capture. Where it is invalid, generators and allocator are left as they are in torch 2.11."""
        valid = self.device.end_capture()
        self._stack.close()
        self._recorded.undo()  # a GPU has only noted it
        if not valid:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        assert self._pool is not None
        self.device.pools.end(0, self._pool)
        self._tape = self._recorded

    def replay(self) -> None:
        assert self._tape is not None, "replay before the end of the capture"
        self.device.captures.replays += 1
        self._tape.replay()

    def __del__(self) -> None:
        if self._tape is not None and self._pool is not None:
            self.device.pools.release(0, self._pool)


def counted(graph: type[Any]) -> type[Any]:
    """``torch.cuda.graph``, which notes what is captured, and what is raised meanwhile."""

    class Capture(graph):  # type: ignore[misc]
        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            captures: Captures = self.cuda_graph.device.captures
            if error is not None:
                captures.failures.append(error)
            super().__exit__(kind, error, trace)
            captures.graphs += error is None

    return Capture
