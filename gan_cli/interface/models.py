"""Networks of a run's checkpoints, each loaded once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from torch import nn

from gan_cli.algorithms.spec import spec_of
from gan_cli.config.stored_errors import stored_errors
from gan_cli.errors import ConfigError
from gan_cli.inference.loading import GeneratorWeights, learned_sequences
from gan_cli.protocols.inference import TrainedSampler, TrainedTextSampler
from gan_cli.runtime.device import inference_device
from gan_cli.storage.checkpoint_choice import CheckpointChoice
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint

# Networks that are kept at a time: of a few checkpoints that are compared.
MAX_KEPT = 4
ModelT = TypeVar("ModelT")


class LoadedModels:
    """Networks of a run's checkpoints, kept while the files stay what they are: training writes others."""

    def __init__(self, directory: RunDirectory, device: str) -> None:
        """Keep where the networks lie; nothing is loaded yet.

        Args:
            directory: of the run.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``, what samples are computed on.
        """
        self._directory = directory
        self._device = device
        self._kept: dict[tuple[str, CheckpointChoice], Any] = {}
        self._files: object = None

    def sampler(self, checkpoint: CheckpointChoice) -> TrainedSampler:
        """Return what images or points are sampled from, on the device.

        Raises:
            ConfigError: there is no such checkpoint, or the run learned text.
        """

        def load(model: RunCheckpoint) -> TrainedSampler:
            if learned_sequences(model):
                raise ConfigError(f"{model.path}: this run learned text, not images or points: run.sentences()")
            trained = spec_of(model).load_sampler(model, GeneratorWeights.average)
            trained.network.to(inference_device(self._device))
            return trained

        return self._load("sampler", checkpoint, load)

    def text_sampler(self, checkpoint: CheckpointChoice) -> TrainedTextSampler:
        """Return what sentences are sampled from, on the device; raises ``ConfigError`` as :meth:`sampler`."""

        def load(model: RunCheckpoint) -> TrainedTextSampler:
            if not learned_sequences(model):
                raise ConfigError(f"{model.path}: this run learned images or points, not text: run.sample()")
            trained = spec_of(model).load_text_sampler(model)
            trained.network.to(inference_device(self._device))
            return trained

        return self._load("text", checkpoint, load)

    def network(self, checkpoint: CheckpointChoice) -> nn.Module:
        """Return the network that samples are made with, on the CPU, apart from the one that samples come from."""

        def load(model: RunCheckpoint) -> nn.Module:
            if learned_sequences(model):
                return spec_of(model).load_text_sampler(model).network
            return spec_of(model).load_sampler(model, GeneratorWeights.average).network

        return self._load("network", checkpoint, load)

    def explained_errors(self) -> AbstractContextManager[None]:
        """Return a context in which errors about the stored configuration name its file."""
        return stored_errors(self._directory)

    def _load(self, kind: str, checkpoint: CheckpointChoice, load: Callable[[RunCheckpoint], ModelT]) -> ModelT:
        """Return a model of a kind, loaded anew where it is not kept or the files of the checkpoints have changed."""
        files = sorted((path.name, path.stat().st_mtime_ns) for path in self._directory.checkpoints.glob("*.pt"))
        if files != self._files or len(self._kept) >= MAX_KEPT:
            self._kept.clear()
            self._files = files
        if (kind, checkpoint) not in self._kept:
            with self.explained_errors():
                self._kept[kind, checkpoint] = load(RunCheckpoint(self._directory, checkpoint))
        model: ModelT = self._kept[kind, checkpoint]
        return model
