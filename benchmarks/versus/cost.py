"""Measure what a sample costs: evaluations of the network and processor time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from torch import Tensor, nn

from gan_cli.protocols.inference import TrainedSampler

# Samples of a batch, at most, and number of batches; 256 is what every model computes at once.
BATCH, BATCHES = 256, 5


@dataclass(frozen=True)
class SamplingCost:
    """Cost of one sample.

    Attributes:
        evaluations: of the network, forward passes.
        seconds: processor time, of all threads together: the median over batches.
    """

    evaluations: float
    seconds: float


def measure_cost(trained: TrainedSampler, batch: int = BATCH, batches: int = BATCHES) -> SamplingCost:
    """Draw batches of samples, each of another seed, after one that is not counted."""
    trained.draw(batch, 0)
    evaluated, seconds = 0, []

    def count(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal evaluated
        evaluated += len(inputs[0])

    hook = trained.network.register_forward_pre_hook(count)
    try:
        for seed in range(1, batches + 1):
            start = time.process_time()
            trained.draw(batch, seed)
            seconds.append((time.process_time() - start) / batch)
    finally:
        hook.remove()
    return SamplingCost(evaluated / (batch * batches), median(seconds))
