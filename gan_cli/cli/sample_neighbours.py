"""Samples of ``gan-sample --nearest`` beside the training pictures that are nearest to them."""

from __future__ import annotations

import argparse

from gan_cli.cli.sample_arguments import PICTURES
from gan_cli.cli.sample_latents import picture_place, save_picture
from gan_cli.cli.sample_model import SampledModel, report, require_grid, require_pictures
from gan_cli.errors import ConfigError
from gan_cli.evaluation.sample_neighbours import nearest_training, training_rows
from gan_cli.evaluation.subjects import from_run
from gan_cli.inference.label_choice import SampleOrder
from gan_cli.inference.label_text import label_texts
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.telemetry import images
from gan_cli.telemetry.latent_figures import neighbours_figure
from gan_cli.telemetry.sheets import LINE


def draw_neighbours(arguments: argparse.Namespace, model: SampledModel, order: SampleOrder) -> int:
    """Draw samples beside the training pictures that are nearest to them; returns the exit status."""
    require_pictures(model, "--nearest")
    picture = picture_place(arguments, model, "nearest.png")
    if picture is None:
        raise ConfigError(f"--out: expected a name that ends in {', '.join(PICTURES)}, got {str(arguments.out)!r}")
    columns, shape = arguments.nearest + 2, model.trained.dataset.shape  # the sample, a gap, its neighbours
    require_grid("--nearest", (shape[0], shape[1] + LINE, shape[2]), order.count * columns, columns)
    subject = from_run(model.stored, GeneratorWeights.average, model.device)
    training_rows(subject, arguments.nearest)
    samples = model.source.draw(model.trained, order, model.truncation)
    found = nearest_training(subject, samples, arguments.nearest)
    parts = [each.texts for each in model.source.properties(order)]
    if order.values is not None:
        parts.append(label_texts(order.values, model.trained.condition, model.class_names))
    names = [", ".join(texts) for texts in zip(*parts, strict=True)]
    depth = images.pixel_type(model.trained.dataset) if picture.suffix.lower() == ".png" else images.BYTE
    save_picture(neighbours_figure(samples, found.pictures, found.distances, names, depth), picture)
    first = found.distances[:, 0]
    line = f"distance to the nearest of the training pictures: {first.min():.4f} to {first.max():.4f}"
    report(model, [picture], f"{order.count} samples, {model.source.describe().removeprefix('--')}", [line])
    return 0
