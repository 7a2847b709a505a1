"""The pretended CUDA device in Python: the library behind it, and what ``torch.cuda`` says of it.

``device.cpp`` gives libtorch a device whose memory is the host's and whose kernels are the CPU's. A CPU build of torch
has no bindings for the rest - streams, events, CUDA graphs, properties - so these are replaced here.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from tests.helpers.recorders import Tape

MEMORY = 141 * 10**9
SYNC_DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}
TAPE = ("helpers", "recorders.py")


@dataclass
class Captures:
    """What was captured on the device.

    Attributes:
        graphs: those whose capture succeeded.
        failures: a message with its place in the code for each that failed.
        replays: launches of captured graphs.
    """

    graphs: int = 0
    failures: list[str] = field(default_factory=list)
    replays: int = 0


class PretendedDevice:
    """The device ``cuda:0`` of this process; to be made before torch is imported."""

    def __init__(self, library: Path) -> None:
        assert "torch" not in sys.modules, "torch has looked for its devices already"
        self._library = ctypes.CDLL(str(library))
        self.captures = Captures()
        self.reports_waits = True
        self._sync_debug_mode = 0
        self._replace_bindings()

    def take_captures(self) -> Captures:
        """What was captured since the last call."""
        taken, self.captures = self.captures, Captures()
        return taken

    def begin_capture(self, generators: Sequence[torch.Generator]) -> None:
        """From here on, an operation that no graph can hold is an error."""
        seeds = [generator.initial_seed() for generator in generators]
        self._library.begin_capture((ctypes.c_uint64 * len(seeds))(*seeds), ctypes.c_size_t(len(seeds)))

    def end_capture(self) -> None:
        self._library.end_capture()

    def set_sync_debug_mode(self, mode: int | str) -> None:
        """Say, where this is 1, or raise, where it is 2, that an operation makes the host wait; and of itself, once."""
        _warn_of_prototype()
        self._sync_debug_mode = SYNC_DEBUG_MODES[mode] if isinstance(mode, str) else mode
        self._library.set_sync_debug_mode(self._sync_debug_mode if self.reports_waits else 0)

    def _replace_bindings(self) -> None:
        import torch
        from torch.cuda.amp import common

        self._library.next_generator_is_default()
        generators = (torch.Generator("cuda"),)
        replacements = {
            "_lazy_init": lambda: None,
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "is_bf16_supported": lambda *_, **__: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "set_device": lambda _: None,
            "get_device_properties": lambda _: Properties(),
            "get_device_name": lambda _: Properties.name,
            "get_device_capability": lambda _=None: (Properties.major, Properties.minor),
            "synchronize": lambda *_: None,
            "set_sync_debug_mode": self.set_sync_debug_mode,
            "get_sync_debug_mode": lambda: self._sync_debug_mode,
            "empty_cache": lambda: None,
            "default_generators": generators,
            "Event": Event,
            "Stream": Stream,
            "current_stream": lambda *_: Stream(),
            "stream": lambda _: contextlib.nullcontext(),
            "graph_pool_handle": lambda: (0, 1),
            "CUDAGraph": lambda: Graph(self),
            "graph": Capture,
        }
        for name, value in replacements.items():
            setattr(torch.cuda, name, value)
            if hasattr(torch.cuda.random, name):  # which has imported it by its name
                setattr(torch.cuda.random, name, value)
        common.amp_definitely_not_available = lambda: False
        torch.UntypedStorage.clone = _clone_on_any_device(torch.UntypedStorage.clone)  # type: ignore[method-assign]


@functools.cache
def _warn_of_prototype() -> None:
    warnings.warn(
        "Synchronization debug mode is a prototype feature and does not yet detect all synchronizing operations",
        stacklevel=3,
    )


def _clone_on_any_device(clone: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``UntypedStorage.clone``, as ``copy.deepcopy`` calls it; a CPU build makes no storage of another device."""
    import torch

    def clone_on_any_device(storage: torch.UntypedStorage) -> Any:
        if storage.device.type == "cpu":
            return clone(storage)
        return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage).clone().untyped_storage()

    return clone_on_any_device


class Properties:
    """Of a recent card."""

    name = "pretended"
    uuid = "GPU-pretended"
    total_memory = MEMORY
    major, minor = 9, 0


class Event:
    """An event that has always happened: the device works while the host waits."""

    def __init__(self, **_: Any) -> None:
        pass

    def record(self, *_: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, _: Event) -> float:
        return 0.0


class Stream:
    """The only stream, whatever its name."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def wait_stream(self, _: Stream) -> None:
        pass


class Graph:
    """A CUDA graph: the operations of a step, which are repeated on the same memory."""

    def __init__(self, device: PretendedDevice) -> None:
        self.device = device
        self.generators: list[torch.Generator] = []
        self.tape: Tape | None = None

    def register_generator_state(self, generator: torch.Generator) -> None:
        """Let steps draw from the generator."""
        self.generators.append(generator)

    def replay(self) -> None:
        assert self.tape is not None, "replay before the end of the capture"
        self.device.captures.replays += 1
        self.tape.replay()


class Capture:
    """``torch.cuda.graph``: what happens inside is captured; what it changes is undone, as a GPU only notes it."""

    def __init__(self, graph: Graph, pool: object, stream: Stream, capture_error_mode: str) -> None:
        self._graph = graph
        self._device = graph.device
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> None:
        from tests.helpers.recorders import Tape

        self._tape = self._stack.enter_context(Tape())
        self._device.begin_capture(self._graph.generators)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._device.end_capture()
        self._stack.close()
        self._tape.undo()
        if error is None:
            self._graph.tape = self._tape
            self._device.captures.graphs += 1
        else:
            self._device.captures.failures.append(f"{first_line(error)} at {place(trace)}")


def first_line(error: BaseException) -> str:
    """The type of an error, and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}"


def place(trace: TracebackType | None) -> str:
    """The innermost line outside of libraries, and of what captures, that a traceback passes through."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).parts[-2:] != TAPE]
    frames = [frame for frame in frames if "site-packages" not in frame.filename]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "a place unknown"
