"""Process groups: several processes that train one run, started by ``torchrun``, and their collectives.

Each process holds a replica of both networks and computes on its shard of every batch. Random numbers that a single
process would draw - latents, noise, the order of the data - are drawn by all of them, and each keeps its own rows.
Gradients are averaged by hand, in one all-reduce for all of a network's, because penalties differentiate twice and an
update passes through D more than once, which torch's ``DistributedDataParallel`` does not support.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from gan_cli.errors import MAX_VALUE_LENGTH, ConfigError, WorkerLostError
from gan_cli.runtime import torchrun

Value = TypeVar("Value")

# Other ranks wait this long at most, while one evaluates or downloads.
TIMEOUT = timedelta(hours=2)
# Without torchrun, which starts all processes together: until a line says what is waited for, and until the error.
NOTICE_SECONDS = 5.0
MEETING_TIMEOUT = timedelta(minutes=5)
# Fragments of the error messages by which Gloo and NCCL report that a peer is gone.
CONNECTION_LOST_MESSAGES = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited",
)


class ProcessGroup(Protocol):
    """Interface of the processes of a run.

    Attributes:
        rank: of this process; only rank 0 writes files.
        size: number of processes (the world size).
    """

    rank: int
    size: int

    def local_shard(self, rows: Tensor, batch_size: int) -> Tensor:
        """Return this process's rows of k global batches: ``(k size batch_size, ...) -> (k batch_size, ...)``."""
        ...

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over all processes, in place, with one all-reduce for all of them."""
        ...

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, of any shape; differentiable, any number of times."""
        ...

    def all_gather(self, values: Tensor, dim: int) -> Tensor:
        """Return the values of all processes, concatenated along ``dim`` in the order of their ranks."""
        ...

    def broadcast_from_rank0(self, compute: Callable[[], Value]) -> Value:
        """Return what ``compute`` returns on rank 0, the only one to call it; its error is raised on all ranks."""
        ...

    def all_gather_object(self, value: Value) -> list[Value]:
        """Return the picklable values of all processes, by rank."""
        ...

    def any_rank(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        """Return a function that tells whether ``condition`` holds on any rank, with the same answer on all of them.

        All ranks have to call it equally often.
        """
        ...


class SingleProcess:
    """A group of one process, whose collectives return their arguments."""

    rank = 0
    size = 1

    def local_shard(self, rows: Tensor, batch_size: int) -> Tensor:
        return rows

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        pass

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        return values

    def all_gather(self, values: Tensor, dim: int) -> Tensor:
        return values

    def broadcast_from_rank0(self, compute: Callable[[], Value]) -> Value:
        return compute()

    def all_gather_object(self, value: Value) -> list[Value]:
        return [value]

    def any_rank(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        return condition


class DistributedGroup:
    """The default process group of ``torch.distributed``."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    def local_shard(self, rows: Tensor, batch_size: int) -> Tensor:
        return rows.reshape(-1, self.size, batch_size, *rows.shape[1:])[:, self.rank].flatten(0, 1)

    @torch.no_grad()
    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """All-reduce the tensors as one; blocks the calling process on CPUs."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat.div_(self.size)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        means = [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        torch._foreach_copy_(list(tensors), means)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        total: Tensor = _AllReduceSum.apply(values)  # type: ignore[no-untyped-call]
        return total

    def all_gather(self, values: Tensor, dim: int) -> Tensor:
        """Concatenate along ``dim``; the shapes must be equal on all ranks."""
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(self.size)]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts, dim)

    def broadcast_from_rank0(self, compute: Callable[[], Value]) -> Value:
        message: list[Any] = [None]
        if self.rank == 0:
            try:
                message = [_Broadcast(value=compute())]
            except Exception as error:
                dist.broadcast_object_list([_Broadcast(error=_picklable(error))], src=0, device=torch.device("cpu"))
                raise
        dist.broadcast_object_list(message, src=0, device=torch.device("cpu"))
        received: _Broadcast = message[0]
        if received.error is not None:
            raise received.error
        value: Value = received.value
        return value

    def all_gather_object(self, value: Value) -> list[Value]:
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def any_rank(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        """Return a function whose answer is one call old: the all-reduce runs meanwhile, and no rank waits for it."""
        return _AsyncAnyRank(condition)


@dataclass(frozen=True)
class _Broadcast:
    value: Any = None
    error: Exception | None = None


def _picklable(error: Exception) -> Exception:
    """Return the error, or one that names it where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # the error's attributes may raise anything
        return RuntimeError(f"rank 0 failed: {type(error).__name__}: {error}")
    return error


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes. Each rank's values enter the losses of all, so the gradients are summed as well.

    torch has two of its own, with the same first, second and third derivatives in torch 2.13, but
    ``torch.distributed.nn.functional.all_reduce`` is deprecated there and warns, and its successor, in the private
    ``torch.distributed._functional_collectives``, cannot be differentiated in the earlier releases that are supported.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        result: Tensor = _AllReduceSum.apply(gradient)  # type: ignore[no-untyped-call]
        return result


class _AsyncAnyRank:
    """Asynchronous maximum of a condition over all ranks; each call returns the result that the last one started."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition
        self._flag = torch.zeros(())
        self._pending: dist.Work | None = None

    def __call__(self) -> bool:
        result = False
        if self._pending is not None:
            self._pending.wait()
            result = bool(self._flag)
        self._flag = torch.tensor(float(self._condition()))
        self._pending = dist.all_reduce(self._flag, dist.ReduceOp.MAX, async_op=True)
        return result


@contextlib.contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Initialize the process group of this run, and destroy it at the end; a group of one outside ``torchrun``.

    Raises:
        WorkerLostError: another process of the run has ended meanwhile.
    """
    if not torchrun.is_distributed():
        yield SingleProcess()
        return
    _init_process_group()
    try:
        yield DistributedGroup()
    except RuntimeError as error:
        if any(words in str(error) for words in CONNECTION_LOST_MESSAGES):
            raise WorkerLostError("another process of this run has ended before its time; the run ends too") from error
        raise
    finally:
        dist.destroy_process_group()


def _init_process_group() -> None:
    """Initialize the default process group of all processes that torchrun has started."""
    # Objects and stop requests are exchanged between CPUs, whatever device the networks are on.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    rank, size = torchrun.rank(), torchrun.world_size()
    store = torchrun.agent_store()
    if store is None:
        dist.init_process_group(backend, store=_meet(rank, size), rank=rank, world_size=size, timeout=TIMEOUT)
        return
    if not torchrun.is_single_node():
        dist.init_process_group(backend, timeout=TIMEOUT)
        return
    # After a restart torch would read the addresses that the failed processes stored (pytorch#135712). The number of
    # restarts as a prefix separates the two, but only on one machine: every machine counts its own.
    prefixed = PrefixStore(f"gan_cli/restarts {torchrun.restart_count()}", store)
    dist.init_process_group(backend, store=prefixed, rank=rank, world_size=size, timeout=TIMEOUT)


def _meet(rank: int, size: int) -> TCPStore:
    """Return the store at which processes meet that were started without torchrun, by Slurm for example.

    Raises:
        ConfigError: they have not all come in time.
    """
    host, port = torchrun.master_address()
    others = f"the other processes at MASTER_ADDR={host}, MASTER_PORT={port}"
    # On every rank: rank 0, which alone logs, may be the one that does not come.
    notice = threading.Timer(NOTICE_SECONDS, print, [f"rank {rank}: waiting for {others}"], {"file": sys.stderr})
    notice.daemon = True
    notice.start()
    try:
        socket.getaddrinfo(host, port)  # torch would ask for an unknown host again and again
        if rank > 0:
            _wait_for_listener(host, port)
        return TCPStore(host, port, size, is_master=rank == 0, timeout=MEETING_TIMEOUT)
    except (OSError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), "")[:MAX_VALUE_LENGTH]
        raise ConfigError(f"WORLD_SIZE={size}, RANK={rank}: {others} were not met: {reason}") from error
    finally:
        notice.cancel()


def _wait_for_listener(host: str, port: int) -> None:
    """Wait until something listens at an address; raises ``OSError`` after the time within which processes meet.

    torch's client would wait as well, but not notice signals meanwhile, and write C++ stack traces.
    """
    end = time.monotonic() + MEETING_TIMEOUT.total_seconds()
    while True:
        try:
            socket.create_connection((host, port), timeout=NOTICE_SECONDS).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def local_rank0_first(group: ProcessGroup, compute: Callable[[], Value]) -> Value:
    """Call ``compute`` on every rank: first on local rank 0 of each machine, which downloads and decodes.

    The other ranks call it afterwards. An error of any rank is raised on all of them.
    """
    results: list[Value] = []
    for first in (True, False):
        failure: Exception | None = None
        if (torchrun.local_rank() == 0) is first:
            try:
                results.append(compute())
            except Exception as error:
                failure = error
        failures = group.all_gather_object(None if failure is None else _picklable(failure))
        if failure is not None:
            raise failure
        for failure_elsewhere in filter(None, failures):
            raise failure_elsewhere
    return results[0]
