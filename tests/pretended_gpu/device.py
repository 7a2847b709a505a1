"""The pretended CUDA device in Python: the library behind it, and what ``torch.cuda`` says of it.

``device.cpp`` gives libtorch a device whose memory is the host's and whose kernels are the CPU's. A CPU build of torch
has no bindings for the rest - streams, events, CUDA graphs, properties - so these are replaced here.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.pretended_gpu.streams import Captures, Graph, PoolState, Stream, counted

if TYPE_CHECKING:
    import torch

MEMORY = 141 * 10**9
SYNC_DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}
# Files whose frames are not a place in the code that runs on the device.
PRETENDED = {("helpers", "recorders.py"), ("pretended_gpu", "device.py"), ("pretended_gpu", "streams.py")}


class PretendedDevice:
    """The device ``cuda:0`` of this process; to be made before torch is imported."""

    def __init__(self, library: Path) -> None:
        assert "torch" not in sys.modules, "torch has looked for its devices already"
        self._library = ctypes.CDLL(str(library))
        self._library.end_capture.restype = ctypes.c_bool
        self._library.wait_for_copies.restype = ctypes.c_bool
        self._library.wait_for_copies.argtypes = [ctypes.c_uint64]
        self._library.latest_copy.restype = self._library.take_overwritten.restype = ctypes.c_uint64
        self.captures = Captures()
        self.pools = PoolState()
        self.reports_waits = True
        self._sync_debug_mode = 0
        self._replace_bindings()

    def take_captures(self) -> Captures:
        """What was captured since the last call."""
        taken, self.captures = self.captures, Captures()
        return taken

    def take_faults(self) -> list[str]:
        """What has been left behind, and copies from memory that was changed too early, since the last call."""
        faults = {
            "the stream of a capture is still current": self.current_stream is not self._default_stream,
            "the allocator still records the memory of a graph": bool(self.pools.recording),
            "memory was changed before the copy from it had ended": self._library.take_overwritten() > 0,
        }
        return [fault for fault, found in faults.items() if found]

    def begin_capture(self, generators: Sequence[torch.Generator]) -> None:
        """From here on, an operation that no graph can hold is an error."""
        pointers = [generator._cdata for generator in generators]
        self._library.begin_capture((ctypes.c_uint64 * len(pointers))(*pointers), ctypes.c_size_t(len(pointers)))

    def end_capture(self) -> bool:
        """Whether the capture is valid."""
        return bool(self._library.end_capture())

    def latest_copy(self) -> int:
        """The number of the latest copy that the host does not wait for."""
        return int(self._library.latest_copy())

    def wait_for_copies(self, number: int = 2**64 - 1) -> None:
        """Let copies up to this number end; that makes a capture invalid."""
        if not self._library.wait_for_copies(number):
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    @contextlib.contextmanager
    def raising_on_waits(self) -> Iterator[None]:
        """Let operations that make the host wait raise."""
        before = self._sync_debug_mode
        self._sync_debug_mode = 2
        self._library.set_sync_debug_mode(2)
        try:
            yield
        finally:
            self._sync_debug_mode = before
            self._library.set_sync_debug_mode(before)

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
        pools = itertools.count(1)
        self.current_stream = self._default_stream = Stream()
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
            "mem_get_info": lambda _=None: (MEMORY, MEMORY),
            "get_device_capability": lambda _=None: (Properties.major, Properties.minor),
            "synchronize": lambda *_: self.wait_for_copies(),
            "set_sync_debug_mode": self.set_sync_debug_mode,
            "get_sync_debug_mode": lambda: self._sync_debug_mode,
            "empty_cache": lambda: None,
            "default_generators": generators,
            "Event": lambda **_: Event(self),
            "Stream": Stream,
            "current_stream": lambda *_: self.current_stream,
            "default_stream": lambda *_: self._default_stream,
            "set_stream": self._set_stream,
            "graph_pool_handle": lambda: (0, next(pools)),
            "CUDAGraph": lambda: Graph(self, (self._default_stream, generators[0])),
            "graph": counted(torch.cuda.graph),
        }
        for name, value in replacements.items():
            setattr(torch.cuda, name, value)
            if hasattr(torch.cuda.random, name):  # which has imported it by its name
                setattr(torch.cuda.random, name, value)
        internals = {
            "_host_emptyCache": lambda: None,
            "_cuda_endAllocateToPool": self.pools.end,
            "_cuda_releasePool": self.pools.release,
        }
        for name, value in internals.items():
            setattr(torch._C, name, value)
        common.amp_definitely_not_available = lambda: False
        torch.UntypedStorage.clone = _clone_on_any_device(torch.UntypedStorage.clone)  # type: ignore[method-assign]

    def _set_stream(self, stream: Stream) -> None:
        self.current_stream = stream


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
    """A place among the copies that the host does not wait for; everything else has happened when it is recorded."""

    def __init__(self, device: PretendedDevice) -> None:
        self._device = device
        self._recorded = 0

    def record(self, *_: Any) -> None:
        self._recorded = self._device.latest_copy()

    def synchronize(self) -> None:
        self._device.wait_for_copies(self._recorded)

    def elapsed_time(self, _: Event) -> float:
        return 0.0


def first_line(error: BaseException) -> str:
    """The type of an error, and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}"


def place(trace: TracebackType | None) -> str:
    """The innermost line outside of libraries, and of what captures, that a traceback passes through."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).parts[-2:] not in PRETENDED]
    frames = [frame for frame in frames if "site-packages" not in frame.filename]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "a place unknown"
