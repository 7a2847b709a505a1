"""Picture of what D would see: real images of the data as they are, and augmented (``augment.preview=true``)."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.components.adaptive_probability import AdaptiveProbability
from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.errors import ConfigError, printable
from gan_cli.protocols.adversarial import Augmentation
from gan_cli.protocols.data import Dataset, ExampleImages, Images
from gan_cli.runtime.rng import SeededStream
from gan_cli.storage.files import replacing, writing
from gan_cli.telemetry.figures import grid_figure
from gan_cli.training import planning

COLUMNS = 8
# Rows of an augmentation whose probability adapts: seldom, as often as not, always.
PROBABILITIES = (0.2, 0.5, 1.0)
# Rows of one that does not adapt.
DRAWS = 3
NAME = "augment_preview"


def write_preview(config: DictConfig, folder: Path) -> str:
    """Write the picture into a folder, under a name that is free, and return a line that says where.

    Its first row are real images, the others the same images augmented.

    Args:
        config: composed configuration of a run.
        folder: where to write.

    Raises:
        ConfigError: the run could not start, or augments nothing.
        DataError: the data cannot be read.
        OutputError: the picture cannot be written.
    """
    plan = planning.plan_with_files(config)
    if plan.augment is None:
        raise ConfigError("augment.preview: nothing is augmented; choose an option, such as augment=ada")
    rows = augmented_rows(plan.augment, _examples(plan.dataset, plan.config.seed), plan.config.seed)
    samples, columns = torch.cat(list(rows.values())).numpy(), len(next(iter(rows.values())))
    picture = grid_figure(samples, columns, ["real images, and what D would see of them"], list(rows))
    path = next(path for path in _names(folder) if not path.exists())
    with writing(path), replacing(path) as temporary:
        picture.save(temporary, format="PNG")
    return f"{'augment.preview':<16}{printable(str(path))}; rows: {', '.join(rows)}"


def augmented_rows(augment: Augmentation, images: Tensor, seed: int) -> dict[str, Tensor]:
    """Return rows of images ``(N, C, H, W)`` by what they show: the images, then these augmented.

    Args:
        augment: as the run would begin with it.
        images: in [-1, 1].
        seed: of the run.
    """
    stream, rows = SeededStream(seed, "augment preview", torch.device("cpu")), {"the images": images}
    settings: dict[str, Augmentation] = {f"draw {number}": augment for number in range(1, DRAWS + 1)}
    if isinstance(augment, AdaptiveProbability):
        settings = {f"probability {each:g}": replace(augment, probability=each) for each in PROBABILITIES}
    with torch.no_grad():
        return rows | {name: each(images, stream) for name, each in settings.items()}


def _examples(dataset: Dataset, seed: int) -> Tensor:
    """Return some images of the data, ``(N, C, H, W)`` in [-1, 1]; of files, only as many are decoded."""
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(dataset, ExampleImages):
            source = dataset.load_examples(COLUMNS, Path(scratch))
        else:
            loaded = dataset.load()
            assert isinstance(loaded, Images)  # others have been rejected
            source = loaded
        rows = np.random.default_rng(seed).permutation(len(source.array))[:COLUMNS]
        return Normalization(source.levels)(stored_tensor(np.array(source.array[np.sort(rows)])))


def _names(folder: Path) -> Iterator[Path]:
    """Yield names for the picture, without end."""
    yield folder / f"{NAME}.png"
    yield from (folder / f"{NAME}_{number}.png" for number in itertools.count(1))
