"""Load the trained denoiser of a run: to sample with it, and to export one of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.networks import DenoiserArchitecture
from gan_cli.algorithms.diffusion.reverse import ReverseProcess
from gan_cli.algorithms.diffusion.sampling import draw_samples, latents_of
from gan_cli.algorithms.diffusion.settings import DiffusionSettings
from gan_cli.algorithms.spec import PROVIDED, AlgorithmSpec
from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.inference.loading import GeneratorWeights, load_network, network_device, run_dataset
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Dataset
from gan_cli.protocols.inference import LatentPath
from gan_cli.runtime.rng import latent_walk
from gan_cli.storage.stored_model import StoredModel


@dataclass(frozen=True)
class TrainedDenoiser:
    """The trained denoiser of a run, in evaluation mode; on the CPU, unless its network was moved.

    Attributes:
        network: ``(N, *shape), (N,) time -> (N, *shape)``, with labels where it is conditional.
        settings: of the processes.
        condition: what it is conditional on; 0: unconditional.
        dataset: the dataset it learned.
        step: number of updates it was trained for.
        facts: how samples are drawn: schedule, sampler, steps and guidance, as plain values.
        data: identity of the data that it was trained on, as the checkpoint has it; None: unknown.
    """

    network: nn.Module
    settings: DiffusionSettings
    condition: Condition
    dataset: Dataset
    step: int
    facts: Mapping[str, Any]
    data: Mapping[str, Any] | None

    @torch.no_grad()
    def draw(self, count: int, seed: int, labels: Tensor | None = None, shared: int = 1) -> FloatArray:
        """Generate ``(count, *shape)`` on the scale of [-1, 1]; see ``TrainedSampler.draw``."""
        shape = self.dataset.shape
        latents = latents_of(seed, -(-count // shared), shape).repeat_interleave(shared, 0)[:count]
        samples: FloatArray = draw_samples(self._process(), shape, seed, latents, labels).numpy()
        return samples

    @torch.no_grad()
    def walk(self, path: LatentPath, seed: int, labels: Tensor | None = None) -> Iterator[FloatArray]:
        """Yield frames of spherical interpolations of x_T, with the same noise of the steps, if any, in each."""
        process, shape = self._process(), self.dataset.shape
        corners = latents_of(seed, path.corners * path.walkers, shape).reshape(path.corners, path.walkers, -1)
        for latents in latent_walk(corners, path.frames):
            yield draw_samples(process, shape, seed, latents, labels).numpy()

    def _process(self) -> ReverseProcess:
        process = self.settings.reverse_steps(ReverseProcess, self.network, self.dataset.shape, self.condition)
        return process.to(network_device(self.network))


def load_denoiser(model: StoredModel, weights: GeneratorWeights = GeneratorWeights.average) -> TrainedDenoiser:
    """Load the denoiser of a stored model.

    Args:
        model: a run's checkpoint, or another stored model.
        weights: the moving average, or the network as training left it.

    Raises:
        ConfigError: no run directory, no checkpoint, or one of other networks.
    """
    typed = validate_config(model.stored_config())
    dataset = run_dataset(model)
    settings = DiffusionSettings.from_node(Node.parse(typed.algorithm, "algorithm", AlgorithmSpec, PROVIDED))
    architecture: DenoiserArchitecture = Node.parse(typed.architecture, "architecture", DenoiserArchitecture).build()
    loaded = load_network(model, weights, lambda condition: architecture.denoiser(dataset.shape, condition))
    facts = {
        "schedule": _describe_node(typed.algorithm["schedule"]),
        "sampler": _describe_node(typed.algorithm["reverse"]),
        "sampling_steps": settings.sampling_steps,
        **({"guidance": settings.guidance} if loaded.condition else {}),
    }
    network = loaded.network.requires_grad_(False)
    return TrainedDenoiser(network, settings, loaded.condition, dataset, loaded.step, facts, loaded.data)


def _describe_node(node: Mapping[str, Any]) -> str:
    """Return the class that a node names with its settings, as text."""
    settings = ", ".join(f"{key}={value}" for key, value in node.items() if key != "_target_")
    return f"{str(node['_target_']).rpartition('.')[2]}({settings})"
