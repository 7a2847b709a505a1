"""Settings of a run that every algorithm is constructed with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gan_cli.algorithms.micro_batches import DividedStream, MicroBatches
from gan_cli.algorithms.nonfinite import NonFinitePolicy, TrackNonFinite
from gan_cli.protocols.algorithm import PlaneAxes, ShownTable
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import ConditionValues, ProbeBatches
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.device import Device
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from gan_cli.runtime.rng import SeededStream, SharedStream

# Returns a context manager around a part of a step, to measure its time.
StepTimer: TypeAlias = Callable[[str], contextlib.AbstractContextManager[Any]]


def untimed(part: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context manager that measures nothing."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Context:
    """Settings of a run, apart from networks, losses and data, that an algorithm depends on.

    Attributes:
        shape: shape of one sample.
        condition: what networks are conditioned on: classes or vectors; 0: they are unconditional.
        device: where and how to compute.
        seed: of the run.
        batch_size: samples per update in this process.
        pac: samples that D classifies jointly (Lin et al. 2018).
        log_every: steps between two reports.
        sample_count: samples in a preview.
        half_life: of the generator's moving average, in steps.
        frozen_g: blocks of the generator that are not trained, from its input on.
        frozen_d: those of the discriminator.
        labels: class ``(M,)`` or vector ``(M, K)`` of every sample, where networks are conditional.
        probe_batches: real samples for diagnostics; None: no diagnostics of samples.
        probe_samples: samples of each kind in a probe.
        probe_every: steps between two probes.
        centres: ``(M, D)``, the modes of the data, scaled, where they are known.
        points: ``(M, 2)`` real points to show beside generated ones, where the data are 2-D.
        axes: the data's own coordinates of those points.
        table: what previews show of a table of one column, or of three and more.
        class_names: name of each class, where they have names.
        timer: wraps the parts of a step: data, the updates of each network by its name, optimizer.
        num_replicas: runs that are trained in lockstep, each on a share of every batch (``gan/replicas.py``).
        streams: name -> random stream; None: those of the seed.
        group: the processes that train one model, each on a share of every batch.
        micro_batches: the parts of this share that pass through the networks one after another.
        nonfinite_policy: constructs the policy for non-finite updates, on a device, of networks by their names.
    """

    shape: tuple[int, ...]
    condition: Condition
    device: Device
    seed: int
    batch_size: int
    pac: int
    log_every: int
    sample_count: int
    half_life: float
    frozen_g: int = 0
    frozen_d: int = 0
    labels: ConditionValues | None = None
    probe_batches: ProbeBatches | None = None
    probe_samples: int = 0
    probe_every: int = 1
    centres: Tensor | None = None
    points: FloatArray | None = None
    axes: PlaneAxes = field(default_factory=PlaneAxes)
    table: ShownTable | None = None
    class_names: Sequence[str] = ()
    timer: StepTimer = untimed
    num_replicas: int = 1
    streams: Mapping[str, Stream] | None = None
    group: ProcessGroup = field(default_factory=SingleProcess)
    micro_batches: MicroBatches = field(default_factory=MicroBatches)
    nonfinite_policy: Callable[[torch.device, Sequence[str]], NonFinitePolicy] = TrackNonFinite

    def stream(self, name: str, batch_size: int) -> Stream:
        """Return the random stream of that name, from which this process draws batches of ``batch_size`` rows."""
        if self.streams is not None and name in self.streams:
            return self.streams[name]
        stream: Stream = SeededStream(self.seed, name, self.device.torch_device)
        if self.group.size > 1:
            stream = SharedStream(stream, self.group, batch_size)
        return stream if self.micro_batches.count == 1 else DividedStream(stream, self.micro_batches, batch_size)

    def mean_loss(self, losses: Tensor) -> Tensor:
        """Reduce losses ``(N,)`` to a scalar loss, 0-dimensional: the mean of each replica, summed over replicas."""
        return losses.mean() if self.num_replicas == 1 else self.num_replicas * losses.mean()

    @property
    def classes(self) -> Condition:
        """The condition, by the name that it has in algorithms written for earlier versions."""
        return self.condition

    @property
    def global_batch_size(self) -> int:
        """Samples per update in all processes together."""
        return self.batch_size * self.group.size

    @property
    def samples_at_once(self) -> int:
        """Samples that pass through the networks at once in this process: of a micro-batch, or of a batch."""
        return self.batch_size // self.micro_batches.count

    @property
    def packs_per_update(self) -> int:
        """Packs of ``pac`` samples per update in this process."""
        return self.batch_size // self.pac

    @property
    def batch_norm_group(self) -> ProcessGroup | None:
        """The processes over which batch norm computes its statistics; None: each computes its own."""
        return self.group if self.device.sync_batch_norm and self.group.size > 1 else None

    @property
    def pack_shape(self) -> tuple[int, ...]:
        """Shape of a pack: of D's input."""
        return (self.pac * self.shape[0], *self.shape[1:])
