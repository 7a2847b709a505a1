"""Generators that map a latent to a sample in one pass: loaded from a run, and sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.inference.loading import GeneratorWeights, load_network, network_device, run_dataset
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Dataset
from gan_cli.protocols.inference import LatentPath
from gan_cli.runtime.rng import BLOCK, fixed_latents, latent_walk
from gan_cli.storage.stored_model import StoredModel


@dataclass(frozen=True)
class TrainedGenerator:
    """The trained generator of a run.

    Attributes:
        network: ``(N, latent_dim) -> (N, *shape)``, with labels as a second argument where it is conditional;
            in evaluation mode; on the CPU, unless it was moved.
        latent_dim: dimensions of z.
        condition: what it is conditional on; 0: unconditional.
        dataset: the dataset it learned, for the samples' own coordinates.
        step: number of updates it was trained for.
        data: identity of the data that it was trained on, as the checkpoint has it; None: unknown.
        facts: none: there is one way to draw samples.
    """

    network: nn.Module
    latent_dim: int
    condition: Condition
    dataset: Dataset
    step: int
    data: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def samples(self, latents: Tensor, labels: Tensor | None = None) -> FloatArray:
        """Generate ``(N, *shape)`` on the scale of [-1, 1], in bounded memory for any N, where the network lies.

        Args:
            latents: ``(N, latent_dim)``.
            labels: classes ``(N,)`` or vectors ``(N, K)``, where it is conditional.
        """
        inputs, device = [latents] if labels is None else [latents, labels], network_device(self.network)
        blocks = zip(*(torch.split(each, BLOCK) for each in inputs), strict=True)
        parts = [self.network(*(each.to(device) for each in block)).cpu() for block in blocks]
        samples: FloatArray = torch.cat(parts).numpy()
        return samples

    def draw(self, count: int, seed: int, labels: Tensor | None = None, shared: int = 1) -> FloatArray:
        """Generate ``(count, *shape)`` from the first latents of a seed; see ``TrainedSampler.draw``."""
        latents = fixed_latents(seed, -(-count // shared), self.latent_dim)
        return self.samples(latents.repeat_interleave(shared, 0)[:count], labels)

    def walk(self, path: LatentPath, seed: int, labels: Tensor | None = None) -> Iterator[FloatArray]:
        """Yield frames of spherical interpolations between latents; see ``TrainedSampler.walk``."""
        corners = fixed_latents(seed, path.corners * path.walkers, self.latent_dim)
        for latents in latent_walk(corners.reshape(path.corners, path.walkers, -1), path.frames):
            yield self.samples(latents, labels)


def load_generator(model: StoredModel, weights: GeneratorWeights = GeneratorWeights.average) -> TrainedGenerator:
    """Load the generator of a stored model.

    Args:
        model: a run's checkpoint, or another stored model.
        weights: the moving average, or the network as training left it.

    Raises:
        ConfigError: no run directory, no checkpoint, or one of other networks.
    """
    typed = validate_config(model.stored_config())
    dataset = run_dataset(model)
    architecture: Architecture = Node.parse(typed.architecture, "architecture", Architecture).build()
    loaded = load_network(model, weights, lambda condition: architecture.generator(dataset.shape, condition))
    return TrainedGenerator(
        loaded.network, architecture.latent_dim, loaded.condition, dataset, loaded.step, loaded.data
    )
