"""A copy of a state in host memory that training cannot change any more, for a checkpoint to be written from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Snapshot:
    """A copied state; on a CUDA device the copy may still be on its way.

    Attributes:
        copied: when all of it has arrived, or None where it has.
    """

    _state: dict[str, Any]
    copied: torch.cuda.Event | None

    def state(self) -> dict[str, Any]:
        """The state, on the CPU; waits until it has arrived."""
        if self.copied is not None:
            self.copied.synchronize()
        return self._state


def snapshot(state: dict[str, Any]) -> Snapshot:
    """Copy tensors to the host and containers with them; plain values are taken as they are.

    Every storage is copied once, so that tensors which share one still do, and the file grows by nothing. Of a storage
    that the state uses less than half of (a run's part of replicas) only the parts are copied.

    On a CUDA device the copies are queued, into page-locked memory, behind the step and before the next one: the host
    goes on at once.
    """
    tensors = list(_tensors(state))
    used: dict[int, int] = {}
    for tensor in {_view_key(each): each for each in tensors}.values():
        used[_storage_id(tensor)] = used.get(_storage_id(tensor), 0) + tensor.nbytes
    storages: dict[int, Tensor] = {}
    views: dict[tuple[Any, ...], Tensor] = {}

    def copied(tensor: Tensor) -> Tensor:
        view = _view_key(tensor)
        if view not in views:
            views[view] = place(tensor.detach())
        return views[view]

    def place(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if 2 * used[_storage_id(tensor)] < storage.nbytes():
            return _to_host(tensor)
        if _storage_id(tensor) not in storages:
            whole = torch.empty(0, dtype=torch.uint8, device=tensor.device)
            whole.set_(storage)  # as one row of bytes
            storages[_storage_id(tensor)] = _to_host(whole)
        target = torch.empty(0, dtype=tensor.dtype)
        bytes_of = storages[_storage_id(tensor)].untyped_storage()
        target.set_(bytes_of, tensor.storage_offset(), tensor.shape, tensor.stride())
        return target

    with torch.no_grad():
        content: dict[str, Any] = _map_tensors(state, copied)
    event = None
    if any(tensor.is_cuda for tensor in tensors):
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
    return Snapshot(content, event)


def _to_host(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", non_blocking=tensor.is_cuda, copy=True)


def _storage_id(tensor: Tensor) -> int:
    """What tells one storage from another while both live."""
    return int(tensor.untyped_storage()._cdata)


def _view_key(tensor: Tensor) -> tuple[Any, ...]:
    """What tells one tensor's place in memory from another's."""
    return _storage_id(tensor), tensor.dtype, tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nest of containers with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        # Modules give their states in a dictionary that carries the versions of its parts.
        changed = copy.copy(value)
        for key, each in value.items():
            changed[key] = _map_tensors(each, change)
        return changed
    if isinstance(value, list | tuple):
        return type(value)(_map_tensors(each, change) for each in value)
    return value
