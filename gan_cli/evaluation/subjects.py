"""Subjects of an evaluation: the generator of a run, or samples in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from gan_cli.algorithms.spec import spec_of
from gan_cli.data.fingerprint import data_identity, reject_changed_classes
from gan_cli.errors import DataError
from gan_cli.evaluation.backbones.classifier_network import checksum
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.factory import EvaluationOptions, build_evaluator
from gan_cli.evaluation.real_data import require_same_data, sample_labels
from gan_cli.evaluation.sample_files import FileSamples, ValueRange, read_samples
from gan_cli.inference import loading
from gan_cli.inference.class_labels import describe_condition
from gan_cli.inference.loading import CPU, GeneratorWeights, network_device
from gan_cli.inference.stored_condition import stored_condition
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import Condition, VectorCondition
from gan_cli.protocols.data import (
    ConditionValues,
    Dataset,
    Density,
    Sequences,
    StoredSamples,
    condition_of,
)
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import ConfiguredRun, RunCheckpoint, StoredModel


@dataclass(frozen=True)
class EvaluationSubject(ABC):
    """Samples to evaluate, and the data to compare them with.

    Attributes:
        dataset: the dataset that was learned.
        source: its data.
        share: share of the data that the discriminator did not train on.
    """

    dataset: Dataset
    source: StoredSamples | Density
    share: float

    @property
    def labels(self) -> ConditionValues | None:
        """Classes ``(N,)`` or vectors ``(N, K)`` of the data, or None."""
        return self.source.conditions if isinstance(self.source, StoredSamples) else None

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """Provenance of the samples, as plain values."""

    @abstractmethod
    def draw(self, count: int, seed: int) -> FloatArray:
        """Draw samples ``(count, *shape)``, images in [-1, 1], points scaled to about that."""

    def evaluator(self, options: EvaluationOptions) -> Evaluator:
        """Build an evaluator for these samples, whose share of held-out data stands in place of that of the options."""
        return build_evaluator(self.dataset, self.source, replace(options, share=self.share))

    def full_provenance(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """Return an evaluator's provenance together with that of the samples and the dataset's name."""
        data = {"name": type(self.dataset).__name__, **provenance["data"]}
        return {"generator": dict(self.facts), **provenance, "data": data}


@dataclass(frozen=True)
class GeneratorSubject(EvaluationSubject):
    """The generator of a run as the subject of an evaluation.

    Attributes:
        trained: the generator.
        weights: its averaged or its raw weights.
        run: the run directory.
    """

    trained: TrainedSampler
    weights: GeneratorWeights
    run: Path

    @property
    def facts(self) -> Mapping[str, Any]:
        """Run, checkpoint, step, whether these are averaged weights, and the device, on which rounding depends."""
        return {
            "run": str(self.run),
            "checkpoint": f"checkpoints/step_{self.trained.step:08d}.pt",
            "step": self.trained.step,
            "ema": self.weights is GeneratorWeights.average,
            "checksum": checksum(self.trained.network.state_dict()),
            "classes": stored_condition(self.trained.condition) or None,
            "device": network_device(self.trained.network).type,
            **self.trained.facts,
        }

    def draw(self, count: int, seed: int) -> FloatArray:
        """Draw the samples of ``gan-sample --seed``; with labels, these are as frequent as in the data."""
        if not self.trained.condition:
            return self.trained.draw(count, seed)
        assert self.labels is not None
        return self.trained.draw(count, seed, torch.from_numpy(sample_labels(self.labels, count, seed)))


@dataclass(frozen=True)
class ArraySubject(EvaluationSubject):
    """Samples in a file as the subject of an evaluation.

    Attributes:
        file: the samples with their provenance.
    """

    file: FileSamples

    @property
    def facts(self) -> Mapping[str, Any]:
        """Provenance: the file, its checksum, its values and what these were taken for."""
        return self.file.facts

    def draw(self, count: int, seed: int) -> FloatArray:
        """Return the samples of the file, which are as many as the evaluator is built for."""
        return self.file.samples

    def evaluator(self, options: EvaluationOptions) -> Evaluator:
        """Build an evaluator for the samples of the file."""
        return super().evaluator(replace(options, samples=len(self.file.samples)))


def from_run(
    stored: StoredModel, weights: GeneratorWeights, device: torch.device = CPU, *, allow_changed_data: bool = False
) -> GeneratorSubject:
    """Load the generator of a stored model, to be computed on the device, and its data.

    Args:
        stored: a run's checkpoint, or another stored model.
        weights: the moving average, or the network as training left it.
        device: where to compute.
        allow_changed_data: accept other data than the run was trained on, with a warning.

    Raises:
        ConfigError: no run directory, no checkpoint.
        DataError: the data cannot be read, or are others than the run was trained on.
    """
    trained = spec_of(stored).load_sampler(stored, weights)
    source = _load(trained.dataset)
    require_same_data(trained.data, source, allow_changed_data)
    if trained.condition:
        _require_same_classes(trained, source, stored.path)
    trained.network.to(device)
    return GeneratorSubject(trained.dataset, source, _heldout_share(stored), trained, weights, stored.path)


def _require_same_classes(trained: TrainedSampler, source: StoredSamples | Density, run: Path) -> None:
    """Raise ``DataError`` where labels of the data are no classes of the generator's."""
    reject_changed_classes(trained.data, data_identity(source))
    present = condition_of(source, trained.dataset.classes) if isinstance(source, StoredSamples) else 0
    if not _alike(present, trained.condition):
        then, now = _described(trained.condition, " classes"), _described(present)
        raise DataError(f"the data have other classes than {run} is conditional on ({then} then, {now} now)")


def _described(condition: Condition, noun: str = "") -> str:
    return describe_condition(condition) if isinstance(condition, VectorCondition) else f"{condition}{noun}"


def _alike(first: Condition, second: Condition) -> bool:
    """Return whether a network that is conditional on one takes labels of the other; numbers may have other ranges."""
    if isinstance(first, VectorCondition) and isinstance(second, VectorCondition):
        return (first.kind, first.names) == (second.kind, second.names)
    return first == second


def from_file(
    directory: RunDirectory,
    file: Path,
    count: int | None = None,
    value_range: ValueRange | None = None,
    *,
    allow_changed_data: bool = False,
) -> ArraySubject:
    """Load samples from a ``.npy`` file, to be compared with the data of a run.

    Args:
        directory: directory of the run.
        file: the file.
        count: number of samples, from the first on; None: all.
        value_range: values of black and of white in images; None: told from the values.
        allow_changed_data: accept other data than the run was trained on, with a warning.

    Raises:
        ConfigError: no run directory; or the file cannot be read, or holds no samples like those of the run.
        DataError: the data cannot be read, or are others than the run was trained on.
    """
    dataset = loading.run_dataset(directory)
    samples = read_samples(file, dataset, count, value_range)
    source = _load(dataset)
    if directory.has_checkpoint:
        require_same_data(loading.trained_data(RunCheckpoint(directory)), source, allow_changed_data)
    return ArraySubject(dataset, source, _heldout_share(directory), samples)


def _load(dataset: Dataset) -> StoredSamples | Density:
    source = dataset.load()
    assert not isinstance(source, Sequences)  # those have an evaluator of their own
    return source


def _heldout_share(run: ConfiguredRun) -> float:
    """Return the share of the data that the run held out; runs of earlier versions trained on all of them."""
    return float(OmegaConf.select(run.stored_config(), "train.held_out") or 0)
