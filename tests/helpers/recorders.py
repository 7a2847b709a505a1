"""A stand-in for a CUDA graph that runs anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from gan_cli.runtime.cuda_graphs import CapturedGraph, Result


class FakeRecorder:
    """Records the operations of a step, and replays them on the same memory, as a CUDA graph does.

    Python does not run at a replay: what the step read of the host, a number or an address, is as it was when it was
    recorded. Random streams continue. One difference: a CUDA graph does nothing while it is recorded, and this does; so
    what the recording changed is put back, from copies of all tensors that were there before.
    """

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0
        self.warmed_up = 0

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        self.warmed_up += 1
        return launch()

    def rehearse(self, launch: Callable[[], Result]) -> tuple[Result, str | None]:
        return self.warm_up(launch), None

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        self.recorded += 1
        with Tape() as tape:
            result = launch()
        tape.undo()

        def replay() -> None:
            self.replayed += 1
            tape.replay()

        return CapturedGraph(replay, result)


class Tape(TorchDispatchMode):
    """Records the operations inside, on whatever device; :meth:`undo` undoes them, :meth:`replay` repeats them."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._streams: dict[int, tuple[torch.Generator, Tensor]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        reads = function is torch.ops.aten._local_scalar_dense.default
        assert not reads or args[0].is_cuda, "the step reads a number of the device"  # a CUDA device objects itself
        for value in tree_flatten((args, kwargs))[0]:
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                key = storage.data_ptr()
                if key not in self._before and key not in self._made:
                    whole = value.new_empty(0).set_(storage)
                    self._before[key] = (whole, whole.clone())
            if isinstance(value, torch.Generator) and id(value) not in self._streams:
                self._streams[id(value)] = (value, value.get_state())
        out = function(*args, **kwargs)
        results = [value for value in tree_flatten(out)[0] if isinstance(value, Tensor)]
        self._made |= {value.untyped_storage().data_ptr() for value in results} - self._before.keys()
        self._operations.append((function, args, kwargs, results))
        return out

    def undo(self) -> None:
        for tensor, content in self._before.values():
            tensor.copy_(content)
        for stream, state in self._streams.values():
            stream.set_state(state)

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, recorded in self._operations:
            again = [value for value in tree_flatten(function(*args, **kwargs))[0] if isinstance(value, Tensor)]
            for old, new in zip(recorded, again, strict=True):
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)
