"""Class-level declarations of an algorithm: supported data and settings, networks, tags, alarms, trained models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from omegaconf import OmegaConf
from torch import nn

from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.algorithms.training_data import TrainingData, TrainingSamples
from gan_cli.components.losses import Loss
from gan_cli.components.noise import Scheduled
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.config.nodes import Node
from gan_cli.config.schema import Config, conf_dir
from gan_cli.config.targets import resolve
from gan_cli.config.validate import validate_config
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.adversarial import Augmentation, NoiseLevel
from gan_cli.protocols.algorithm import Algorithm, Schedule, StackedRuns
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Dataset, LoadedData, Sequences, data_kinds
from gan_cli.protocols.inference import LikelihoodModel, TrainedSampler, TrainedTextSampler
from gan_cli.runtime.batch_norm import couples_samples
from gan_cli.storage.stored_model import ConfiguredRun, StoredModel

# Parameters of constructors that the program provides; the configuration sets all others.
PROVIDED = ("context", "architecture", "loss", "noise", "augment", "optimizer", "sampler", "probe_batches", "corpus")
# Vocabulary for the outline of networks for sequences, before the data are read.
PLACEHOLDER_VOCABULARY = 5000

# Settings outside of an algorithm's own node that not every algorithm supports.
ALGORITHM_SPECIFIC_KEYS = (
    "conditional",
    "pac",
    "ema.half_life",
    "freeze.d",
    "freeze.g",
    "train.micro_batch",
    "train.replicas",
    "device.compile",
    "device.graph",
    "device.sync_batch_norm",
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the data that networks are built for; placeholders for classes and words of data not loaded yet.

    Attributes:
        shape: of one sample.
        condition: what networks are conditioned on; 0: nothing.
        pac: samples that D classifies jointly.
        vocabulary: number of words of sequences; 0: the data are no sequences.
    """

    shape: tuple[int, ...]
    condition: Condition = 0
    pac: int = 1
    vocabulary: int = 0

    @property
    def classes(self) -> Condition:
        """The condition, by the name that it has in algorithms written for earlier versions."""
        return self.condition

    @classmethod
    def before_loading(cls, config: Config, dataset: Dataset) -> Sizes:
        """Return the sizes as far as they are known before data are loaded."""
        return cls(
            dataset.shape,
            (dataset.classes or 1) if config.conditional else 0,
            config.pac,
            PLACEHOLDER_VOCABULARY if Sequences in data_kinds(type(dataset)) else 0,
        )


@dataclass(frozen=True)
class Outline:
    """Networks as they would be trained: on torch's meta device, whose weights take no memory, or on the CPU.

    Attributes:
        networks: by name.
        run: passes two samples forward through all of them, on the device on which they were built.
    """

    networks: Mapping[str, nn.Module]
    run: Callable[[], object]

    @property
    def num_parameters(self) -> dict[str, int]:
        """Name of each network -> number of its parameters."""
        return {name: sum(each.numel() for each in network.parameters()) for name, network in self.networks.items()}

    @property
    def num_trained(self) -> dict[str, int]:
        """Name of each network -> number of its parameters that are not frozen."""
        return {
            name: sum(each.numel() for each in network.parameters() if each.requires_grad)
            for name, network in self.networks.items()
        }


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a run that need no data; which of them an algorithm takes, the parameters of its constructor say.

    Attributes:
        algorithm: its algorithm, to be built when the data are read.
        dataset: built, not loaded.
        architecture: builds the networks.
        loss: losses of D and G, for an algorithm that takes one, or None.
        noise: schedule or level of instance noise, or None.
        augment: augmentation of images, or None.
        optimizer: makes the optimizers.
    """

    algorithm: Node
    dataset: Dataset
    architecture: Any
    loss: Loss | None
    noise: Schedule | NoiseLevel | None
    augment: Augmentation | None
    optimizer: OptimizerConfig

    def noise_level(self) -> NoiseLevel:
        """Return the level of instance noise for an algorithm, zero where there is none."""
        return self.noise if isinstance(self.noise, NoiseLevel) else Scheduled(self.noise)


class AlgorithmSpec(ABC):
    """Base of the classes of algorithms: what a family of models declares beside how it trains.

    All that the commands ask of a family is asked here, of the class; its instances fit ``protocols.algorithm``. The
    parameters of its constructor determine the parts of a run that it is given (see :data:`PROVIDED`); parts
    that it has no parameter for cannot be configured. Methods are given the loss if the constructor has a parameter
    ``loss``, otherwise None.

    Attributes:
        supported_data: the kinds of data that it can learn (``protocols.data``).
        step: what a step is, where it is not one update of each network; for the first lines of a run.
        supported_settings: those of :data:`ALGORITHM_SPECIFIC_KEYS` that have an effect on it.
        charts: of TensorBoard's "Custom Scalars" page: title, a question -> tags, or patterns of tags. As all curves of
            a run have its color, most charts have one.
        notes: tag -> text that TensorBoard shows behind the "i" of its chart.
        hparam_metrics: tags by which TensorBoard's HParams page compares runs.
        own_alarms: names of alarms whose thresholds are not in the section ``diagnostics``.
        has_posterior: whether :meth:`load_likelihood_model` loads a model.
        eager_because: why its steps are not captured as CUDA graphs, as the end of a message; None: they are.
        stored_networks: the networks in its state whose weights another run may begin with (``init``). Classes that
            declare the same ones are of one family.
    """

    supported_data: ClassVar[tuple[type, ...]]
    step: ClassVar[str] = ""
    supported_settings: ClassVar[frozenset[str]] = frozenset()
    charts: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    notes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    hparam_metrics: ClassVar[tuple[str, ...]] = ()
    own_alarms: ClassVar[tuple[str, ...]] = ()
    has_posterior: ClassVar[bool] = False
    eager_because: ClassVar[str | None] = "its steps are not captured"
    stored_networks: ClassVar[tuple[StoredNetwork, ...]] = ()

    @classmethod
    @abstractmethod
    def outline(cls, architecture: Any, sizes: Sizes) -> Outline:
        """Build the networks on the default device, which is torch's meta device or the CPU.

        Raises:
            ConfigError: they do not fit the data.
        """

    @classmethod  # noqa: B027 - most families have nothing to check
    def check(cls, config: Config, parts: Parts, outline: Outline) -> None:
        """Raise ``ConfigError`` for settings that are valid one by one, but not in combination."""

    @classmethod
    def alarm_rules(cls, config: Config, parts: Parts) -> list[AlarmRule]:
        """Return the rules by which alarms are raised, whose suggestions fit the run's settings; here none."""
        return []

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tags of its reports that a sweep may optimize, because lower or higher values are better."""
        return frozenset()

    @classmethod
    def batch_statistics(cls, parts: Parts, outline: Outline) -> list[str]:
        """Name what is computed from all samples that pass through the networks at once: of a micro-batch alone."""
        return [f"batch norm of the {name}" for name, network in outline.networks.items() if couples_samples(network)]

    @classmethod
    def split_data(cls, source: LoadedData, dataset: Dataset, config: Config, device: torch.device) -> TrainingData:
        """Split loaded data, of one of ``supported_data``, into training and held-out samples; here images or points.

        Raises:
            ConfigError: the data do not fit the configuration.
        """
        return TrainingSamples.split_off(source, dataset, config, device)

    @classmethod
    def stack(cls, runs: Sequence[Algorithm], parts: Parts) -> StackedRuns:
        """Train runs that differ in their seed alone as one, for families that support ``train.replicas``."""
        raise ConfigError(f"train.replicas: expected 1 for {cls.__name__}, which does not use it")

    @classmethod
    def load_sampler(cls, model: StoredModel, weights: GeneratorWeights) -> TrainedSampler:
        """Load what generates images or points from a stored model.

        Args:
            model: a run's checkpoint, or another stored model.
            weights: the moving average, or the networks as training left them.

        Raises:
            ConfigError: no run directory, no checkpoint, or one of other networks; or a family without such samples.
        """
        raise ConfigError(f"{model.path}: {cls.__name__} generates no images or points")

    @classmethod
    def load_text_sampler(cls, model: StoredModel) -> TrainedTextSampler:
        """Load what generates sequences from a stored model; errors as of :meth:`load_sampler`."""
        raise ConfigError(f"{model.path}: {cls.__name__} generates no sequences")

    @classmethod
    def load_likelihood_model(cls, model: StoredModel, weights: GeneratorWeights) -> LikelihoodModel:
        """Load what bounds the likelihood of data under a run's model; errors as of :meth:`load_sampler`."""
        raise ConfigError(f"{model.path}: {cls.__name__} has no posterior over latents")

    @classmethod
    def load_exportable(cls, model: StoredModel) -> ExportableNetwork:
        """Load the network that ``gan-export`` writes, averaged, and describe it; errors as of :meth:`load_sampler`."""
        raise ConfigError(f"{model.path}: networks of {cls.__name__} cannot be exported")


def require_single_rate(optimizer: OptimizerConfig, name: str) -> None:
    """Raise ``ConfigError`` for a learning rate of G or D of its own, where an algorithm trains all networks at one."""
    for key, rate in (("lr_g", optimizer.lr_g), ("lr_d", optimizer.lr_d)):
        if rate not in (None, optimizer.lr):
            raise ConfigError(f"optimizer.{key}: expected optimizer.lr for {name}, got {rate}")


def resolve_spec(node: Any) -> type[AlgorithmSpec]:
    """Return the class that a node ``algorithm`` names; raises ``ConfigError`` if it is no class of algorithms."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ConfigError(f"algorithm: expected a class and its settings, got {truncated_repr(node)}")
    target = resolve(node["_target_"], "algorithm")
    if not issubclass(target, AlgorithmSpec):
        raise ConfigError(f"algorithm._target_: expected a class of algorithms, got {truncated_repr(node['_target_'])}")
    return target


def spec_of(model: ConfiguredRun) -> type[AlgorithmSpec]:
    """Return the class of the algorithm of a run; raises ``ConfigError`` if this is no run directory."""
    return resolve_spec(validate_config(model.stored_config()).algorithm)


def option_name(family: type[AlgorithmSpec]) -> str:
    """Return ``algorithm=NAME`` for a family of this package, for messages; of another one the name of its class."""
    return next((option for option, known in algorithm_options().items() if known is family), family.__name__)


def algorithm_options() -> dict[str, type[AlgorithmSpec]]:
    """Return the class of each option of the group ``algorithm`` in this package, by ``algorithm=NAME``."""
    options = {}
    for file in sorted((conf_dir() / "algorithm").glob("*.yaml")):
        content = OmegaConf.load(file)
        # The file of an option that also sets other groups has its node below `algorithm`.
        target = OmegaConf.select(content, "_target_") or OmegaConf.select(content, "algorithm._target_")
        options[f"algorithm={file.stem}"] = resolve_spec({"_target_": target})
    return options
