"""Images, points and rows of ``gan-sample``: as a grid, an array, single files or a film."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan_cli import __version__
from gan_cli.cli.numbers import require_memory
from gan_cli.cli.sample_arguments import PICTURES, GridSize
from gan_cli.cli.sample_model import SampledModel, load_model, report, require_grid, require_pictures
from gan_cli.cli.sample_walk import plan_film, write_walk
from gan_cli.errors import ConfigError
from gan_cli.inference.label_choice import SampleOrder
from gan_cli.inference.label_text import (
    GridWords,
    arrange_words,
    file_slug,
    label_properties,
    label_texts,
    unique_names,
)
from gan_cli.inference.sample_tables import require_table, write_csv
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import VectorCondition
from gan_cli.storage.files import writing
from gan_cli.storage.stored_model import StoredModel
from gan_cli.telemetry import images
from gan_cli.telemetry.figures import sample_figure
from gan_cli.telemetry.labelled_grid import labelled_grid

# Default number of samples, and of those with training pictures beside them.
SAMPLES, NEAREST_SAMPLES = 64, 8
# Memory for each value of the samples, as drawn and joined.
BYTES_PER_VALUE = 16


def sample_images(arguments: argparse.Namespace, stored: StoredModel) -> int:
    """Do what the arguments ask of a model of images or points; returns the exit status."""
    if arguments.temperature is not None:
        raise ConfigError("--temperature: this run learned images or points, not text")
    out = arguments.out
    if out is not None and out.suffix.lower() == ".txt":
        raise ConfigError(f"--out: expected a name that ends in {', '.join(PICTURES)} or .npy, got {str(out)!r}")
    model = load_model(arguments, stored)
    if out is not None and out.suffix.lower() == ".csv":
        require_table(model.trained.dataset)
    if arguments.invert is not None or arguments.directions is not None:
        from gan_cli.cli.sample_latents import draw_directions, invert_pictures

        return (draw_directions if arguments.invert is None else invert_pictures)(arguments, model)
    if arguments.nearest is not None:
        from gan_cli.cli.sample_neighbours import draw_neighbours  # loads all that evaluates, which takes a second

        order = model.source.order(model.choice, arguments.n or NEAREST_SAMPLES, None)
        require_memory("--n", order.count, order.count * math.prod(model.trained.dataset.shape) * BYTES_PER_VALUE)
        return draw_neighbours(arguments, model, order)
    return _draw_samples(arguments, model)


def _draw_samples(arguments: argparse.Namespace, model: SampledModel) -> int:
    out = arguments.out
    if out is None and not (arguments.separate or arguments.walk):
        out = Path("grid.png")
    if arguments.separate or arguments.walk:
        require_pictures(model, "--separate and --walk")
    film = None if arguments.walk is None else plan_film(arguments, model)
    written, summary = [], ""
    if out is not None or arguments.separate is not None:
        order = _order(arguments, model)
        written = _write_samples(order, out, arguments.separate, model)
        summary = f"{order.count} samples, {model.source.describe().removeprefix('--')}"
    if film is not None:
        write_walk(model, film)
        written.append(film.path)
        summary = summary or film.describe()
    report(model, written, summary)
    return 0


def _write_samples(order: SampleOrder, out: Path | None, folder: Path | None, model: SampledModel) -> list[Path]:
    """Draw the samples of an order, and write them into a file, or one by one into a folder; returns both."""
    shape = model.trained.dataset.shape
    columns = order.columns or (images.default_columns(shape, order.count) if model.draws_pictures else order.count)
    words = grid_words(model, order, columns) if model.draws_pictures else GridWords()
    _check_size(shape, order.count, columns, words, out)
    sheet = _Sheet(model, order, model.source.draw(model.trained, order, model.truncation))
    if out is not None:
        sheet.write(out, columns, words)
    if folder is not None:
        sheet.write_each(folder)
    return [path for path in (out, folder) if path is not None]


def _order(arguments: argparse.Namespace, model: SampledModel) -> SampleOrder:
    """Return the order of the samples; raises ``ConfigError`` where a grid that is asked for does not fit them."""
    size: GridSize | None = arguments.grid
    count = arguments.n
    if count is None:
        count = size.count if size else model.choice.whole_grid(SAMPLES)
    order = model.source.order(model.choice, count, size.columns if size else None)
    if size is not None and order.count != size.count:
        raise ConfigError(f"--grid: expected a grid of {order.count:,} samples, got {size}, which has {size.count:,}")
    return order


def grid_words(model: SampledModel, order: SampleOrder, columns: int) -> GridWords:
    """Return the words of a grid: labels and seeds of its samples."""
    labels = label_properties(order.values, model.trained.condition, model.class_names)
    return arrange_words([*labels, *model.source.properties(order)], order.count, columns)


def _check_size(shape: tuple[int, ...], count: int, columns: int, words: GridWords, out: Path | None) -> None:
    """Raise ``ConfigError`` where samples do not fit in memory, or a grid of them in a picture of its format."""
    require_memory("--n", count, count * math.prod(shape) * BYTES_PER_VALUE)
    if out is None or out.suffix.lower() in (".npy", ".csv") or len(shape) == 1:
        return
    advice = "; --out FILE.npy and --separate DIR take any number"
    require_grid("--n", shape, count, columns, words, advice)


@dataclass(frozen=True)
class _Sheet:
    """Samples that were drawn, to be written.

    Attributes:
        model: what they were drawn from.
        order: latent and label of each.
        samples: ``(N, *shape)``.
    """

    model: SampledModel
    order: SampleOrder
    samples: FloatArray

    def write(self, out: Path, columns: int, words: GridWords) -> None:
        """Write all of them in one file, in the format of its name."""
        trained, suffix = self.model.trained, out.suffix.lower()
        depth = images.pixel_type(trained.dataset) if suffix == ".png" else images.BYTE
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if suffix == ".npy":
                np.save(out, trained.dataset.coordinates(self.samples))
            elif suffix == ".csv":
                write_csv(out, self.samples, trained, self.order.values)
            elif self.model.draws_pictures:
                images.save(labelled_grid(self.samples, columns, words, depth), out)
            else:
                images.save(sample_figure(self.samples, None, trained.dataset, depth), out)

    def write_each(self, folder: Path) -> None:
        """Write each as a PNG of its own, and as an array beside it where it is more than one picture."""
        trained = self.model.trained
        depth, labels, origins = (
            images.pixel_type(trained.dataset),
            self._labels(),
            self.model.source.chunks(self.order),
        )
        truncation = self.model.truncation
        texts = {
            **({} if truncation is None else {"truncation": truncation.describe().partition(": ")[2]}),
            "run": "/".join(self.model.stored.path.absolute().parts[-2:]),
            "step": str(trained.step),
            "version": f"gan_cli {__version__}",
        }
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for place, (name, sample) in enumerate(zip(self._names(), self.samples, strict=True)):
                label = {"label": labels[place]} if labels else {}
                picture = images.to_image(sample, depth)
                images.save_png(picture, folder / f"{name}.png", {**origins[place], **label, **texts})
                if not images.is_one_picture(sample):
                    np.save(folder / f"{name}.npy", trained.dataset.coordinates(sample[None])[0])

    def _labels(self) -> list[str]:
        values = self.order.values
        return [] if values is None else label_texts(values, self.model.trained.condition, self.model.class_names)

    def _names(self) -> list[str]:
        """Return names of files with seed and label, all different."""
        stems, labels = self.model.source.stems(self.order), self._labels()
        if not labels:
            return unique_names(stems)
        of_vectors = isinstance(self.model.trained.condition, VectorCondition)
        numbers = range(len(labels)) if of_vectors or self.order.values is None else self.order.values.tolist()
        fallbacks = [f"label{number}" if of_vectors else f"class{number}" for number in numbers]
        slugs = [
            fallback if label.isdecimal() else file_slug(label, fallback)
            for label, fallback in zip(labels, fallbacks, strict=True)
        ]
        return unique_names([f"{stem}_{slug}" for stem, slug in zip(stems, slugs, strict=True)])
