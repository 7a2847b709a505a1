"""What a run has learned, read from its directory: its dataset and its generator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from gan_cli.config import instantiate
from gan_cli.config.validate import checked
from gan_cli.errors import ConfigError
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Dataset
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory

SAMPLE_BLOCK = 256
# A checkpoint that tells of more is damaged; memory for them would be asked for before anything else is compared.
MOST_CLASSES = 1_000_000


class Weights(Enum):
    """Which of its generators a run is judged by; the value is their name in a checkpoint."""

    average = "average"
    raw = "generator"


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator as a run left it.

    Attributes:
        network: ``(N, latent_dim) -> (N, *shape)``, with labels ``(N,)`` as a second argument where ``classes`` > 0;
            in evaluation mode, on the CPU.
        latent_dim: dimensions of z.
        classes: how many classes it was told; 0: none.
        dataset: what it learned, for the samples' own coordinates.
        step: updates it has seen.
    """

    network: nn.Module
    latent_dim: int
    classes: int
    dataset: Dataset
    step: int

    @torch.no_grad()
    def samples(self, latents: Tensor, labels: Tensor | None = None) -> FloatArray:
        """``(N, *shape)`` on the scale of [-1, 1], in bounded memory for any N.

        Args:
            latents: ``(N, latent_dim)``.
            labels: ``(N,)`` in [0, classes), where ``classes`` > 0.
        """
        inputs = [latents] if labels is None else [latents, labels]
        blocks = zip(*(torch.split(each, SAMPLE_BLOCK) for each in inputs), strict=True)
        return torch.cat([self.network(*block) for block in blocks]).numpy()


def learned_dataset(directory: RunDirectory) -> Dataset:
    """The dataset of a run, not loaded; raises ``ConfigError`` if this is no run directory."""
    dataset: Dataset = instantiate.create(checked(directory.stored_config()).dataset, "dataset", Dataset)
    return dataset


def trained_generator(directory: RunDirectory, weights: Weights = Weights.average) -> TrainedGenerator:
    """The generator of a run's latest whole checkpoint.

    Args:
        directory: of the run.
        weights: the moving average, or the network as training left it.

    Raises:
        ConfigError: no run directory, no checkpoint, or one of other networks.
    """
    typed = checked(directory.stored_config())
    dataset = learned_dataset(directory)
    architecture: Architecture = instantiate.create(typed.architecture, "architecture", Architecture)
    state = checkpoints.load_latest(directory.checkpoints)
    with fitting(directory):
        classes = int(state["algorithm"]["classes"])
        if not 0 <= classes <= MOST_CLASSES:
            raise ValueError(f"it tells of {classes} classes")
    network = architecture.generator(dataset.shape, classes)
    with fitting(directory):
        network.load_state_dict(state["algorithm"][weights.value])
        step = int(state["step"])
    return TrainedGenerator(network.eval(), architecture.latent_dim, classes, dataset, step)


@contextlib.contextmanager
def fitting(directory: RunDirectory) -> Iterator[None]:
    """Turn a checkpoint that does not fit the run's configuration into one clear message."""
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        # torch lists every key and shape that differs, one a line, below a general first line.
        lines = [line.strip() for line in str(error).splitlines()]
        detail = lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__
        raise ConfigError(
            f"the checkpoint in {directory.checkpoints} does not fit the configuration of its run: {detail}"
        ) from error
