"""Records the matrix products, convolutions and updates of state in the steps of an algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from gan_cli.bench.results import Work
from gan_cli.bench.trial import StepBenchmark
from gan_cli.components.ema import MovingAverage
from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.protocols.algorithm import Algorithm


@dataclass(frozen=True)
class Operand:
    """Layout of a tensor that a product reads or writes, without its values.

    Attributes:
        address: of its storage, by which operands that share memory are known.
        storage_bytes: size of the storage.
        dtype: number format.
        shape: of the tensor.
        strides: of the tensor, in elements.
        offset: of its first element in the storage, in elements.
    """

    address: int
    storage_bytes: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, tensor: Tensor) -> Operand:
        """Describe the layout of a tensor."""
        storage = tensor.untyped_storage()
        return cls(
            storage.data_ptr(),
            storage.nbytes(),
            tensor.dtype,
            tuple(tensor.shape),
            tensor.stride(),
            int(tensor.storage_offset()),
        )

    @property
    def layout(self) -> tuple[object, ...]:
        """Number format, shape and strides, on which the time of a product depends."""
        return self.dtype, self.shape, self.strides


@dataclass(frozen=True)
class Product:
    """A matrix product or convolution, forward or backward, as the step called it.

    Attributes:
        op: operator of torch.
        args: its arguments, with an :class:`Operand` in place of each tensor.
        kwargs: likewise; without ``out``.
        outputs: the tensors that it writes.
        flops: floating-point operations by torch's own formula, two for a multiplication with an addition.
    """

    op: OpOverload[Any, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Operand, ...]
    flops: int

    @property
    def key(self) -> tuple[object, ...]:
        """The same for products whose times are comparable: operator, layouts and options."""

        def described(value: object) -> object:
            return value.layout if isinstance(value, Operand) else str(value)

        arguments = tree_leaves((self.args, self.kwargs), is_leaf=lambda value: value is None)
        return self.op.overloadpacket, *map(described, arguments), *map(described, self.outputs)


@dataclass(frozen=True)
class StateUpdate:
    """One update of state that outlives a step: of weights and the optimizer's moments, or of a moving average.

    Attributes:
        elements: numbers in each of the arrays.
        replaced: arrays that are read and written: weights and moments, or the average.
        consumed: arrays that are only read: the gradient.
        dtype: number format of the arrays.
        copied_to: number format in which products read the weights, if they need a copy; one is written an update.
    """

    elements: int
    replaced: int
    consumed: int
    dtype: torch.dtype
    copied_to: torch.dtype | None = None

    @property
    def bytes_read(self) -> int:
        return self.elements * self.dtype.itemsize * (self.replaced + self.consumed)

    @property
    def bytes_written(self) -> int:
        copy = 0 if self.copied_to is None else self.copied_to.itemsize
        return self.elements * (self.dtype.itemsize * self.replaced + copy)


Event: TypeAlias = Product | StateUpdate


@dataclass(frozen=True)
class Recording:
    """Products and updates of state of one period of steps, in their order.

    Attributes:
        events: products and updates.
        steps: number of steps.
        images: real samples shown to D in them.
    """

    events: Sequence[Event]
    steps: int
    images: int

    @property
    def products(self) -> list[Product]:
        return [event for event in self.events if isinstance(event, Product)]

    @property
    def updates(self) -> list[StateUpdate]:
        return [event for event in self.events if isinstance(event, StateUpdate)]

    @property
    def work(self) -> Work:
        """Work of a step, as the mean over the period."""
        flops = sum(product.flops for product in self.products) / self.steps
        images = self.images / self.steps
        return Work(flops, images, flops / images)


def record(bench: StepBenchmark) -> Recording:
    """Run one period of steps, which have to be eager, and record them."""
    before = bench.algorithm.images_seen
    recorder = _Recorder(list(_states(bench.algorithm, bench.autocast)))
    with recorder:
        bench.advance(bench.period)
    return Recording(recorder.events, bench.period, bench.algorithm.images_seen - before)


@dataclass(frozen=True)
class _State:
    """Tensors whose update is an event, by the addresses of their first elements."""

    addresses: frozenset[int]
    update: StateUpdate


def _states(algorithm: Algorithm, autocast: torch.dtype | None) -> Iterator[_State]:
    """Yield the state that optimizers and moving averages of an algorithm update."""
    for member in _members(algorithm):
        if isinstance(member, ScheduledOptimizer):
            yield _State(_addresses(member.parameters), _update_by(member, autocast))
        elif isinstance(member, MovingAverage):
            tensors = [*member.network.parameters(), *member.network.buffers()]
            floating = [tensor for tensor in tensors if tensor.is_floating_point()]
            # The weights were read, and written, by the optimizer.
            yield _State(_addresses(floating), StateUpdate(_numel(floating), 1, 0, floating[0].dtype))


def _members(algorithm: Algorithm) -> Iterator[object]:
    """Yield the attributes of an algorithm, and those of the objects it delegates to."""
    for member in vars(algorithm).values():
        yield member
        if type(member).__module__.startswith("gan_cli."):
            yield from getattr(member, "__dict__", {}).values()


def _update_by(optimizer: ScheduledOptimizer, autocast: torch.dtype | None) -> StateUpdate:
    parameters = optimizer.parameters
    moments = optimizer.moments(parameters[0])
    if optimizer.optimizer.param_groups[0].get("betas", (1.0,))[0] == 0:
        moments.pop("exp_avg", None)  # the gradient itself
    return StateUpdate(_numel(parameters), 1 + len(moments), 1, parameters[0].dtype, autocast)


def _numel(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _addresses(tensors: Sequence[Tensor]) -> frozenset[int]:
    return frozenset(tensor.data_ptr() for tensor in tensors)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every product that is executed, and every update of state: the first write after a product."""

    def __init__(self, states: Sequence[_State]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._states = states
        self._pending = list(states)
        self.events: list[Event] = []

    def __torch_dispatch__(
        self, func: OpOverload[Any, Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self._add_product(func, args, kwargs, result, formula(*args, **kwargs, out_val=result))
        elif self._pending and func._schema.is_mutable:
            self._add_updates(_written(func, args, kwargs))
        return result

    def _add_product(
        self, func: OpOverload[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, flops: int
    ) -> None:
        inputs = {key: value for key, value in kwargs.items() if key != "out"}
        described, options = tree_map_only(Tensor, Operand.of, (args, inputs))
        outputs = [Operand.of(tensor) for tensor in tree_leaves(result) if isinstance(tensor, Tensor)]
        self.events.append(Product(func, described, options, tuple(outputs), flops))
        self._pending = list(self._states)

    def _add_updates(self, written: frozenset[int]) -> None:
        due = [state for state in self._pending if state.addresses & written]
        # Several optimizers may share their parameters.
        self.events += list({state.addresses: state.update for state in due}.values())
        self._pending = [state for state in self._pending if not state.addresses & written]


def _written(func: OpOverload[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> frozenset[int]:
    """Return the addresses of the tensors that an operator writes in place."""
    values = [
        args[index] if index < len(args) else kwargs.get(argument.name)
        for index, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    return _addresses([leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)])
