"""Sequences to train on and those that are held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gan_cli.datasets.held_out import held_out_rows
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Sequences


@dataclass(frozen=True)
class SequenceSplit:
    """Sequences without a share of them, and that share.

    Attributes:
        train: with the rows to train on.
        held_out: with the rows that are held out, of which there may be none.
    """

    train: Sequences
    held_out: Sequences


def split_sequences(source: Sequences, share: float) -> SequenceSplit:
    """Hold out a share, in [0, 1), of the sequences, the same whatever a run's seed; few ones are not worth it."""
    rows, held = held_out_rows(len(source.tokens), share)
    return SequenceSplit(replace(source, rows=rows if len(held) else None), replace(source, rows=held))


def chosen(source: Sequences) -> IntArray:
    """``(M, T)``, the tokens of the rows that count."""
    return source.tokens if source.rows is None else source.tokens[source.rows]
