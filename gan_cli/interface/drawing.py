"""Samples of a trained model as arrays and pictures, with the numbers and the layout of ``gan-sample``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from gan_cli.data.memory import data_memory
from gan_cli.errors import ConfigError
from gan_cli.inference.label_choice import LabelChoice, choose_labels
from gan_cli.inference.latents import Truncation, require_generator
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import class_names
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.runtime.rng import fixed_latents
from gan_cli.telemetry.figures import sample_figure
from gan_cli.telemetry.images import BYTE, grid_size

# Memory for each value of the samples, as drawn and joined.
BYTES_PER_VALUE = 16
# Longest side of a grid in pixels, more than a person looks at.
MAX_SIDE = 16_383


@dataclass(frozen=True)
class Drawing:
    """Samples that are to be drawn from a model: how many, of which latents and labels.

    Attributes:
        trained: the model.
        count: number of samples.
        seed: of the latents.
        labels: of the samples.
        truncation: bound of the latents' coordinates; None: they are of N(0, I).
    """

    trained: TrainedSampler
    count: int
    seed: int
    labels: LabelChoice
    truncation: float | None = None

    def samples(self) -> FloatArray:
        """Return the samples ``(count, *shape)`` on the scale of [-1, 1]."""
        require_memory(self.count, self.trained)
        labels, shared = label_tensor(self.labels, self.count), self.labels.shared(self.count)
        if self.truncation is None:
            return self.trained.draw(self.count, self.seed, labels, shared)
        generator = require_generator(self.trained, "truncation")
        latents = fixed_latents(self.seed, -(-self.count // shared), generator.latent_dim)
        truncated = Truncation(self.truncation)(latents).repeat_interleave(shared, 0)[: self.count]
        return generator.samples(truncated, labels)

    def coordinates(self) -> FloatArray:
        """Return the samples ``(count, *shape)`` in the data's own units, as ``gan-sample --out FILE.npy`` does."""
        return self.trained.dataset.coordinates(self.samples())

    def picture(self, columns: int | None) -> Image.Image:
        """Return a grid of images, a scatter plot of points, or a figure of a table's rows.

        Args:
            columns: of a grid; None: those of the labels, or about as many as there are rows.

        Raises:
            ConfigError: the grid is too large for a picture.
        """
        shape = self.trained.dataset.shape
        columns = columns or self.labels.columns(self.count)
        if len(shape) > 1 and max(grid_size(shape, self.count, columns)) > MAX_SIDE:
            raise ConfigError(f"n: {self.count:,} samples make a grid of more than {MAX_SIDE:,} pixels a side")
        picture = sample_figure(self.samples(), columns, self.trained.dataset, BYTE)
        assert isinstance(picture, Image.Image)  # of 8 bits
        return picture


def chosen_labels(trained: TrainedSampler, label: str | int | None) -> LabelChoice:
    """Return the labels that an argument asks for; raises ``ConfigError`` as ``gan-sample --label`` does."""
    unnamed = trained.dataset.classes is None
    text = None if label is None else str(label)
    return choose_labels(text, trained.condition, class_names(trained.data), always_named=unnamed)


def label_tensor(labels: LabelChoice, count: int) -> Tensor | None:
    """Return the labels of so many samples; None where they have none."""
    values = labels.values(count)
    return None if values is None else torch.from_numpy(values)


def require_memory(count: int, trained: TrainedSampler) -> None:
    """Raise ``ConfigError`` where so many samples do not fit in memory."""
    size = count * math.prod(trained.dataset.shape) * BYTES_PER_VALUE
    if size > data_memory():
        raise ConfigError(
            f"n: {count:,} samples take {size:,} bytes of memory, more than the {data_memory():,} for them here"
        )
