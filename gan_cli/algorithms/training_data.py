"""The loaded data of a run: split, and in the forms in which algorithms ask for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from gan_cli.algorithms.context import Context
from gan_cli.config.schema import Config
from gan_cli.data.corpus import Corpus
from gan_cli.data.probe_batches import DataSplit, split_data
from gan_cli.data.samplers import choose_sampler
from gan_cli.data.splits import split_sequences
from gan_cli.errors import ConfigError
from gan_cli.inference.class_labels import describe_condition
from gan_cli.protocols.algorithm import PlaneAxes, ShownTable
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import (
    ConditionValues,
    Dataset,
    Density,
    KnownDistribution,
    LoadedData,
    Modal,
    Sampler,
    Sequences,
    StoredSamples,
    condition_of,
)
from gan_cli.protocols.tables import TableColumns, Tabular
from gan_cli.runtime.rng import seeded_generator

logger = logging.getLogger(__name__)

PREVIEW_POINTS = 1000


class TrainingData(Protocol):
    """Data of a run, shared by the algorithms of all its replicas."""

    def context(self, context: Context) -> Context:
        """Return a context with what depends on the data."""
        ...

    def arguments(self, context: Context, max_batches: int) -> Mapping[str, Callable[[], object]]:
        """Return functions that make arguments of an algorithm's constructor, by parameter.

        Args:
            context: of the algorithm.
            max_batches: most batches that a step takes.
        """
        ...


@dataclass(frozen=True)
class TrainingSamples:
    """Images or points, for algorithms that take a ``sampler`` or ``probe_batches``.

    Attributes:
        dataset: that they come from.
        split: training and held-out samples.
        labels: class ``(N,)`` or vector ``(N, K)`` of every sample, where networks are conditional.
        condition: what networks are conditional on; 0: nothing.
        sampler: makes a sampler of the training samples.
        probed: whether the context is given probe batches for diagnostics.
    """

    dataset: Dataset
    split: DataSplit
    labels: ConditionValues | None
    condition: Condition
    sampler: Callable[..., Sampler]
    probed: bool

    @classmethod
    def split_off(cls, source: LoadedData, dataset: Dataset, config: Config, device: torch.device) -> TrainingSamples:
        """Hold out ``train.held_out`` of the samples.

        Raises:
            ConfigError: the data have no labels where ``conditional`` needs them, or a batch is larger than the data.
        """
        assert not isinstance(source, Sequences)
        labels, condition = _labels(source, dataset) if config.conditional else (None, 0)
        if isinstance(source, StoredSamples) and not condition:
            source = replace(source, labels=None, vectors=None)  # used by nothing else
        split = split_data(source, config.train.held_out)
        sampler = choose_sampler(split.train, config.train.batch_size, device, config.device.data)
        return cls(dataset, split, labels, condition, sampler, probed=bool(config.diagnostics.every))

    def context(self, context: Context) -> Context:
        """Return a context with labels, probe batches, modes, and what previews show of the data."""
        device, dataset, source = context.device.torch_device, self.dataset, self.split.train
        if isinstance(source, StoredSamples):
            context = replace(context, class_names=source.class_names)
            if isinstance(dataset, Tabular):
                context = _with_table(context, source, dataset.table_columns())
        else:
            context = replace(context, points=_preview_points(source, context.seed), axes=_axes(dataset))
        return replace(
            context,
            condition=self.condition,
            labels=self.labels,
            probe_batches=self.split.probe_batches(context.seed, device) if self.probed else None,
            centres=dataset.centres().to(device) / dataset.scale if isinstance(dataset, Modal) else None,
        )

    def arguments(self, context: Context, max_batches: int) -> Mapping[str, Callable[[], object]]:
        """Return functions that make ``sampler`` and ``probe_batches``."""
        seed, device, group = context.seed, context.device.torch_device, context.group
        return {
            "sampler": lambda: self.sampler(self.split.train, context.batch_size, seed, device, max_batches, group),
            "probe_batches": lambda: self.split.probe_batches(seed, device),
        }


@dataclass(frozen=True)
class TrainingSequences:
    """Sequences of tokens, for algorithms that take a ``corpus``; all seeds share it."""

    corpus: Corpus

    @classmethod
    def split_off(cls, source: LoadedData, dataset: Dataset, config: Config, device: torch.device) -> TrainingSequences:
        """Hold out ``train.held_out`` of the sequences; their distribution, where it is known, is on the device."""
        assert isinstance(source, Sequences)
        parts = split_sequences(source, config.train.held_out)
        if not isinstance(dataset, KnownDistribution):
            return cls(Corpus(parts.train, parts.held_out))
        return cls(Corpus(parts.train, parts.held_out, dataset.oracle(device), dataset.entropy))

    def context(self, context: Context) -> Context:
        """Return the context as it is: nothing in it depends on sequences."""
        return context

    def arguments(self, context: Context, max_batches: int) -> Mapping[str, Callable[[], object]]:
        """Return a function that returns the ``corpus``."""
        return {"corpus": lambda: self.corpus}


def _labels(source: StoredSamples | Density, dataset: Dataset) -> tuple[ConditionValues, Condition]:
    """Return the label of every sample, and what they are; raises ``ConfigError`` if the loaded data have none."""
    if not isinstance(source, StoredSamples) or source.conditions is None:
        raise ConfigError(
            f"conditional: expected false, because these data of {type(dataset).__name__} have no labels, such as those"
            " of folders, or of a table (dataset.labels=FILE)"
        )
    condition = condition_of(source, dataset.classes)
    logger.info("conditional on %s", describe_condition(condition, source.class_names))
    return source.conditions, condition


def _axes(dataset: Dataset) -> PlaneAxes:
    """Return the axes of points in the plane; of other points, which no picture shows, those of the networks."""
    if dataset.shape != (2,):
        return PlaneAxes()
    origin, one = dataset.coordinates(np.array([[0, 0], [1, 1]], np.float32)).tolist()
    return PlaneAxes((one[0] - origin[0], one[1] - origin[1]), (origin[0], origin[1]))


def _with_table(context: Context, source: StoredSamples, columns: TableColumns) -> Context:
    """Return a context with real rows of a table to show beside generated ones; those of two columns are points."""
    trained = np.arange(len(source.array)) if source.rows is None else source.rows
    order = seeded_generator(context.seed, "points shown", torch.device("cpu"))
    shown = trained[torch.randperm(len(trained), generator=order)[:PREVIEW_POINTS].numpy()]
    real: FloatArray = np.asarray(source.array[shown], np.float32)
    if len(columns.names) != 2:
        return replace(context, table=ShownTable(columns, real))
    (right, up), (x, y), (name_x, name_y) = columns.scales, columns.centers, columns.names
    return replace(context, points=real, axes=PlaneAxes((right, up), (x, y), (name_x, name_y)))


def _preview_points(density: Density, seed: int) -> FloatArray:
    """Draw real points to show beside generated ones, ``(PREVIEW_POINTS, D)``."""
    stream = seeded_generator(seed, "points shown", torch.device("cpu"))
    points: FloatArray = density.draw(PREVIEW_POINTS, stream).numpy()
    return points
