"""Inversion of pictures and principal directions of a latent space, for ``gan-sample``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gan_cli.cli.numbers import require_array_memory, require_memory
from gan_cli.cli.sample_arguments import PICTURES
from gan_cli.cli.sample_model import SampledModel, report, require_grid, require_pictures
from gan_cli.data.picture_targets import read_picture
from gan_cli.errors import ConfigError
from gan_cli.inference.array_files import read_samples_of
from gan_cli.inference.directions import (
    BYTES_PER_NUMBER,
    NUM_LATENTS,
    along,
    jacobian_size,
    principal_directions,
)
from gan_cli.inference.inversion import Inversion, InversionSettings, invert
from gan_cli.inference.label_choice import EachLabel, LabelChoice, OneLabel
from gan_cli.inference.label_text import label_texts
from gan_cli.inference.latent_sources import as_tensor
from gan_cli.inference.latents import require_generator
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import fixed_latents
from gan_cli.storage.deep_png import DeepImage
from gan_cli.storage.files import replacing, writing
from gan_cli.telemetry import images
from gan_cli.telemetry.latent_figures import inversion_figure, strips_figure

# Labels that are all tried for a picture whose own is not said.
MAX_CANDIDATES = 32
# Standard deviations of a strip.
POSITIONS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def invert_pictures(arguments: argparse.Namespace, model: SampledModel) -> int:
    """Find latents of pictures, write them and a picture of what was found; returns the exit status."""
    generator = require_generator(model.trained, "--invert")
    picture = picture_place(arguments, model, "inversion.png")
    candidates = _candidates(model.choice)
    targets, names = _read_targets(arguments.invert, model)
    if picture is not None:
        require_grid("--invert", generator.dataset.shape, 3 * len(targets), 3, advice="; --out FILE.npy has none")
    defaults = InversionSettings()
    settings = InversionSettings(
        arguments.starts or defaults.starts, arguments.iterations or defaults.steps, seed=model.seed
    )
    found = invert(generator, targets, candidates, settings)
    depth, written = images.pixel_type(model.trained.dataset), []
    array = (picture or arguments.out or Path("inversion")).with_suffix(".npy")
    if picture is not None:
        depth = depth if picture.suffix.lower() == ".png" else images.BYTE
        save_picture(inversion_figure(targets, found.reconstructions, found.distances, names, depth), picture)
        written.append(picture)
    _save_array(found.latents, array)
    summary = f"{len(targets)} inverted, seed {model.seed}"
    report(model, [*written, array], summary, _inversion_lines(found, names, model))
    return 0


def _read_targets(files: list[Path], model: SampledModel) -> tuple[FloatArray, list[str]]:
    """Return pictures and samples of arrays in the order of their files, with a name for each."""
    dataset = model.trained.dataset
    parts, names = list[FloatArray](), list[str]()
    for file in files:
        if file.suffix.lower() == ".npy":
            require_array_memory("--invert", file)
            parts.append(read_samples_of("--invert", file, dataset))
            names += [f"{file.name}[{index}]" for index in range(len(parts[-1]))]
        elif model.draws_pictures:
            parts.append(read_picture("--invert", file, dataset.shape, images.pixel_type(dataset))[None])
            names.append(file.name)
        else:
            raise ConfigError(f"--invert: this run learned points, not images: expected an array (.npy), got {file}")
    return np.concatenate(parts), names


def _candidates(choice: LabelChoice) -> torch.Tensor | None:
    """Return the labels that are tried for each picture; None for a model without labels."""
    if isinstance(choice, EachLabel) and len(choice.each) > MAX_CANDIDATES:
        raise ConfigError(f"--invert: {len(choice.each):,} labels are too many to try; --label LABEL says which it is")
    if isinstance(choice, OneLabel | EachLabel):
        return as_tensor(choice.values(1 if isinstance(choice, OneLabel) else len(choice.each)))
    if choice.values(1) is not None:
        raise ConfigError("--invert: expected one number for each that samples depend on: --label says which")
    return None


def _inversion_lines(found: Inversion, names: list[str], model: SampledModel) -> list[str]:
    """Return a line for each picture: its label where that was chosen, and the distances of all starts."""
    labels = [""] * len(names)
    if found.labels is not None:
        labels = [f", {text}" for text in label_texts(found.labels, model.trained.condition, model.class_names)]
        labels = [label.replace(", ", ", label ", 1) for label in labels]
    typical = found.latents.shape[1] ** 0.5
    return [
        f"{name}: distance {distance:.4f}{label}, |z| {np.linalg.norm(latent):.1f} (of samples: about {typical:.1f}),"
        f" starts {' '.join(f'{each:.4f}' for each in sorted(starts))}"
        for name, distance, label, latent, starts in zip(
            names, found.distances, labels, found.latents, found.start_distances, strict=True
        )
    ]


def draw_directions(arguments: argparse.Namespace, model: SampledModel) -> int:
    """Compute principal directions, write them and strips of samples along them; returns the exit status."""
    generator, count = require_generator(model.trained, "--directions"), arguments.directions
    if count > generator.latent_dim:
        raise ConfigError(f"--directions: expected {generator.latent_dim} at most, latent_dim of this run, got {count}")
    size = jacobian_size(generator)
    require_memory("--directions", size, size * BYTES_PER_NUMBER, "numbers of a Jacobian")
    picture = picture_place(arguments, model, "directions.png")
    if picture is not None:
        shape = generator.dataset.shape
        require_grid("--directions", shape, count * len(POSITIONS), len(POSITIONS), advice="; --out FILE.npy has none")
    found = principal_directions(generator, count, as_tensor(model.choice.values(NUM_LATENTS)), model.seed)
    written, array = [], (picture or arguments.out or Path("directions")).with_suffix(".npy")
    if picture is not None:
        latent = fixed_latents(model.seed, 1, generator.latent_dim)[0]
        latents = along(latent if model.truncation is None else model.truncation(latent), found.vectors, POSITIONS)
        label = model.choice.values(1)
        samples = generator.samples(latents, None if label is None else as_tensor(label.repeat(len(latents), axis=0)))
        about = f"the sample of seed {model.seed}"
        if label is not None:
            about += f", label {label_texts(label, model.trained.condition, model.class_names)[0]}"
        depth = images.pixel_type(model.trained.dataset) if picture.suffix.lower() == ".png" else images.BYTE
        save_picture(strips_figure(samples, found.shares, POSITIONS, about, depth), picture)
        written.append(picture)
    _save_array(found.vectors, array)
    shares = " ".join(f"{share:.1%}" for share in found.shares)
    report(model, [*written, array], f"{count} directions, seed {model.seed}", [f"shares of the change: {shares}"])
    return 0


def picture_place(arguments: argparse.Namespace, model: SampledModel, name: str) -> Path | None:
    """Return the file of the picture; None where an array alone is asked for, or the model draws points."""
    out: Path | None = arguments.out
    if out is not None and out.suffix.lower() == ".csv":
        raise ConfigError(f"--out: expected a name that ends in {', '.join(PICTURES)} or .npy, got {str(out)!r}")
    if out is not None and out.suffix.lower() == ".npy":
        return None
    if out is not None:
        require_pictures(model, "--out")
    return (out or Path(name)) if model.draws_pictures else None


def save_picture(picture: Image.Image | DeepImage, path: Path) -> None:
    """Write a picture in the format of its name; raises ``OutputError``."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        images.save(picture, path)


def _save_array(values: FloatArray, path: Path) -> None:
    with writing(path), replacing(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.save(file, values)
