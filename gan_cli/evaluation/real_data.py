"""The real samples of an evaluation: the reference, the held-out samples, and those that the noise floor is taken from.

They are a function of the data and the number of samples, and of no seed: all runs are compared with the same samples,
whose features can be cached.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import torch

from gan_cli.data.fingerprint import data_identity, fingerprint, reject_changed_data
from gan_cli.data.memory import data_memory
from gan_cli.data.splits import selected_tokens, split_rows, split_sequences
from gan_cli.datasets.gaussian_mixtures import Grid, Ring
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError, DataError
from gan_cli.evaluation.backbones.base import Samples, stored_samples
from gan_cli.metrics.registry import MIN_SAMPLES
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import ConditionValues, Dataset, Density, Partitioned, Rows, Sequences, StoredSamples
from gan_cli.runtime.rng import seeded_generator

logger = logging.getLogger(__name__)

# Training samples to compare with: at most this many, and at most as many as fit in this many bytes as float32.
MAX_TRAINING = 100_000
MAX_TRAINING_BYTES = 2**30
MAX_HELDOUT = 10_000
ORDER_SEED = 1
# Memory for each value of the samples while they are drawn, joined and rounded to 256 levels.
BYTES_PER_VALUE = 16
# What whoever evaluates a run can do about other data.
CHANGED_DATA_ADVICE = "--allow-changed-data compares with those that are there now"


@dataclass(frozen=True)
class RealData:
    """Real samples by their role.

    Attributes:
        training: ``(M, *shape)``, samples that the generator learned from, in random order; images as bytes.
        labels: ``(M,)``, their labels, or None.
        num_reference: number of these, from the first on, that are the reference to compare with.
        floor_samples: ``(K, *shape)``, real samples apart from the reference, whose score is the noise floor.
        held_out: ``(H, *shape)``, real samples that were not trained on; may be empty.
        fresh: True if each sample is drawn anew, so that nothing can be memorized.
        held_out_origin: origin of ``held_out``, in words.
        floor_origin: origin of ``floor_samples``, in words.
        fingerprint: fingerprint of the data as a whole.
    """

    training: Samples
    labels: IntArray | None
    num_reference: int
    floor_samples: Samples
    held_out: Samples
    fresh: bool
    held_out_origin: str
    floor_origin: str
    fingerprint: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a single sample."""
        return self.training.shape[1:]


def default_count(source: StoredSamples | Density, maximum: int, share: float) -> int:
    """Return the default number of samples to generate: ``maximum``, but at most half of the training images.

    Tables are small: as many rows as they have would say little of a generator's marginals.
    """
    if not isinstance(source, StoredSamples) or isinstance(source, Rows):
        return maximum
    return min(maximum, len(split_rows(len(source.array), share)[0]) // 2)


def find_test_split(dataset: Dataset) -> Dataset | None:
    """Return the dataset's test split, or the mixture that its points were once drawn from; None: there is neither."""
    if isinstance(dataset, Ring | Grid):
        return None if dataset.count is None else replace(dataset, count=None)
    if isinstance(dataset, Partitioned):
        return dataset.test_split()
    split = getattr(dataset, "split", None)
    if not isinstance(split, Enum) or split.name != "train" or "test" not in type(split).__members__:
        return None
    changes: dict[str, Any] = {"split": type(split)["test"]}
    if isinstance(dataset, StackedMnist):
        changes["count"] = min(dataset.count, MAX_HELDOUT)  # any number of digits can be stacked
    dataclass_instance: Any = dataset
    test_split: Dataset = replace(dataclass_instance, **changes)
    return test_split


def real_data(
    source: StoredSamples | Density, test: StoredSamples | Density | None, count: int, share: float
) -> RealData:
    """Assign real samples to their roles.

    With a test split, or where samples can be drawn afresh, all training samples are the reference, and the floor is
    the score of the others. Else it is the score of one half of the training samples (or of ``count``) against the
    rest.

    Args:
        source: the data as loaded.
        test: data of the test split, if there is one, or the density of points that were never trained on.
        count: number of generated samples that are to be compared.
        share: share of the data that the discriminator does not train on.

    Raises:
        ConfigError: there are too few samples.
    """
    if isinstance(source, StoredSamples):
        return _stored_data(source, test if isinstance(test, StoredSamples) else None, count, share)
    return _density_data(source, source if test is None or isinstance(test, StoredSamples) else test, count)


def _stored_data(source: StoredSamples, test: StoredSamples | None, count: int, share: float) -> RealData:
    trained, heldout = split_rows(len(source.array), share)
    limit = min(MAX_TRAINING, max(MIN_SAMPLES, MAX_TRAINING_BYTES // (4 * source.array[0].size)))
    rows = np.random.default_rng(ORDER_SEED).permutation(trained)[:limit]
    if len(rows) < 2 * MIN_SAMPLES:
        raise ConfigError(f"evaluation takes at least {2 * MIN_SAMPLES} training samples; these data have {len(rows)}")
    training = stored_samples(source, rows)
    if test is not None:
        held_out = stored_samples(test, _random_rows(len(test.array), MAX_HELDOUT))
        origin = floor_origin = "test split"
        floor_samples, num_reference = held_out[:count], len(rows)
    else:
        held_out = stored_samples(source, heldout[:MAX_HELDOUT])
        origin = f"share {share} of the data that D never trained on"
        num_reference = len(rows) - min(count, len(rows) // 2)
        floor_samples, floor_origin = training[num_reference:], "training samples apart from those compared with"
    return RealData(
        training=training,
        labels=None if source.labels is None else source.labels[rows],
        num_reference=num_reference,
        floor_samples=floor_samples,
        held_out=held_out,
        fresh=False,
        held_out_origin=origin,
        floor_origin=floor_origin,
        fingerprint=fingerprint(source),
    )


def _density_data(source: Density, unseen: Density, count: int) -> RealData:
    def draw(density: Density, role: str) -> FloatArray:
        points: FloatArray = density.draw(count, seeded_generator(ORDER_SEED, role, torch.device("cpu"))).numpy()
        return points

    return RealData(
        training=draw(source, "compared"),
        labels=None,
        num_reference=count,
        floor_samples=draw(unseen, "spare"),
        held_out=draw(unseen, "held out"),
        fresh=True,
        held_out_origin="fresh draws",
        floor_origin="fresh draws",
        fingerprint=fingerprint(source),
    )


def require_same_data(
    before: Mapping[str, Any] | None, source: StoredSamples | Sequences | Density, allow_changed: bool
) -> None:
    """Check that data are those that a run was trained on; others are allowed with a warning, or rejected.

    Args:
        before: identity of the data that the run was trained on, as its checkpoint has it; None: unknown.
        source: the data as loaded.
        allow_changed: whether other data are allowed.

    Raises:
        DataError: they are others, and these are not allowed.
    """
    try:
        reject_changed_data(before, data_identity(source), CHANGED_DATA_ADVICE)
    except DataError as error:
        if not allow_changed:
            raise
        logger.warning("%s", error)


def require_evaluation_memory(count: int, shape: tuple[int, ...]) -> None:
    """Check before any sample is drawn that an evaluation of so many of them fits in memory.

    Raises:
        ConfigError: it does not.
    """
    size = count * math.prod(shape) * BYTES_PER_VALUE
    if size > data_memory():
        raise ConfigError(
            f"an evaluation of {count:,} samples of shape {shape} takes {size:,} bytes of memory, more than the"
            f" {data_memory():,} for data here: fewer samples (gan-eval --n, evaluation.samples) take less"
        )


def _random_rows(count: int, limit: int) -> IntArray:
    """Return all rows, or ``limit`` of them at random, in random order."""
    return np.random.default_rng(ORDER_SEED).permutation(count)[:limit]


def sample_labels(labels: ConditionValues, count: int, seed: int) -> ConditionValues:
    """Sample labels of the data, ``(count,)`` or ``(count, K)``, with replacement: they are as frequent as there."""
    chosen: ConditionValues = np.random.default_rng([seed, 1]).choice(labels, count)
    return chosen


@dataclass(frozen=True)
class RealSequences:
    """Real sequences by their role.

    Attributes:
        training: ``(M, T)``, all training sequences, in random order.
        num_reference: number of them, from the first on, that a language model is fitted to.
        held_out: ``(H, T)``, in random order: real sequences that were not trained on, if there are any.
        held_out_origin: origin of ``held_out``, in words.
        vocabulary: number of tokens in the vocabulary.
        end: the token that ends a sequence; None: all have length T.
        fingerprint: fingerprint of the data as a whole.
    """

    training: IntArray
    num_reference: int
    held_out: IntArray
    held_out_origin: str
    vocabulary: int
    end: int | None
    fingerprint: str

    @property
    def reference(self) -> IntArray:
        """Training sequences ``(num_reference, T)`` that the language model is fitted to."""
        return self.training[: self.num_reference]

    @property
    def floor_samples(self) -> IntArray:
        """Training sequences apart from the reference, whose score is the noise floor."""
        return self.training[self.num_reference :]


def real_sequences(source: Sequences, count: int, share: float) -> RealSequences:
    """Assign real sequences to their roles; where none are held out, training sequences replace them.

    Args:
        source: the data as loaded.
        count: number of generated sequences that are to be compared.
        share: share of the data that was not trained on.

    Raises:
        ConfigError: there are too few sequences.
    """
    split, order = split_sequences(source, share), np.random.default_rng(ORDER_SEED)
    training, held_out = (
        order.permutation(selected_tokens(split.train)),
        order.permutation(selected_tokens(split.held_out)),
    )
    if len(training) < 2 * MIN_SAMPLES:
        raise ConfigError(
            f"evaluation takes at least {2 * MIN_SAMPLES} training sentences; these data have {len(training)}"
        )
    num_reference = len(training) - min(count, len(training) // 2)
    origin = f"share {share} of the data that was never trained on"
    if not len(held_out):
        held_out, origin = training[:num_reference], "training sentences: none are held out"
    return RealSequences(
        training=training,
        num_reference=num_reference,
        held_out=held_out[:MAX_HELDOUT],
        held_out_origin=origin,
        vocabulary=len(source.words),
        end=source.end,
        fingerprint=fingerprint(source),
    )
