"""The real sequences of an evaluation in their roles; a function of the data and of no seed, as those of images are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.splits import chosen, split_sequences
from gan_cli.errors import ConfigError
from gan_cli.evaluation.real import MOST_HELD_OUT, ORDER_SEED
from gan_cli.metrics.catalog import FEWEST
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Sequences


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
