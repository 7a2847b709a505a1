"""Films of ``gan-sample --walk``: walks through the latents, from sample to sample and back to the first."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from gan_cli.cli.numbers import require_memory
from gan_cli.cli.sample_arguments import FILM_RATE, FILM_SECONDS
from gan_cli.cli.sample_model import SampledModel, require_grid
from gan_cli.errors import ConfigError
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.inference.label_choice import SampleOrder
from gan_cli.inference.label_text import GridWords, arrange_words, label_properties
from gan_cli.inference.latent_sources import OneSeed, as_tensor
from gan_cli.inference.latents import require_generator
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.inference import LatentPath
from gan_cli.runtime.rng import latent_walk
from gan_cli.storage.files import writing
from gan_cli.telemetry import images
from gan_cli.telemetry.film import write_film
from gan_cli.telemetry.labelled_grid import labelled_grid

# Walks side by side, and seconds from one latent to the next, where the user's latents do not say.
WALKS, SECONDS_A_CORNER = 16, 4 / 3
# Memory for each pixel of a frame: the frame, and its copy in the colors of the format.
BYTES_PER_PIXEL = 6
# Frames of few samples without words are enlarged by a whole factor, up to this side.
SMALL_SIDE = 256


@dataclass(frozen=True)
class Film:
    """A film that is to be written.

    Attributes:
        path: its file.
        rate: frames in a second.
        frames: number of frames.
        corners: latents that each walk passes through, where the user's latents do not say.
        order: of the walks, in the order of a grid.
        columns: of the grid.
        words: around the grid.
        enlargement: factor by which a small frame is enlarged.
    """

    path: Path
    rate: float
    frames: int
    corners: int
    order: SampleOrder
    columns: int
    words: GridWords
    enlargement: int

    def describe(self) -> str:
        """Return in a few words how long it is."""
        return f"{self.frames} frames at {self.rate:g} a second"


def plan_film(arguments: argparse.Namespace, model: SampledModel) -> Film:
    """Return the film that the arguments ask for.

    Raises:
        ConfigError: it cannot be written, does not fit in memory, or the model has no such latents.
    """
    seconds, rate, path = arguments.seconds or FILM_SECONDS, arguments.fps or FILM_RATE, arguments.walk
    if not isinstance(model.source, OneSeed):
        require_generator(model.trained, f"--walk with {model.source.describe()}")
    frames = round(seconds * rate)
    if frames < 2:
        raise ConfigError(f"--seconds: expected two frames or more, got {seconds:g} seconds at {rate:g} a second")
    count = model.choice.whole_grid(WALKS) if arguments.grid is None else arguments.grid.count
    order = model.source.walk_order(model.choice, count, None if arguments.grid is None else arguments.grid.columns)
    shape = model.trained.dataset.shape
    columns = order.columns or images.default_columns(shape, order.count)
    labels = label_properties(order.values, model.trained.condition, model.class_names)
    words = arrange_words(labels, order.count, columns)
    if arguments.grid is not None and order.count != arguments.grid.count:
        raise ConfigError(
            f"--grid: expected a grid of {order.count:,}, as many as there are walks, got {arguments.grid}"
        )
    require_grid("--walk", shape, order.count, columns, words)
    width, height = images.grid_size(shape, order.count, columns)
    enlargement = 1 if words else max(1, SMALL_SIDE // max(width, height))
    require_memory("--walk", frames, frames * width * height * enlargement**2 * BYTES_PER_PIXEL, "frames")
    corners = max(2, round(seconds / SECONDS_A_CORNER))
    return Film(path, rate, frames, corners, order, columns, words, enlargement)


def write_walk(model: SampledModel, film: Film) -> None:
    """Draw all frames of a film, and write it; raises ``OutputError``."""
    frames = [_frame(samples, film) for samples in _walk(model, film)]
    with writing(film.path):
        film.path.parent.mkdir(parents=True, exist_ok=True)
        write_film(frames, film.path, film.rate)


def _walk(model: SampledModel, film: Film) -> Iterator[FloatArray]:
    """Yield the samples of each frame, in the order of the grid."""
    labels = as_tensor(film.order.values)
    if not isinstance(model.trained, TrainedGenerator):
        path = LatentPath(film.order.count, film.corners, film.frames)
        yield from model.trained.walk(path, model.seed, labels)
        return
    walks = torch.from_numpy(film.order.latents)
    corners = model.source.corners(film.corners, int(walks.max()) + 1, model.trained.latent_dim)
    for latents in latent_walk(corners, film.frames):
        truncated = latents if model.truncation is None else model.truncation(latents)
        yield model.trained.samples(truncated[walks], labels)


def _frame(samples: FloatArray, film: Film) -> Image.Image:
    frame = labelled_grid(samples, film.columns, film.words)
    assert isinstance(frame, Image.Image)  # of 8 bits
    width, height = (film.enlargement * side for side in frame.size)
    return frame.resize((width, height), Image.Resampling.NEAREST)
