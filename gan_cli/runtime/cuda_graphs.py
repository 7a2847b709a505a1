"""CUDA graphs: steps that are captured once and replayed, behind an interface that tests can implement without CUDA.

A small network's step is hundreds of launches of a few microseconds each, and Python takes longer to issue them than
a GPU to execute them. A graph is issued at once. Values that a step reads from the host are frozen in it, so steps
that differ in those (in the number of D's updates, in the penalties that are due) are distinguished by a key, and each
key has a graph of its own.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from gan_cli.errors import ConfigError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# Eager runs of a step before it is captured: libraries choose kernels, optimizers create their state.
WARMUP_STEPS = 2
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

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Capture the step's work on the device without executing it; raises ``RuntimeError`` if that fails."""
        ...


class GraphedSteps(Generic[Result]):
    """Runs steps: each kind a few times eagerly, then as a replay of its graph.

    Once a step cannot be captured, all steps run eagerly from then on, and one log line says why.
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
                return self._recorder.warm_up(launch)
            try:
                self._graphs[kind] = self._recorder.capture(launch)
            except RuntimeError as error:
                logger.warning("device.graph: steps run as they are, not recorded: %s", _first_line(error))
                self._recorder = None
                self._graphs.clear()
                return launch()
        graph = self._graphs[kind]
        graph.replay()
        return graph.result

    def clear(self) -> None:
        """Drop all graphs, as the memory that they work on has been replaced."""
        self._graphs.clear()
        self._warmups.clear()


class CudaGraphRecorder:
    """Captures CUDA graphs that share one pool of memory."""

    def __init__(self, device: torch.device, rng_generators: Sequence[torch.Generator]) -> None:
        """``rng_generators`` are those that steps draw from on the device, beside torch's default one."""
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

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Capture the step; each replay advances the generators by as much as the step draws."""
        graph = torch.cuda.CUDAGraph()
        states = [generator.get_state() for generator in self._rng_generators]
        with warnings.catch_warnings():
            # Newer versions of torch find the generators by themselves, and warn of it.
            warnings.simplefilter("ignore")
            for generator in self._rng_generators:
                graph.register_generator_state(generator)
        try:
            # Thread-local: calls of a prefetching thread to the driver meanwhile are no part of the step.
            with torch.cuda.graph(graph, self._pool, self._side_stream, capture_error_mode="thread_local"):
                result = launch()
        except RuntimeError as error:
            self._restore(states, error)
            raise
        return CapturedGraph(graph.replay, result)

    def _restore(self, states: Sequence[torch.Tensor], cause: RuntimeError) -> None:
        """Restore the states that the generators had before a capture that failed."""
        try:
            torch.cuda.synchronize(self._device)
            for generator, state in zip(self._rng_generators, states, strict=True):
                generator.set_state(state)
        except RuntimeError as error:
            raise ConfigError(
                "device.graph: expected false, because recording a step failed and left the random streams unusable:"
                f" {_first_line(cause)}"
            ) from error


def _first_line(error: RuntimeError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
