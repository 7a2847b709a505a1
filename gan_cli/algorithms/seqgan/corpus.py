"""What there is to learn of a language, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.protocols.data import Oracle, Sequences


@dataclass(frozen=True)
class Corpus:
    """Sequences to train on and to test with.

    Attributes:
        train: with the rows to train on.
        held_out: never trained on, in the same words; with rows of its own.
        oracle: the distribution they come from, on the device, where it is known.
        entropy: of that distribution, in nats a token.
    """

    train: Sequences
    held_out: Sequences
    oracle: Oracle | None = None
    entropy: float | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """How each token is written."""
        return self.train.words

    @property
    def end(self) -> int | None:
        """The token that ends a sentence; None: all sequences are equally long."""
        return self.train.end
