"""The real samples of an evaluation: what is compared with, what was held out, and what the noise floor is taken from.

All of it is a function of the data and the number of samples, and of no seed: runs are compared with the same samples,
and features of these can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import torch

from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.splits import selected_tokens, split_rows, split_sequences
from gan_cli.datasets.gaussian_mixtures import Grid, Ring
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.base import Samples
from gan_cli.metrics.catalog import MIN_SAMPLES
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import Dataset, Density, Images, Sequences
from gan_cli.runtime.rng import seeded_generator

# Training samples that are kept as numbers at a time: this many, and no more of them than fit in so many bytes.
MAX_TRAINING = 100_000
MAX_TRAINING_BYTES = 2**30
MAX_HELDOUT = 10_000
ORDER_SEED = 1


@dataclass(frozen=True)
class RealData:
    """Real samples in their roles.

    Attributes:
        training: ``(M, *shape)``, what the generator learned from, in random order; images as bytes.
        labels: ``(M,)``, their labels, or None.
        compared: how many of these, from the first on, statistics are taken of.
        spare: ``(K, *shape)``, real samples apart from those: what they score is the noise floor.
        held_out: ``(H, *shape)``, real samples that were not trained on; may be empty.
        fresh: whether each sample is drawn anew, so that there is nothing to learn by heart.
        held_out_origin: where these come from, in words.
        spare_origin: the same of ``floor_samples``.
        fingerprint: of the data as a whole.
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
        """Shape of a sample."""
        return self.training.shape[1:]


def default_count(source: Images | Density, most: int, share: float) -> int:
    """Samples to generate where nobody says: ``most``, but no more than half of what is trained on."""
    return min(most, len(split_rows(len(source.pixels), share)[0]) // 2) if isinstance(source, Images) else most


def find_test_split(dataset: Dataset) -> Dataset | None:
    """The same dataset's test split, or the mixture that its points were once drawn from; None: there is neither."""
    if isinstance(dataset, Ring | Grid):
        return None if dataset.count is None else replace(dataset, count=None)
    split = getattr(dataset, "split", None)
    if not isinstance(split, Enum) or split.name != "train" or "test" not in type(split).__members__:
        return None
    changes: dict[str, Any] = {"split": type(split)["test"]}
    if isinstance(dataset, StackedMnist):
        changes["count"] = min(dataset.count, MAX_HELDOUT)  # as many as are asked for can be stacked
    copied: Any = dataset
    part: Dataset = replace(copied, **changes)
    return part


def real_data(source: Images | Density, test: Images | Density | None, count: int, share: float) -> RealData:
    """Give real samples their roles.

    With a test split, or where samples can be drawn afresh, all training samples are compared with, and the floor is
    what the others score. Else it is the score of one half of the training samples (or of ``count``) against the rest.

    Args:
        source: the data as loaded.
        test: those of the test split, where there is one, or where points come from that were never trained on.
        count: generated samples that are to be compared.
        share: of the data that the discriminator does not train on.

    Raises:
        ConfigError: there are too few samples.
    """
    if isinstance(source, Images):
        return _image_data(source, test if isinstance(test, Images) else None, count, share)
    return _density_data(source, source if test is None or isinstance(test, Images) else test, count)


def _image_data(source: Images, test: Images | None, count: int, share: float) -> RealData:
    trained, held = split_rows(len(source.pixels), share)
    most = min(MAX_TRAINING, max(MIN_SAMPLES, MAX_TRAINING_BYTES // (4 * source.pixels[0].size)))
    rows = np.random.default_rng(ORDER_SEED).permutation(trained)[:most]
    if len(rows) < 2 * MIN_SAMPLES:
        raise ConfigError(f"evaluation takes at least {2 * MIN_SAMPLES} training samples; these data have {len(rows)}")
    training = source.pixels[rows]
    if test is not None:
        held_out, origin = test.pixels[_random_rows(len(test.pixels), MAX_HELDOUT)], "test split"
        floor_samples, floor_origin, num_reference = held_out[:count], "test split", len(rows)
    else:
        held_out, origin = source.pixels[held[:MAX_HELDOUT]], f"share {share} of the data that D never trained on"
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
    def drawn(density: Density, role: str) -> FloatArray:
        points: FloatArray = density.draw(count, seeded_generator(ORDER_SEED, role, torch.device("cpu"))).numpy()
        return points

    return RealData(
        training=drawn(source, "compared"),
        labels=None,
        num_reference=count,
        floor_samples=drawn(unseen, "spare"),
        held_out=drawn(unseen, "held out"),
        fresh=True,
        held_out_origin="fresh draws",
        floor_origin="fresh draws",
        fingerprint=fingerprint(source),
    )


def _random_rows(count: int, most: int) -> IntArray:
    """All rows, or ``most`` of them at random, in random order."""
    return np.random.default_rng(ORDER_SEED).permutation(count)[:most]


def sample_labels(labels: IntArray, count: int, seed: int) -> IntArray:
    """``(count,)`` labels as frequent as in the data: a sample of them with replacement."""
    return np.random.default_rng([seed, 1]).choice(labels, count)


@dataclass(frozen=True)
class RealSequences:
    """Real sequences in their roles.

    Attributes:
        training: ``(M, T)``, all that was learned from, in random order.
        compared: so many of them, from the first on, a language model is fitted to.
        held_out: ``(H, T)``, in random order: real sequences that were not trained on, where there are such.
        held_out_origin: where these come from, in words.
        vocabulary: how many tokens there are.
        end: the token that ends a sequence; None: all have length T.
        fingerprint: of the data as a whole.
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
        """``(compared, T)``, the training sequences without the spare ones."""
        return self.training[: self.num_reference]

    @property
    def floor_samples(self) -> IntArray:
        """The training sequences that are not compared with."""
        return self.training[self.num_reference :]


def real_sequences(source: Sequences, count: int, share: float) -> RealSequences:
    """Give real sequences their roles.

    Where none are held out, training sequences stand in for them.

    Args:
        source: the data as loaded.
        count: generated sequences that are to be compared.
        share: of the data that was not trained on.

    Raises:
        ConfigError: there are too few sequences.
    """
    split, order = split_sequences(source, share), np.random.default_rng(ORDER_SEED)
    training, held_out = order.permutation(selected_tokens(split.train)), order.permutation(selected_tokens(split.held_out))
    if len(training) < 2 * MIN_SAMPLES:
        raise ConfigError(f"evaluation takes at least {2 * MIN_SAMPLES} training sentences; these data have {len(training)}")
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
