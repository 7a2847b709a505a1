"""CUDA graphs: steps that are captured once and replayed, behind an interface that tests can implement without CUDA.

A small network's step is hundreds of launches of a few microseconds each, and Python takes longer to issue them than
a GPU to execute them. A graph is issued at once. Values that a step reads from the host are frozen in it, so steps
that differ in those (in the number of D's updates, in the penalties that are due) are distinguished by a key, and each
key has a graph of its own.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from gan_cli.errors import ConfigError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# Eager runs of a step before it is captured: libraries choose kernels, optimizers create their state.
WARMUP_STEPS = 2
# What torch says, in its debug mode, of an operation that makes the host wait.
SYNCHRONIZING = "called a synchronizing CUDA operation"
# Graphs kept; steps of further kinds run eagerly.
MAX_GRAPHS = 16


@dataclass(frozen=True)
class CapturedGraph(Generic[Result]):
    """A step that has been captured as a CUDA graph.

    Attributes:
        replay: launches the whole step on the device.
        result: the return value of the step; its tensors hold the values of the latest replay.
    """

    replay: Callable[[], None]
    result: Result


class GraphRecorder(Protocol):
    """Interface that warms steps up and captures them."""

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        """Run the step eagerly, in a way that prepares its capture."""
        ...

    def rehearse(self, launch: Callable[[], Result]) -> tuple[Result, str | None]:
        """Run the step like :meth:`warm_up`; return also why it cannot be captured, or None."""
        ...

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Capture the step's work on the device without executing it; raises ``RuntimeError`` if that fails."""
        ...


class GraphedSteps(Generic[Result]):
    """Runs steps: each kind a few times eagerly, then as a replay of its graph.

    The last of the eager runs finds out whether the step waits for the device, as a loss of the user's with ``.item()``
    does: a capture that fails may leave streams and generators unusable. Once a step cannot be captured, all steps run
    eagerly from then on, and one log line says why.
    """

    def __init__(self, recorder: GraphRecorder | None) -> None:
        """``recorder`` captures the steps; with None every step runs eagerly."""
        self._recorder = recorder
        self._graphs: dict[Hashable, CapturedGraph[Result]] = {}
        self._warmups: Counter[Hashable] = Counter()

    def __call__(self, kind: Hashable, launch: Callable[[], Result]) -> Result:
        """Run the step and return its result.

        Args:
            kind: key of everything that ``launch`` reads from the host.
            launch: the step; it has no effect but on the device.
        """
        if self._recorder is None:
            return launch()
        if kind not in self._graphs:
            if self._warmups[kind] < WARMUP_STEPS or len(self._graphs) == MAX_GRAPHS:
                self._warmups[kind] += 1
                return self._warm_up(self._recorder, launch, last=self._warmups[kind] == WARMUP_STEPS)
            try:
                self._graphs[kind] = self._recorder.capture(launch)
            except RuntimeError as error:
                self._run_eagerly(_first_line(error))
                return launch()
        graph = self._graphs[kind]
        graph.replay()
        return graph.result

    def _warm_up(self, recorder: GraphRecorder, launch: Callable[[], Result], *, last: bool) -> Result:
        if not last:
            return recorder.warm_up(launch)
        result, obstacle = recorder.rehearse(launch)
        if obstacle is not None:
            self._run_eagerly(obstacle)
        return result

    def _run_eagerly(self, cause: str) -> None:
        logger.warning("device.graph: steps run as they are, not recorded: %s", cause)
        self._recorder = None
        self._graphs.clear()

    def clear(self) -> None:
        """Drop all graphs, as the memory that they work on has been replaced."""
        self._graphs.clear()
        self._warmups.clear()


class CudaGraphRecorder:
    """Captures CUDA graphs that share one pool of memory."""

    def __init__(self, device: torch.device, rng_generators: Callable[[], Sequence[torch.Generator]]) -> None:
        """Prepare captures of steps on a device.

        Args:
            device: that steps run on.
            rng_generators: returns those that a step now draws from, beside torch's default one. Each costs two
                launches at a replay, of its seed and its offset.
        """
        self._device = device
        self._rng_generators = rng_generators
        self._pool = torch.cuda.graph_pool_handle()
        self._side_stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        """Run the step on the side stream on which it will be captured."""
        self._side_stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._side_stream):
            result = launch()
        torch.cuda.current_stream(self._device).wait_stream(self._side_stream)
        return result

    def rehearse(self, launch: Callable[[], Result]) -> tuple[Result, str | None]:
        """Warm up, and find operations that wait for the device: those cannot be captured."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with _sync_debug_mode("warn"):
                result = self.warm_up(launch)
        synchronizing = [each for each in caught if SYNCHRONIZING in str(each.message)]
        for each in caught:
            if each not in synchronizing:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        if not synchronizing:
            return result, None
        place = f"{synchronizing[0].filename}:{synchronizing[0].lineno}"
        return result, f"the step reads from the device, or waits for it, at {place}"

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Capture the step; each replay advances the generators by as much as the step draws.

        An operation that waits for the device raises before CUDA hears of it, so that the capture ends as usual.
        """
        graph, rng_generators = torch.cuda.CUDAGraph(), self._rng_generators()
        with warnings.catch_warnings():
            # Newer versions of torch find the generators by themselves, and warn of it.
            warnings.simplefilter("ignore")
            for generator in rng_generators:
                graph.register_generator_state(generator)
        generators = [*rng_generators, torch.cuda.default_generators[self._index()]]
        states = [generator.clone_state() for generator in generators]
        try:
            # The outer stream becomes current again even where CUDA refuses to end the capture.
            with (
                torch.cuda.stream(torch.cuda.current_stream(self._device)),
                # Thread-local: calls of a prefetching thread to the driver meanwhile are no part of the step.
                torch.cuda.graph(graph, self._pool, self._side_stream, capture_error_mode="thread_local"),
                _sync_debug_mode("error"),
            ):
                result = launch()
        except RuntimeError as error:
            self._abandon(error)
            for generator, state in zip(generators, states, strict=True):
                generator.graphsafe_set_state(state)  # its former state may be kept in the capture
            raise
        return CapturedGraph(graph.replay, result)

    def _abandon(self, cause: RuntimeError) -> None:
        """Let the allocator forget a capture that failed, which torch leaves open where CUDA refuses to end it.

        Raises:
            ConfigError: nothing can be computed on the device any more.
        """
        try:
            torch.cuda.synchronize(self._device)
        except RuntimeError as error:
            raise ConfigError(
                "device.graph: expected false, because recording a step failed and left the device unusable:"
                f" {_first_line(cause)}"
            ) from error
        with contextlib.suppress(RuntimeError):  # the capture has been ended
            torch._C._cuda_endAllocateToPool(self._index(), self._pool)
            torch._C._cuda_releasePool(self._index(), self._pool)

    def _index(self) -> int:
        return torch.cuda.current_device() if self._device.index is None else self._device.index


@contextlib.contextmanager
def _sync_debug_mode(mode: str) -> Iterator[None]:
    """Let torch warn or raise at operations that wait for the device."""
    before = torch.cuda.get_sync_debug_mode()
    _set_sync_debug_mode(mode)
    try:
        yield
    finally:
        _set_sync_debug_mode(before)


def _set_sync_debug_mode(mode: int | str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode(mode)


def _first_line(error: BaseException) -> str:
    """Return the first line of what was raised first."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
