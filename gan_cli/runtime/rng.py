"""Random streams of a run, each apart from all others, so that what one draws moves none of the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_cli.protocols.rng import Stream
from gan_cli.runtime.distributed import ProcessGroup


class SeededStream:
    """A stream that is a function of the run's seed and a name."""

    def __init__(self, seed: int, name: str, device: torch.device) -> None:
        self._generator = seeded_generator(seed, name, device)

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """The one there is."""
        return (self._generator,)

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1)."""
        return torch.randn(rows, width, generator=self._generator, device=self._generator.device)

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``."""
        return torch.empty_like(samples).normal_(generator=self._generator)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        return torch.rand(shape, generator=self._generator, device=self._generator.device)

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return torch.randint(high, (rows,), generator=self._generator, device=self._generator.device)

    def get_state(self) -> Tensor:
        """The generator's state."""
        return self._generator.get_state()

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        self._generator.set_state(state)


class SharedStream:
    """A stream that several processes draw from together: each draws all rows, as one alone would, and keeps its own.

    So what a run draws depends on its batch, not on how many processes share it.
    """

    def __init__(self, stream: Stream, group: ProcessGroup, batch_size: int) -> None:
        """``batch_size``: rows of a batch that belong to one process."""
        self._stream = stream
        self._group = group
        self._batch_size = batch_size

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """Those of the stream."""
        return self._stream.generators

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1)."""
        return self._own(self._stream.normal(rows * self._group.size, width))

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``."""
        return self._own(self._stream.normal_like(torch.cat([samples] * self._group.size)))

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        rows, *rest = shape
        return self._own(self._stream.uniform(rows * self._group.size, *rest))

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return self._own(self._stream.integers(high, rows * self._group.size))

    def get_state(self) -> Tensor:
        """The stream's, the same in every process."""
        return self._stream.get_state()

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        self._stream.set_state(state)

    def _own(self, rows: Tensor) -> Tensor:
        return self._group.local_shard(rows, self._batch_size)


def seeded_generator(seed: int, stream: str, device: torch.device) -> torch.Generator:
    """A random stream that is a function of the run's seed and the stream's name, apart from all others."""
    return torch.Generator(device).manual_seed(_digest(f"{seed}/{stream}"))


def _digest(text: str) -> int:
    """A seed from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class PerRankRandomState:
    """torch's global random states of all processes, which draw different numbers from them."""

    def __init__(self, device: torch.device, group: ProcessGroup) -> None:
        self._own = RandomState(device)
        self._group = group

    def seed_per_rank(self, seed: int) -> None:
        """From here on, where all have drawn the same, let each draw numbers of its own."""
        if self._group.rank > 0:
            torch.manual_seed(_digest(f"{seed}/process {self._group.rank}"))

    def state_dict(self) -> dict[str, Any]:
        """The states by rank. Waits for the other processes."""
        return {"by_rank": self._group.all_gather_object(self._own.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; processes that are new begin somewhere else, as a function of the first's."""
        states = state["by_rank"]
        if self._group.rank < len(states):
            self._own.load_state_dict(states[self._group.rank])
        else:
            torch.manual_seed(_digest(f"{states[0]['cpu'].tolist()}/process {self._group.rank}"))


class RandomState:
    """torch's global random state, which dropout and the initialisation of weights draw from."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def state_dict(self) -> dict[str, Any]:
        """State of the host's and of the device's global generator."""
        state = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        if self._device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; a run that moved to another kind of device keeps that one's state."""
        torch.set_rng_state(state["cpu"])
        if self._device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self._device)
        if self._device.type == "mps" and "mps" in state:
            torch.mps.set_rng_state(state["mps"])


BLOCK = 256


def fixed_latents(seed: int, count: int, latent_dim: int) -> Tensor:
    """The first ``count`` rows of one endless sequence from N(0, I), ``(count, latent_dim)``, on the CPU.

    Drawn in blocks of one size, so that a row does not depend on how many are asked for.
    """
    stream = seeded_generator(seed, "preview", torch.device("cpu"))
    blocks = range(0, count, BLOCK)
    return torch.cat([torch.randn(BLOCK, latent_dim, generator=stream) for _ in blocks])[:count]


def latent_walk(corners: Tensor, frames: int) -> Tensor:
    """A closed walk along the sphere from each corner to the next and back to the first.

    Args:
        corners: ``(K, N, latent_dim)``: K corners for each of N walkers.
        frames: frames from one corner to the next.

    Returns:
        ``(K * frames, N, latent_dim)``. Spherical interpolation: a straight line would pass closer to the
        origin than samples of N(0, I) ever come (White 2016).
    """
    here, there = corners, corners.roll(-1, dims=0)
    cosine = torch.nn.functional.cosine_similarity(here, there, dim=-1).clamp(-0.9995, 0.9995)
    angle = cosine.acos()[:, None, :, None]
    share = torch.linspace(0, 1, frames + 1)[:-1].reshape(1, -1, 1, 1)
    path = (torch.sin((1 - share) * angle) * here[:, None] + torch.sin(share * angle) * there[:, None]) / angle.sin()
    return path.flatten(0, 1)
