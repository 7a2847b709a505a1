"""Interfaces of trained models: what sampling and evaluation need of a finished run, whatever its family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Dataset, Sequences
from gan_cli.protocols.rng import Stream


@dataclass(frozen=True)
class LatentPath:
    """Lengths of walks through the latents.

    Attributes:
        walkers: number of walks, side by side.
        corners: latents that each walk passes through.
        frames: frames of the whole walk.
    """

    walkers: int
    corners: int
    frames: int


class TrainedSampler(Protocol):
    """Generates images or points with the networks of a finished run.

    Attributes:
        network: what samples are computed with, in evaluation mode; its state dict identifies the model. Loaded on the
            CPU; whoever moves it to another device gets samples that are computed there.
        condition: what it is conditional on; 0: unconditional.
        dataset: the dataset it learned, for the samples' own coordinates.
        step: number of updates it was trained for.
        facts: how samples are drawn, where there is more than one way, as plain values for the provenance.
        data: identity of the data that it was trained on, as its checkpoint has it; None: unknown.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def condition(self) -> Condition: ...
    @property
    def dataset(self) -> Dataset: ...
    @property
    def step(self) -> int: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def data(self) -> Mapping[str, Any] | None: ...

    def draw(self, count: int, seed: int, labels: Tensor | None = None, shared: int = 1) -> FloatArray:
        """Generate ``(count, *shape)`` on the scale of [-1, 1]: the same for the same seed, up to a device's rounding.

        Args:
            count: number of samples.
            seed: seed of all random numbers.
            labels: classes ``(count,)``, or vectors ``(count, K)`` in the data's units, where it is conditional.
            shared: so many consecutive samples are of one latent.
        """
        ...

    def walk(self, path: LatentPath, seed: int, labels: Tensor | None = None) -> Iterator[FloatArray]:
        """Yield frames ``(path.walkers, *shape)`` of walks through the latents that end where they begin.

        Args:
            path: lengths of the walks.
            seed: seed of the latents.
            labels: classes ``(path.walkers,)`` or vectors ``(path.walkers, K)``, where it is conditional.
        """
        ...


class TrainedTextSampler(Protocol):
    """Generates sequences of tokens with the networks of a finished run.

    Attributes:
        network: what sequences are computed with, in evaluation mode; its state dict identifies the model.
        vocabulary: its words and end token, as ``Sequences`` without rows.
        dataset: the dataset it learned.
        step: number of steps it was trained for.
        data: identity of the data that it was trained on, as its checkpoint has it; None: unknown.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def vocabulary(self) -> Sequences: ...
    @property
    def dataset(self) -> Dataset: ...
    @property
    def step(self) -> int: ...
    @property
    def data(self) -> Mapping[str, Any] | None: ...

    def sample(self, count: int, seed: int, temperature: float = 1.0) -> IntArray:
        """Sample tokens ``(count, T)``: the same for the same seed; a lower temperature favours likelier tokens."""
        ...

    def nll(self, tokens: Tensor) -> Tensor:
        """Return the negative log-likelihood of sequences ``(N, T)``, up to their ends, in nats a token, ``(N,)``."""
        ...


class LikelihoodModel(Protocol):
    """Bounds the likelihood of data with the networks of a finished run: it has latents z and a posterior over them.

    Attributes:
        step: number of updates it was trained for.
        facts: settings that the likelihood depends on, as plain values for the provenance.
    """

    @property
    def step(self) -> int: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...

    def to(self, device: torch.device) -> None:
        """Let the networks compute on a device; what the methods take and return stays on the CPU."""
        ...

    def targets(self, samples: Tensor, stream: Stream) -> Tensor:
        """Convert samples ``(N, *shape)`` in [-1, 1] to what the likelihood is a distribution of."""
        ...

    def posterior(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior's mean and log-variance, ``(N, latent_dim)`` each."""
        ...

    def log_likelihood(self, targets: Tensor, codes: Tensor) -> Tensor:
        """Return ``log p(x | z)``, ``(N,)``, of targets x given codes z."""
        ...
