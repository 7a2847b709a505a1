"""Sources of the latents that samples are drawn from: one seed, a seed for each sample, or a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_cli.errors import ConfigError
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.inference.label_choice import LabelChoice, SampleOrder
from gan_cli.inference.label_text import SampleProperty
from gan_cli.inference.latents import Truncation, latents_of_seeds, require_generator
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import ConditionValues
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.runtime.rng import fixed_latents

# Digits of seeds and of positions in names of files, at least.
SEED_DIGITS, INDEX_DIGITS = 4, 5


class LatentSource(ABC):
    """Latents of samples, with the names that these have in files and pictures."""

    @abstractmethod
    def order(self, choice: LabelChoice, count: int | None, columns: int | None) -> SampleOrder:
        """Return the order of the samples; ``count``, where it is the user's to choose, and columns of their grid."""

    @abstractmethod
    def latents(self, count: int, latent_dim: int) -> Tensor:
        """Return the latents that an order's indices are of, ``(count, latent_dim)``, the first ones."""

    @abstractmethod
    def walk_order(self, choice: LabelChoice, count: int, columns: int | None) -> SampleOrder:
        """Return the order of the walks of a film, of so many where their number is free; a latent is a walk here."""

    @abstractmethod
    def corners(self, count: int, walks: int, latent_dim: int) -> Tensor:
        """Return the latents that walks pass through, ``(corners, walks, latent_dim)``; ``count`` if that is free."""

    @abstractmethod
    def stems(self, order: SampleOrder) -> list[str]:
        """Return the beginning of the name of each sample's file."""

    @abstractmethod
    def chunks(self, order: SampleOrder) -> list[dict[str, str]]:
        """Return the origin of each sample, for the chunks of text of its file."""

    def properties(self, order: SampleOrder) -> list[SampleProperty]:
        """Return what tells latents apart, for the words of a grid; by default nothing does."""
        return []

    @abstractmethod
    def describe(self) -> str:
        """Return in a few words which latents these are."""

    def draw(self, trained: TrainedSampler, order: SampleOrder, truncation: Truncation | None) -> FloatArray:
        """Generate the samples of an order, ``(N, *shape)``; ``ConfigError`` if the model has no such latents."""
        generator = require_generator(trained, self.describe() if truncation is None else "--truncation")
        latents = self.latents(int(order.latents.max()) + 1, generator.latent_dim)
        latents = latents if truncation is None else truncation(latents)
        return generator.samples(latents[torch.from_numpy(order.latents)], as_tensor(order.values))


@dataclass(frozen=True)
class OneSeed(LatentSource):
    """All latents from the stream of one seed, for any model.

    Attributes:
        seed: of the stream.
    """

    seed: int

    def order(self, choice: LabelChoice, count: int | None, columns: int | None) -> SampleOrder:
        assert count is not None
        return choice.order(count, columns)

    def latents(self, count: int, latent_dim: int) -> Tensor:
        return fixed_latents(self.seed, count, latent_dim)

    def walk_order(self, choice: LabelChoice, count: int, columns: int | None) -> SampleOrder:
        return choice.order(count, columns)

    def corners(self, count: int, walks: int, latent_dim: int) -> Tensor:
        return self.latents(count * walks, latent_dim).reshape(count, walks, latent_dim)

    def stems(self, order: SampleOrder) -> list[str]:
        return [f"seed{self.seed:0{SEED_DIGITS}}_{index:0{INDEX_DIGITS}}" for index in range(order.count)]

    def chunks(self, order: SampleOrder) -> list[dict[str, str]]:
        return [{"seed": str(self.seed), "index": str(index)} for index in range(order.count)]

    def describe(self) -> str:
        return f"seed {self.seed}"

    def draw(self, trained: TrainedSampler, order: SampleOrder, truncation: Truncation | None) -> FloatArray:
        if truncation is not None:
            return super().draw(trained, order, truncation)
        repeats = np.unique(order.latents, return_counts=True)[1]
        return trained.draw(order.count, self.seed, as_tensor(order.values), int(repeats[0]))


@dataclass(frozen=True)
class EachSeed(LatentSource):
    """A seed for each latent, which is the first one of its stream.

    Attributes:
        seeds: all different.
    """

    seeds: Sequence[int]

    def order(self, choice: LabelChoice, count: int | None, columns: int | None) -> SampleOrder:
        return _in_columns(choice.crossed(len(self.seeds)), columns)

    def latents(self, count: int, latent_dim: int) -> Tensor:
        return latents_of_seeds(self.seeds[:count], latent_dim)

    def walk_order(self, choice: LabelChoice, count: int, columns: int | None) -> SampleOrder:
        return _walk_through(self, len(self.seeds), choice, columns)

    def corners(self, count: int, walks: int, latent_dim: int) -> Tensor:
        return self.latents(len(self.seeds), latent_dim)[:, None]

    def stems(self, order: SampleOrder) -> list[str]:
        return [f"seed{self.seeds[index]:0{SEED_DIGITS}}" for index in order.latents]

    def chunks(self, order: SampleOrder) -> list[dict[str, str]]:
        return [{"seed": str(self.seeds[index])} for index in order.latents]

    def properties(self, order: SampleOrder) -> list[SampleProperty]:
        return [SampleProperty("seed", [str(self.seeds[index]) for index in order.latents])]

    def describe(self) -> str:
        return f"--seeds {shown_seeds(self.seeds)}"

    def draw(self, trained: TrainedSampler, order: SampleOrder, truncation: Truncation | None) -> FloatArray:
        if isinstance(trained, TrainedGenerator) or truncation is not None:
            return super().draw(trained, order, truncation)
        labels = as_tensor(order.values)
        each = enumerate(order.latents)
        parts = [trained.draw(1, self.seeds[index], None if labels is None else labels[place : place + 1])
                 for place, index in each]  # fmt: skip
        return np.concatenate(parts)


@dataclass(frozen=True)
class FileLatents(LatentSource):
    """Latents from a file that a user names.

    Attributes:
        file: their file, for messages.
        values: ``(N, latent_dim)``.
    """

    file: Path
    values: Tensor

    def order(self, choice: LabelChoice, count: int | None, columns: int | None) -> SampleOrder:
        return _in_columns(choice.crossed(len(self.values)), columns)

    def latents(self, count: int, latent_dim: int) -> Tensor:
        return self.values[:count]

    def walk_order(self, choice: LabelChoice, count: int, columns: int | None) -> SampleOrder:
        return _walk_through(self, len(self.values), choice, columns)

    def corners(self, count: int, walks: int, latent_dim: int) -> Tensor:
        return self.values[:, None]

    def stems(self, order: SampleOrder) -> list[str]:
        return [f"latent{index:0{INDEX_DIGITS}}" for index in order.latents]

    def chunks(self, order: SampleOrder) -> list[dict[str, str]]:
        return [{"latents": self.file.name, "row": str(index)} for index in order.latents]

    def properties(self, order: SampleOrder) -> list[SampleProperty]:
        return [SampleProperty("latent", [str(index) for index in order.latents])]

    def describe(self) -> str:
        return f"--latents {self.file}"


def shown_seeds(seeds: Sequence[int]) -> str:
    """Return seeds as a user types them, those in a row as a range."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], seed]
        else:
            parts.append([seed])
    return ",".join("-".join(map(str, part)) for part in parts)


def as_tensor(values: ConditionValues | None) -> Tensor | None:
    """Return labels as a tensor; None where there are none."""
    return None if values is None else torch.from_numpy(values)


def _walk_through(source: LatentSource, corners: int, choice: LabelChoice, columns: int | None) -> SampleOrder:
    """Return the order of one walk through all latents, with every label; raises ``ConfigError`` for a single one."""
    if corners < 2:
        raise ConfigError(f"--walk: expected two latents or more to walk through, got one ({source.describe()})")
    return _in_columns(choice.crossed(1), columns)


def _in_columns(order: SampleOrder, columns: int | None) -> SampleOrder:
    return SampleOrder(order.latents, order.values, columns or order.columns)
