"""Steps that are recorded once and replayed: CUDA graphs, behind a seam that a test can stand in for.

A small network's step is hundreds of launches of a few microseconds each, and Python takes longer to ask for them than
a GPU to do them. A graph asks once. What a step reads of the host is frozen in it, so steps that differ in that (in
the number of D's updates, in the penalties that are due) are told apart by a key, and each has a recording of its own.
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

# Times that a step runs as it is before it is recorded: libraries choose kernels, optimizers make their state.
WARMUP_STEPS = 2
# Recordings kept; steps of still another kind run as they are.
MAX_GRAPHS = 16


@dataclass(frozen=True)
class CapturedGraph(Generic[Result]):
    """A step on the device.

    Attributes:
        replay: launches all of it.
        result: what the step returned; its tensors hold the values of the latest replay.
    """

    replay: Callable[[], None]
    result: Result


class GraphRecorder(Protocol):
    """How steps are recorded."""

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        """Run the step as it is, in a way that prepares its recording."""
        ...

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Record what the step would do on the device, without doing it; raises ``RuntimeError`` if that fails."""
        ...


class GraphedSteps(Generic[Result]):
    """Runs steps: each kind a few times as it is, then from its recording.

    A step that cannot be recorded makes all go on as they are, and says why in one line.
    """

    def __init__(self, recorder: GraphRecorder | None) -> None:
        """``recorder`` None: every step runs as it is."""
        self._recorder = recorder
        self._recordings: dict[Hashable, CapturedGraph[Result]] = {}
        self._rehearsed: Counter[Hashable] = Counter()

    def __call__(self, kind: Hashable, launch: Callable[[], Result]) -> Result:
        """Do the step. ``launch`` has no effect but on the device, and reads nothing of the host but ``kind``."""
        if self._recorder is None:
            return launch()
        if kind not in self._recordings:
            if self._rehearsed[kind] < WARMUP_STEPS or len(self._recordings) == MAX_GRAPHS:
                self._rehearsed[kind] += 1
                return self._recorder.warm_up(launch)
            try:
                self._recordings[kind] = self._recorder.capture(launch)
            except RuntimeError as error:
                logger.warning("device.graph: steps run as they are, not recorded: %s", _first_line(error))
                self._recorder = None
                self._recordings.clear()
                return launch()
        recording = self._recordings[kind]
        recording.replay()
        return recording.result

    def clear(self) -> None:
        """Drop all recordings: memory that they work on has been replaced."""
        self._recordings.clear()
        self._rehearsed.clear()


class CudaGraphRecorder:
    """CUDA graphs that share one pool of memory."""

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator]) -> None:
        """``generators``: the streams of the device that steps draw from, beside torch's own."""
        self._device = device
        self._generators = generators
        self._pool = torch.cuda.graph_pool_handle()
        self._aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        """Run the step beside the stream that everything else uses, as a recording will be made."""
        self._aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._aside):
            result = launch()
        torch.cuda.current_stream(self._device).wait_stream(self._aside)
        return result

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        """Capture the step. The random streams go on at each replay by as much as the step draws."""
        graph = torch.cuda.CUDAGraph()
        states = [generator.get_state() for generator in self._generators]
        with warnings.catch_warnings():
            # Newer versions of torch find the streams by themselves, and say so.
            warnings.simplefilter("ignore")
            for generator in self._generators:
                graph.register_generator_state(generator)
        try:
            # Thread-local: what a prefetching thread asks of the driver meanwhile is no part of the step.
            with torch.cuda.graph(graph, self._pool, self._aside, capture_error_mode="thread_local"):
                result = launch()
        except RuntimeError as error:
            self._restore(states, error)
            raise
        return CapturedGraph(graph.replay, result)

    def _restore(self, states: Sequence[torch.Tensor], cause: RuntimeError) -> None:
        """Bring the random streams back to where a recording that failed found them."""
        try:
            torch.cuda.synchronize(self._device)
            for generator, state in zip(self._generators, states, strict=True):
                generator.set_state(state)
        except RuntimeError as error:
            raise ConfigError(
                "device.graph: expected false, because recording a step failed and left the random streams unusable:"
                f" {_first_line(cause)}"
            ) from error


def _first_line(error: RuntimeError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
