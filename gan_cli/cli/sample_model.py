"""The model that ``gan-sample`` draws from, its labels and its latents, as the arguments say."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gan_cli.algorithms.spec import spec_of
from gan_cli.cli.numbers import require_array_memory, require_memory
from gan_cli.errors import ConfigError, printable
from gan_cli.inference.label_choice import LabelChoice, choose_labels
from gan_cli.inference.label_text import GridWords
from gan_cli.inference.latent_sources import EachSeed, FileLatents, LatentSource, OneSeed
from gan_cli.inference.latents import Truncation, TruncationMode, read_latents, require_generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.data import class_names
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.runtime.device import inference_device
from gan_cli.storage.stored_model import StoredModel
from gan_cli.telemetry import run_log
from gan_cli.telemetry.images import grid_size
from gan_cli.telemetry.labelled_grid import NAME_WIDTH as MAX_NAME_WIDTH
from gan_cli.telemetry.labelled_grid import words_size
from gan_cli.telemetry.sheets import LINE

# Longest side of a grid in pixels: that of WebP, and far more than a person looks at.
MAX_SIDE = 16_383
# Memory for each pixel of a grid.
BYTES_PER_PIXEL = 3


@dataclass(frozen=True)
class SampledModel:
    """A trained model on its device, with what is to be drawn from it.

    Attributes:
        stored: the model on disk.
        trained: the same, loaded.
        device: where it computes.
        choice: labels of the samples.
        seed: of what is not drawn from seeds that are listed.
        source: latents of the samples.
        truncation: of the latents; None: they are of N(0, I).
    """

    stored: StoredModel
    trained: TrainedSampler
    device: torch.device
    choice: LabelChoice
    seed: int
    source: LatentSource
    truncation: Truncation | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; empty where they have numbers alone, or where there are none."""
        return class_names(self.trained.data)

    @property
    def draws_pictures(self) -> bool:
        """True for images, False for points and rows of a table."""
        return len(self.trained.dataset.shape) == 3


def load_model(arguments: argparse.Namespace, stored: StoredModel) -> SampledModel:
    """Load a model for the arguments of ``gan-sample``; raises ``ConfigError`` where they do not suit it."""
    with run_log.console():
        trained = spec_of(stored).load_sampler(stored, GeneratorWeights.average)
        device = inference_device(arguments.device)
        trained.network.to(device)
    # Classes that are folders had no names in checkpoints of earlier versions: the number is a place in their order.
    unnamed = trained.dataset.classes is None
    choice = choose_labels(arguments.label, trained.condition, class_names(trained.data), always_named=unnamed)
    truncation = None
    if arguments.truncation is not None:
        require_generator(trained, "--truncation")
        truncation = Truncation(arguments.truncation, TruncationMode[arguments.truncation_by or "bound"])
    seed = arguments.seed or 0
    return SampledModel(stored, trained, device, choice, seed, _latent_source(arguments, trained, seed), truncation)


def _latent_source(arguments: argparse.Namespace, trained: TrainedSampler, seed: int) -> LatentSource:
    if arguments.seeds is not None:
        return EachSeed(arguments.seeds)
    if arguments.latents is not None:
        latent_dim = require_generator(trained, "--latents").latent_dim
        require_array_memory("--latents", arguments.latents)
        return FileLatents(arguments.latents, read_latents(arguments.latents, latent_dim))
    return OneSeed(seed)


def require_pictures(model: SampledModel, option: str) -> None:
    """Raise ``ConfigError`` where a model draws points, of which there is no picture for an option."""
    if not model.draws_pictures:
        raise ConfigError(f"{option}: this run learned points, not images; use --out points.npy")


def require_grid(
    option: str, shape: tuple[int, ...], count: int, columns: int, words: GridWords | None = None, advice: str = ""
) -> None:
    """Check, before samples are drawn, that a grid of them fits in a picture of any format, and in memory.

    Args:
        option: the option that says how many there are.
        shape: ``(C, H, W)`` of a sample.
        count: number of samples.
        columns: of the grid.
        words: around the grid.
        advice: what to do instead, at the end of the message.

    Raises:
        ConfigError: it does not.
    """
    added = (MAX_NAME_WIDTH, LINE) if words is None else words_size(words, math.ceil(count / columns))
    width, height = map(sum, zip(grid_size(shape, count, columns), added, strict=True))
    if max(width, height) > MAX_SIDE:
        raise ConfigError(
            f"{option}: {count:,} samples make a grid of {width:,} x {height:,} pixels, more than {MAX_SIDE:,} a side"
            f"{advice}"
        )
    require_memory(option, count, width * height * shape[0] * BYTES_PER_PIXEL)


def report(model: SampledModel, written: Sequence[Path], summary: str, lines: Sequence[str] = ()) -> None:
    """Print the paths of what was written, and to stderr what was done."""
    for path in written:
        print(printable(path))
    truncation = [] if model.truncation is None else [model.truncation.describe()]
    for line in (*model.choice.lines, *truncation, *lines):
        print(printable(line), file=sys.stderr)
    print(f"{summary}, step {model.trained.step}, on {model.device.type}", file=sys.stderr)
