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
from gan_cli.data.splits import chosen, held_out_rows, split_sequences
from gan_cli.datasets.gaussian_mixtures import Grid, Ring
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.base import Samples
from gan_cli.metrics.catalog import FEWEST
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import Dataset, Density, Images, Sequences
from gan_cli.runtime.rng import seeded_generator

# Training samples that are kept as numbers at a time: this many, and no more of them than fit in so many bytes.
MOST_TRAINING = 100_000
MOST_BYTES = 2**30
MOST_HELD_OUT = 10_000
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
        spare_origin: the same of ``spare``.
        fingerprint: of the data as a whole.
    """

    training: Samples
    labels: IntArray | None
    compared: int
    spare: Samples
    held_out: Samples
    fresh: bool
    held_out_origin: str
    spare_origin: str
    fingerprint: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return self.training.shape[1:]


def usual_count(source: Images | Density, most: int, share: float) -> int:
    """Samples to generate where nobody says: ``most``, but no more than half of what is trained on."""
    return min(most, len(held_out_rows(len(source.pixels), share)[0]) // 2) if isinstance(source, Images) else most


def split_for_testing(dataset: Dataset) -> Dataset | None:
    """The same dataset's test split, or the mixture that its points were once drawn from; None: there is neither."""
    if isinstance(dataset, Ring | Grid):
        return None if dataset.count is None else replace(dataset, count=None)
    split = getattr(dataset, "split", None)
    if not isinstance(split, Enum) or split.name != "train" or "test" not in type(split).__members__:
        return None
    changes: dict[str, Any] = {"split": type(split)["test"]}
    if isinstance(dataset, StackedMnist):
        changes["count"] = min(dataset.count, MOST_HELD_OUT)  # as many as are asked for can be stacked
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
        return _of_images(source, test if isinstance(test, Images) else None, count, share)
    return _of_density(source, source if test is None or isinstance(test, Images) else test, count)


def _of_images(source: Images, test: Images | None, count: int, share: float) -> RealData:
    trained, held = held_out_rows(len(source.pixels), share)
    most = min(MOST_TRAINING, max(FEWEST, MOST_BYTES // (4 * source.pixels[0].size)))
    rows = np.random.default_rng(ORDER_SEED).permutation(trained)[:most]
    if len(rows) < 2 * FEWEST:
        raise ConfigError(f"evaluation takes at least {2 * FEWEST} training samples; these data have {len(rows)}")
    training = source.pixels[rows]
    if test is not None:
        held_out, origin = test.pixels[_spread(len(test.pixels), MOST_HELD_OUT)], "test split"
        spare, spare_origin, compared = held_out[:count], "test split", len(rows)
    else:
        held_out, origin = source.pixels[held[:MOST_HELD_OUT]], f"share {share} of the data that D never trained on"
        compared = len(rows) - min(count, len(rows) // 2)
        spare, spare_origin = training[compared:], "training samples apart from those compared with"
    return RealData(
        training=training,
        labels=None if source.labels is None else source.labels[rows],
        compared=compared,
        spare=spare,
        held_out=held_out,
        fresh=False,
        held_out_origin=origin,
        spare_origin=spare_origin,
        fingerprint=fingerprint(source),
    )


def _of_density(source: Density, unseen: Density, count: int) -> RealData:
    def drawn(density: Density, role: str) -> FloatArray:
        points: FloatArray = density.draw(count, seeded_generator(ORDER_SEED, role, torch.device("cpu"))).numpy()
        return points

    return RealData(
        training=drawn(source, "compared"),
        labels=None,
        compared=count,
        spare=drawn(unseen, "spare"),
        held_out=drawn(unseen, "held out"),
        fresh=True,
        held_out_origin="fresh draws",
        spare_origin="fresh draws",
        fingerprint=fingerprint(source),
    )


def _spread(count: int, most: int) -> IntArray:
    """All rows, or ``most`` of them at random, in random order."""
    return np.random.default_rng(ORDER_SEED).permutation(count)[:most]


def labels_like(labels: IntArray, count: int, seed: int) -> IntArray:
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
    compared: int
    held_out: IntArray
    held_out_origin: str
    vocabulary: int
    end: int | None
    fingerprint: str

    @property
    def others(self) -> IntArray:
        """``(compared, T)``, the training sequences without the spare ones."""
        return self.training[: self.compared]

    @property
    def spare(self) -> IntArray:
        """The training sequences that are not compared with."""
        return self.training[self.compared :]


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
    training, held_out = order.permutation(chosen(split.train)), order.permutation(chosen(split.held_out))
    if len(training) < 2 * FEWEST:
        raise ConfigError(f"evaluation takes at least {2 * FEWEST} training sentences; these data have {len(training)}")
    compared = len(training) - min(count, len(training) // 2)
    origin = f"share {share} of the data that was never trained on"
    if not len(held_out):
        held_out, origin = training[:compared], "training sentences: none are held out"
    return RealSequences(
        training=training,
        compared=compared,
        held_out=held_out[:MOST_HELD_OUT],
        held_out_origin=origin,
        vocabulary=len(source.words),
        end=source.end,
        fingerprint=fingerprint(source),
    )
