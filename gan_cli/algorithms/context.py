"""What a run settles before there is an algorithm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gan_cli.algorithms.nonfinite import Lookout, Soundness
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import Specimens
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.device import Device
from gan_cli.runtime.distributed import Alone, Group
from gan_cli.runtime.rng import SeededStream, SharedStream

# Opens a context around a part of a step, for whoever wants to know how long it takes.
Watch: TypeAlias = Callable[[str], contextlib.AbstractContextManager[Any]]


def unwatched(part: str) -> contextlib.AbstractContextManager[Any]:
    """Nobody wants to know."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Context:
    """The circumstances of a game.

    Attributes:
        shape: shape of one sample.
        classes: how many classes G and D are told; 0: they are told none.
        device: where and how to compute.
        seed: of the run.
        batch_size: samples per update in this process.
        pac: samples that D judges as one.
        log_every: steps between two reports.
        sample_count: samples in a preview.
        half_life: of the generator's moving average, in steps.
        labels: ``(M,)``, the label of every training sample, where ``classes`` > 0.
        specimens: real samples to look at beside training; None: none are looked at.
        examined: how many of each kind are looked at.
        examine_every: steps from one look to the next.
        centres: ``(M, D)``, the modes of the data, scaled, where they are known.
        points: ``(M, 2)`` real points to show beside generated ones, where the data are 2-D.
        watch: is told of the parts of a step: data, G, D, optimizer.
        lanes: how many games are played side by side, each on a share of every batch (``gan/vmap_replicas.py``).
        streams: name -> random stream; None: those of the seed.
        group: the processes that train together, each on a share of every batch.
        soundness: makes what watches over updates, on a device.
    """

    shape: tuple[int, ...]
    classes: int
    device: Device
    seed: int
    batch_size: int
    pac: int
    log_every: int
    sample_count: int
    half_life: float
    labels: IntArray | None = None
    specimens: Specimens | None = None
    examined: int = 0
    examine_every: int = 1
    centres: Tensor | None = None
    points: FloatArray | None = None
    watch: Watch = unwatched
    lanes: int = 1
    streams: Mapping[str, Stream] | None = None
    group: Group = field(default_factory=Alone)
    soundness: Callable[[torch.device], Soundness] = Lookout

    def stream(self, name: str, batch_size: int) -> Stream:
        """The random stream of that name, which is drawn from in batches of that many rows in this process."""
        if self.streams is not None and name in self.streams:
            return self.streams[name]
        stream = SeededStream(self.seed, name, self.device.torch_device)
        return stream if self.group.size == 1 else SharedStream(stream, self.group, batch_size)

    @property
    def together(self) -> int:
        """Samples per update in all processes."""
        return self.batch_size * self.group.size

    @property
    def packs(self) -> int:
        """What D judges as one sample, per update in this process."""
        return self.batch_size // self.pac

    @property
    def synchronising(self) -> Group | None:
        """The processes over which batch norm takes its statistics; None: each takes its own."""
        return self.group if self.device.sync_batch_norm and self.group.size > 1 else None

    @property
    def pack_shape(self) -> tuple[int, ...]:
        """Shape of what D judges as one sample."""
        return (self.pac * self.shape[0], *self.shape[1:])
