"""Random streams of a run, independent of each other: draws from one do not move the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_cli.protocols.rng import Stream
from gan_cli.runtime.distributed import ProcessGroup


class SeededStream:
    """A stream that is determined by the seed of the run and its name."""

    def __init__(self, seed: int, name: str, device: torch.device) -> None:
        self._seed = seed
        self._name = name
        self._generator = seeded_generator(seed, name, device)

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        return (self._generator,)

    def normal(self, rows: int, width: int) -> Tensor:
        return torch.randn(rows, width, generator=self._generator, device=self._generator.device)

    def normal_like(self, samples: Tensor) -> Tensor:
        return torch.empty_like(samples).normal_(generator=self._generator)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator, device=self._generator.device)

    def integers(self, high: int, rows: int) -> Tensor:
        return torch.randint(high, (rows,), generator=self._generator, device=self._generator.device)

    def get_state(self) -> Tensor:
        return self._generator.get_state()

    def set_state(self, state: Tensor) -> None:
        restore_generator(self._generator, state, self._seed, self._name)


class SharedStream:
    """A stream of several processes: each draws the rows of the global batch, and keeps its own shard.

    So the numbers of a run depend on its global batch, not on the number of processes.
    """

    def __init__(self, stream: Stream, group: ProcessGroup, batch_size: int) -> None:
        """``batch_size`` is the number of rows of a batch per process."""
        self._stream = stream
        self._group = group
        self._batch_size = batch_size

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        return self._stream.rng_generators

    def normal(self, rows: int, width: int) -> Tensor:
        return self._local_shard(self._stream.normal(rows * self._group.size, width))

    def normal_like(self, samples: Tensor) -> Tensor:
        return self._local_shard(self._stream.normal_like(torch.cat([samples] * self._group.size)))

    def uniform(self, *shape: int) -> Tensor:
        rows, *rest = shape
        return self._local_shard(self._stream.uniform(rows * self._group.size, *rest))

    def integers(self, high: int, rows: int) -> Tensor:
        return self._local_shard(self._stream.integers(high, rows * self._group.size))

    def get_state(self) -> Tensor:
        """Return the state of the stream, the same on every rank."""
        return self._stream.get_state()

    def set_state(self, state: Tensor) -> None:
        self._stream.set_state(state)

    def _local_shard(self, rows: Tensor) -> Tensor:
        return self._group.local_shard(rows, self._batch_size)


def seeded_generator(seed: int, stream: str, device: torch.device) -> torch.Generator:
    """Return a generator that is determined by the seed of the run and the name of the stream."""
    return torch.Generator(device).manual_seed(_digest(f"{seed}/{stream}"))


def restore_generator(generator: torch.Generator, state: Tensor, seed: int, stream: str) -> None:
    """Restore a stream's state, of :func:`seeded_generator`.

    The state of a generator on another kind of device means nothing here. The stream is then seeded anew, from the
    seed of the run, the stream's name and that state, which differs from step to step.
    """
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
    else:
        generator.manual_seed(_digest(f"{seed}/{stream}/{state.tolist()}"))


def _digest(text: str) -> int:
    """Return a 63-bit seed from the SHA-256 digest of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class PerRankRandomState:
    """States of torch's global generators on all ranks, which draw different numbers from them."""

    def __init__(self, device: torch.device, group: ProcessGroup) -> None:
        self._local = RandomState(device)
        self._group = group

    def seed_per_rank(self, seed: int) -> None:
        """Seed the global generators of all ranks but 0, so that each draws numbers of its own from here on."""
        if self._group.rank > 0:
            torch.manual_seed(_digest(f"{seed}/process {self._group.rank}"))

    def state_dict(self) -> dict[str, Any]:
        """Return the states by rank; waits for the other processes."""
        return {"by_rank": self._group.all_gather_object(self._local.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; ranks that it lacks are seeded from the state of rank 0 and their rank."""
        states = state["by_rank"]
        if self._group.rank < len(states):
            self._local.load_state_dict(states[self._group.rank])
        else:
            torch.manual_seed(_digest(f"{states[0]['cpu'].tolist()}/process {self._group.rank}"))


class RandomState:
    """State of torch's global generators, from which dropout and the initialisation of weights draw."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the global generators of the host and of the device."""
        state = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        if self._device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the generator of a device that it lacks is seeded from the host's state."""
        torch.set_rng_state(state["cpu"])
        if self._device.type == "cuda":
            if "cuda" in state:
                torch.cuda.set_rng_state(state["cuda"], self._device)
            else:
                torch.cuda.manual_seed(_digest(f"cuda/{state['cpu'].tolist()}"))
        if self._device.type == "mps":
            if "mps" in state:
                torch.mps.set_rng_state(state["mps"])
            else:
                torch.mps.manual_seed(_digest(f"mps/{state['cpu'].tolist()}"))


BLOCK = 256


def fixed_latents(seed: int, count: int, latent_dim: int) -> Tensor:
    """Return the first ``count`` rows of one infinite sequence from N(0, I), ``(count, latent_dim)``, on the CPU.

    Drawn in blocks of one size, so that a row does not depend on ``count``.
    """
    stream = seeded_generator(seed, "preview", torch.device("cpu"))
    blocks = range(0, count, BLOCK)
    return torch.cat([torch.randn(BLOCK, latent_dim, generator=stream) for _ in blocks])[:count]


def latent_walk(corners: Tensor, frames: int) -> Tensor:
    """Interpolate spherically from each corner to the next, and back to the first.

    Args:
        corners: ``(K, N, latent_dim)``: K corners for each of N walks.
        frames: of the whole walk; corners are met exactly where they are a multiple of K.

    Returns:
        ``(frames, N, latent_dim)``.
    """
    place = torch.arange(frames) * len(corners)  # in units of 1 / frames of the way from a corner to the next
    corner, share = place // frames, (place % frames) / frames
    return slerp(corners[corner], corners[(corner + 1) % len(corners)], share[:, None, None])


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Interpolate spherically: a straight line would pass closer to the origin than N(0, I) ever comes (White 2016).

    Args:
        start: ``(..., latent_dim)``, where ``share`` is 0.
        end: ``(..., latent_dim)``, where it is 1.
        share: of the way, to be broadcast with both.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-0.9995, 0.9995)
    angle = cosine.acos()[..., None]
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / angle.sin()
