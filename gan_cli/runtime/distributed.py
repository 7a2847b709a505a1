"""Several processes that train one run: who is who, and what they tell each other (``torchrun``).

Each process holds the whole of both networks and computes on its share of every batch. What one process alone would
draw - latents, noise, the order of the data - all of them draw, and each keeps its own rows; gradients are averaged by
hand, one message for all of a network's, because penalties differentiate twice and an update of the game goes through
D more than once, which torch's ``DistributedDataParallel`` does not support.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]

from gan_cli.errors import CompanionError
from gan_cli.runtime import torchrun

Value = TypeVar("Value")

# An evaluation or a download by one process keeps the others waiting for as long.
PATIENCE = timedelta(hours=2)
# How the libraries below word that a process at the other end is gone.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "remote process exited")


class Group(Protocol):
    """The processes of a run.

    Attributes:
        rank: number of this one; 0 is the first, which alone writes.
        size: how many there are.
    """

    rank: int
    size: int

    def own(self, rows: Tensor, batch_size: int) -> Tensor:
        """This process's rows of batches that all share: ``(k size batch_size, ...) -> (k batch_size, ...)``."""
        ...

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over all processes; one message for all of them."""
        ...

    def total(self, values: Tensor) -> Tensor:
        """Sum over all processes, any shape; differentiable, any number of times."""
        ...

    def gathered(self, values: Tensor, dim: int) -> Tensor:
        """The values of all processes, joined along a dimension in the order of their ranks."""
        ...

    def of_first(self, compute: Callable[[], Value]) -> Value:
        """What the first process, and it alone, computes; an error of its is raised in all of them."""
        ...

    def of_each(self, value: Value) -> list[Value]:
        """The plain values of all processes, by rank."""
        ...

    def agreed(self, wish: Callable[[], bool]) -> Callable[[], bool]:
        """Whether any process wishes it: the same answer in all of them at the same question."""
        ...


class Alone:
    """The usual case: one process, which asks nobody."""

    rank = 0
    size = 1

    def own(self, rows: Tensor, batch_size: int) -> Tensor:
        """All of them."""
        return rows

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Nothing to do."""

    def total(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def gathered(self, values: Tensor, dim: int) -> Tensor:
        """The values themselves."""
        return values

    def of_first(self, compute: Callable[[], Value]) -> Value:
        """Computed here."""
        return compute()

    def of_each(self, value: Value) -> list[Value]:
        """The only one."""
        return [value]

    def agreed(self, wish: Callable[[], bool]) -> Callable[[], bool]:
        """The wish itself."""
        return wish


class Together:
    """Processes that ``torch.distributed`` has brought together."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    def own(self, rows: Tensor, batch_size: int) -> Tensor:
        """``(k size batch_size, ...) -> (k batch_size, ...)``."""
        return rows.reshape(-1, self.size, batch_size, *rows.shape[1:])[:, self.rank].flatten(0, 1)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """One message for all of them; on CPUs the process waits for it."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat.div_(self.size)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        means = [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        torch._foreach_copy_(list(tensors), means)

    def total(self, values: Tensor) -> Tensor:
        """Differentiable sum."""
        total: Tensor = _Total.apply(values)  # type: ignore[no-untyped-call]
        return total

    def gathered(self, values: Tensor, dim: int) -> Tensor:
        """Joined along ``dim``; the shapes must be equal."""
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(self.size)]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts, dim)

    def of_first(self, compute: Callable[[], Value]) -> Value:
        """Computed by the first process and sent to the others."""
        told: list[Any] = [None]
        if self.rank == 0:
            try:
                told = [_Told(value=compute())]
            except Exception as error:
                dist.broadcast_object_list([_Told(error=_portable(error))], src=0, device=torch.device("cpu"))
                raise
        dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        answer: _Told = told[0]
        if answer.error is not None:
            raise answer.error
        value: Value = answer.value
        return value

    def of_each(self, value: Value) -> list[Value]:
        """One message from each to each."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def agreed(self, wish: Callable[[], bool]) -> Callable[[], bool]:
        """An answer is that to the question before: it has travelled meanwhile, and nobody waits."""
        return _Agreement(wish)


@dataclass(frozen=True)
class _Told:
    value: Any = None
    error: Exception | None = None


def _portable(error: Exception) -> Exception:
    """The error, or where it cannot travel its name."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # what an error's parts may say to that has no end
        return RuntimeError(f"the first process failed: {type(error).__name__}: {error}")
    return error


class _Total(torch.autograd.Function):
    """A sum over processes. Each one's values count in the losses of all, so the gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        result: Tensor = _Total.apply(gradient)  # type: ignore[no-untyped-call]
        return result


class _Agreement:
    def __init__(self, wish: Callable[[], bool]) -> None:
        self._wish = wish
        self._asked = torch.zeros(())
        self._answer: dist.Work | None = None

    def __call__(self) -> bool:
        agreed = False
        if self._answer is not None:
            self._answer.wait()
            agreed = bool(self._asked)
        self._asked = torch.tensor(float(self._wish()))
        self._answer = dist.all_reduce(self._asked, dist.ReduceOp.MAX, async_op=True)
        return agreed


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Meet the other processes of this run, if it has any, and part from them at the end."""
    if not torchrun.launched():
        yield Alone()
        return
    _meet()
    try:
        yield Together()
    except RuntimeError as error:
        if any(words in str(error) for words in LOST):
            raise CompanionError("another process of this run has ended before its time; the run ends too") from error
        raise
    finally:
        dist.destroy_process_group()


def _meet() -> None:
    """Make the group of all processes that torchrun has started."""
    # Objects and wishes travel between CPUs, whatever the networks are on.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store = torchrun.agent_store()
    if store is None or not torchrun.on_one_machine():
        dist.init_process_group(backend, timeout=PATIENCE)
        return
    # By itself torch looks where those before a restart have left their addresses (pytorch#135712). The number of
    # restarts tells the two apart, but only on one machine: every machine counts its own.
    place = PrefixStore(f"gan_cli/restarts {torchrun.restarts()}", store)
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group(backend, store=place, rank=rank, world_size=size, timeout=PATIENCE)


def by_node(group: Group, compute: Callable[[], Value]) -> Value:
    """Computed by every process: first by one on each machine, which downloads and decodes, then by the others.

    An error of any process is raised in all of them.
    """
    results: list[Value] = []
    for turn in (True, False):
        failure: Exception | None = None
        if (torchrun.place_on_node() == 0) is turn:
            try:
                results.append(compute())
            except Exception as error:
                failure = error
        told = group.of_each(None if failure is None else _portable(failure))
        if failure is not None:
            raise failure
        for elsewhere in filter(None, told):
            raise elsewhere
    return results[0]
