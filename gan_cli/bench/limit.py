"""The limit of a step: its matrix products, convolutions and updates of state alone, by the fastest calls there are.

A step cannot do without its products, nor without reading and writing weights, moments and moving average once an
update. All else, activations and normalization, data, copies and Python, counts as avoidable here.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from gan_cli.bench.recording import Operand, Product, Recording, StateUpdate
from gan_cli.bench.results import Limit, Quartiles, Spread
from gan_cli.bench.trial import StepBenchmark
from gan_cli.runtime import cpu
from gan_cli.runtime.cuda_graphs import WARMUP_STEPS, CudaGraphRecorder
from gan_cli.runtime.synchronization import synchronizer

aten = torch.ops.aten

Call: TypeAlias = Callable[[], object]

# Products that have a kernel for preallocated outputs; torch copies those of the others.
INTO_OUTPUT: Mapping[Any, Callable[..., object]] = {
    aten.mm: torch.mm,
    aten.addmm: torch.addmm,
    aten.bmm: torch.bmm,
    aten.baddbmm: torch.baddbmm,
}
# Names of the calls among which the fastest is chosen.
AS_IN_RUN, MKL, ONEDNN, ONEDNN_LINEAR = "as in a run", "MKL", "oneDNN", "oneDNN linear"
# Calls of a product until the fastest way is chosen: this many rounds over all ways, and seconds of a way in a round.
ROUNDS = 5
ROUND_SECONDS = 2e-3
# Turns of the steps and of their limit.
TURNS = 7
# Standard deviation of the factors: products of products stay far from the ends of float32's range.
FACTOR_SCALE = 2.0**-5


class MinimalSteps:
    """Executes what a recorded period of steps cannot do without.

    Attributes:
        recording: of the period.
        ways: for each of its products, the name of the call that was the fastest.
    """

    def __init__(self, recording: Recording, device: torch.device) -> None:
        """Allocate all operands and choose the fastest call of each product."""
        self.recording = recording
        self.ways: list[str] = []
        self._synchronize = synchronizer(device)
        memory = _Memory(recording.products, device)
        precisions = _exact_precisions(device)
        chosen: dict[tuple[object, ...], str] = {}
        self._calls: list[list[Call]] = []
        for event in recording.events:
            if isinstance(event, StateUpdate):
                self._calls.append(_state_calls(event, device))
                continue
            ways = _ways(event, memory, precisions)
            if event.key not in chosen:
                chosen[event.key] = _fastest(ways) if len(ways) > 1 else next(iter(ways))
            self.ways.append(chosen[event.key])
            self._calls.append([ways[chosen[event.key]]])
        self._run: Call = self._execute
        if device.type == "cuda":
            recorder = CudaGraphRecorder(device, list)
            for _ in range(WARMUP_STEPS):
                recorder.warm_up(self._execute)
            self._run = recorder.capture(self._execute).replay
        else:
            self._execute()

    def time(self, periods: int) -> float:
        """Return the seconds of several periods; waits for the device only before the first and after the last."""
        self._synchronize()
        start = time.perf_counter()
        for _ in range(periods):
            self._run()
        self._synchronize()
        return time.perf_counter() - start

    def time_events(self, periods: int) -> list[float]:
        """Return the seconds of each event of a period, as the mean over several, by waiting after each event."""
        totals = [0.0] * len(self._calls)
        for _ in range(periods):
            for index, calls in enumerate(self._calls):
                start = time.perf_counter()
                for call in calls:
                    call()
                self._synchronize()
                totals[index] += time.perf_counter() - start
        return [total / periods for total in totals]

    def _execute(self) -> None:
        for calls in self._calls:
            for call in calls:
                call()


def measure(bench: StepBenchmark, minimal: MinimalSteps, seconds: float) -> Limit:
    """Time steps and their limit in turns, which take about ``seconds`` in all."""
    period = minimal.recording.steps
    steps = bench.steps_within(seconds / (2 * TURNS))
    turns: dict[str, list[float]] = {"step": [], "limit": []}
    times = {"step": lambda: bench.time_steps(steps), "limit": lambda: minimal.time(steps // period)}
    order = list(times)
    for _ in range(TURNS):
        for name in order:
            turns[name].append(times[name]() / steps)
        order.reverse()
    recording = minimal.recording
    return Limit(
        products=len(recording.products) / period,
        bytes_read=sum(update.bytes_read for update in recording.updates) / period,
        bytes_written=sum(update.bytes_written for update in recording.updates) / period,
        milliseconds=Spread.of([1e3 * each for each in turns["limit"]]),
        step_milliseconds=Spread.of([1e3 * each for each in turns["step"]]),
        share=Quartiles.of([limit / step for limit, step in zip(turns["limit"], turns["step"], strict=True)]),
    )


class _Memory:
    """Operands of the products; those that shared memory in the step share it here, so that caches do as much.

    Inputs and outputs are apart: what is written is never read, so that values stay what they are.
    """

    def __init__(self, products: Iterable[Product], device: torch.device) -> None:
        self._device = device
        self._random = torch.Generator().manual_seed(0)
        self._sizes: defaultdict[tuple[int, torch.dtype], int] = defaultdict(int)
        for product in products:
            for operand in tree_leaves((product.args, product.kwargs, product.outputs)):
                if isinstance(operand, Operand):
                    size = operand.storage_bytes // operand.dtype.itemsize
                    self._sizes[operand.address, operand.dtype] = max(size, self._sizes[operand.address, operand.dtype])
        self._inputs: dict[tuple[int, torch.dtype], Tensor] = {}
        self._outputs: dict[tuple[int, torch.dtype], Tensor] = {}

    def input(self, operand: Operand) -> Tensor:
        """Return a tensor of that layout, filled with normally distributed numbers."""
        key = operand.address, operand.dtype
        if key not in self._inputs:
            values = torch.empty(self._sizes[key]).normal_(0, FACTOR_SCALE, generator=self._random)
            self._inputs[key] = values.to(self._device, operand.dtype)
        return self._inputs[key].as_strided(operand.shape, operand.strides, operand.offset)

    def output(self, operand: Operand) -> Tensor:
        """Return a tensor of that layout, to be overwritten."""
        key = operand.address, operand.dtype
        if key not in self._outputs:
            self._outputs[key] = torch.zeros(self._sizes[key], device=self._device, dtype=operand.dtype)
        return self._outputs[key].as_strided(operand.shape, operand.strides, operand.offset)


def _exact_precisions(device: torch.device) -> dict[str, str]:
    """Return the settings of torch's matmul precision that compute float32 products exactly, by their library."""
    if device.type != "cpu":
        return {}
    return {MKL: "highest", **({ONEDNN: "medium"} if cpu.onednn_is_exact() else {})}


def _ways(product: Product, memory: _Memory, precisions: Mapping[str, str]) -> dict[str, Call]:
    """Return the calls of the libraries that compute a product, by name."""
    args, kwargs = tree_map_only(Operand, memory.input, (product.args, product.kwargs))
    into_output = INTO_OUTPUT.get(product.op.overloadpacket)
    if into_output is None:
        return {AS_IN_RUN: partial(product.op, *args, **kwargs)}
    (output,) = map(memory.output, product.outputs)
    call = partial(into_output, *args, **kwargs, out=output)
    if not precisions or output.dtype != torch.float32:
        return {AS_IN_RUN: call}
    current = torch.get_float32_matmul_precision()
    ways: dict[str, Call] = {
        name: call if precision == current else partial(_at_precision, precision, call)
        for name, precision in precisions.items()
    }
    linear = _linear(product, args, kwargs)
    return ways if linear is None else {**ways, ONEDNN_LINEAR: linear}


def _at_precision(precision: str, call: Call) -> object:
    """Multiply at a precision of float32 products, by which torch chooses the library; switching takes 0.3 us."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    result = call()
    torch.set_float32_matmul_precision(before)
    return result


def _linear(product: Product, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
    """Return oneDNN's fully connected layer as a way to compute ``mm`` or ``addmm``, or None where it is not one."""
    if kwargs or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    *bias, left, right = args
    if product.op.overloadpacket not in (aten.mm, aten.addmm) or any(each.dim() != 1 for each in bias):
        return None
    linear = torch.ops.mkldnn._linear_pointwise
    return partial(linear, left, right.t(), bias[0] if bias else None, "none", [], "")  # followed by no activation


def _fastest(ways: Mapping[str, Call]) -> str:
    """Return the name of the call with the shortest time, as the median of several rounds."""
    repeats = {name: max(1, round(ROUND_SECONDS / _seconds(call, 1))) for name, call in ways.items()}
    rounds = [{name: _seconds(call, repeats[name]) for name, call in ways.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(times[name] for times in rounds) for name in ways}
    return min(medians, key=lambda name: medians[name])


def _seconds(call: Call, repeats: int) -> float:
    call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _state_calls(update: StateUpdate, device: torch.device) -> list[Call]:
    """Return calls that read and write the bytes of an update once, in arrays that are contiguous."""

    def arrays(count: int, dtype: torch.dtype = update.dtype) -> Iterator[Tensor]:
        return (torch.ones(update.elements, device=device, dtype=dtype) for _ in range(count))

    replaced = [*arrays(update.replaced)]
    calls: list[Call] = [partial(array.neg_) for array in replaced[update.consumed :]]
    # Each array that is only read goes into one that is replaced.
    calls += [partial(array.sub_, read) for array, read in zip(replaced, arrays(update.consumed), strict=False)]
    if update.copied_to is not None:
        calls += [partial(copy.fill_, 1.0) for copy in arrays(1, update.copied_to)]
    return calls
