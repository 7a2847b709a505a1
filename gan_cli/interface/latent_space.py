"""Interpolation, inversion and directions from Python, with the numbers of ``gan-sample``."""

from __future__ import annotations

from dataclasses import replace
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_cli.errors import ConfigError
from gan_cli.inference import latents
from gan_cli.inference.directions import NUM_LATENTS, Directions, principal_directions
from gan_cli.inference.inversion import Inversion, InversionSettings, invert
from gan_cli.inference.label_choice import EachLabel, LabelChoice, NumberGrid
from gan_cli.interface.arguments import seed_number, whole_number
from gan_cli.interface.drawing import chosen_labels, label_tensor
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Dataset
from gan_cli.protocols.inference import TrainedSampler

MAX_FRAMES, MAX_STARTS, MAX_STEPS = 10_000, 1000, 100_000
# Labels that are all tried for a picture whose own is not said.
MAX_CANDIDATES = 32


def interpolated(
    trained: TrainedSampler, seeds: tuple[int, int], frames: SupportsIndex, label: str | int | None, bound: float | None
) -> FloatArray:
    """Return samples on the way from one seed's latent to another's; see ``Run.interpolate``."""
    generator = latents.require_generator(trained, "interpolate")
    count = whole_number("frames", frames, 2, MAX_FRAMES)
    ends = latents.latents_of_seeds(seeds, generator.latent_dim)
    ends = ends if bound is None else latents.Truncation(bound)(ends)
    path = latents.interpolate(ends[:1], ends[1:], count)[:, 0]
    samples = generator.samples(path, _labels_of_one(chosen_labels(generator, label), label, count))
    return generator.dataset.coordinates(samples)


def inverted(
    trained: TrainedSampler,
    images: npt.ArrayLike,
    label: str | int | None,
    settings: InversionSettings,
) -> Inversion:
    """Return the latents of images; see ``Run.invert``."""
    generator = latents.require_generator(trained, "invert")
    targets = _targets(generator.dataset, images)
    found = invert(generator, targets, _candidates(chosen_labels(generator, label)), settings)
    return replace(found, reconstructions=generator.dataset.coordinates(found.reconstructions))


def inversion_settings(starts: SupportsIndex, steps: SupportsIndex, seed: SupportsIndex) -> InversionSettings:
    """Return checked settings of an inversion; raises ``ConfigError`` for a wrong one."""
    return InversionSettings(
        starts=whole_number("starts", starts, 1, MAX_STARTS),
        steps=whole_number("steps", steps, 1, MAX_STEPS),
        seed=seed_number("seed", seed),
    )


def directions(trained: TrainedSampler, k: SupportsIndex, label: str | int | None, seed: int) -> Directions:
    """Return the principal directions of the latent space; see ``Run.directions``."""
    generator = latents.require_generator(trained, "directions")
    count = whole_number("k", k, 1, generator.latent_dim)
    return principal_directions(generator, count, label_tensor(chosen_labels(generator, label), NUM_LATENTS), seed)


def _labels_of_one(chosen: LabelChoice, label: str | int | None, count: int) -> Tensor | None:
    """Return the labels of a way: that of an argument, else the first of all; a range is passed through on it."""
    values = chosen.values(count) if label is not None else chosen.values(1)
    if values is None:
        return None
    return torch.from_numpy(values if len(values) == count else np.repeat(values, count, axis=0))


def _candidates(chosen: LabelChoice) -> Tensor | None:
    """Return the labels that are tried for each image; None for a model without labels.

    Raises:
        ConfigError: they are numbers, or too many.
    """
    if isinstance(chosen, NumberGrid):
        raise ConfigError("label: expected one number for each that samples depend on, got ranges")
    count = len(chosen.each) if isinstance(chosen, EachLabel) else 1
    if count > MAX_CANDIDATES:
        raise ConfigError(f"label: {count:,} labels are too many to try: expected the label of the images")
    return label_tensor(chosen, count)


def _targets(dataset: Dataset, images: npt.ArrayLike) -> FloatArray:
    """Return samples ``(N, *shape)`` in the data's own units on the scale of [-1, 1]; one sample is one of one.

    Raises:
        ConfigError: they have another shape, or are not finite.
    """
    shape = tuple(dataset.shape)
    expected = f"an array (N, {', '.join(map(str, shape))}), as sample() returns it"
    try:
        values = np.asarray(images, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"images: expected {expected}, got {type(images).__name__}") from None
    values = values[None] if values.shape == shape else values
    if values.shape[1:] != shape or not values.size:
        raise ConfigError(f"images: expected {expected}, got {values.shape}")
    if not np.isfinite(values).all():
        raise ConfigError("images: expected finite numbers, got others")
    # What a dataset does to samples is a shift and a scale of each coordinate, so that two samples tell the inverse.
    zero, one = (dataset.coordinates(np.full((1, *shape), value, np.float32)).astype(np.float64) for value in (0, 1))
    scaled: FloatArray = ((values - zero) / (one - zero)).astype(np.float32)
    return scaled
