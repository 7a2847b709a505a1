"""Training and held-out sequences of tokens, with their distribution where it is known."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.protocols.data import Oracle, Sequences


@dataclass(frozen=True)
class Corpus:
    """Sequences to train on and to test with.

    Attributes:
        train: sequences, of which ``rows`` selects those to train on.
        held_out: sequences with the same words, of which ``rows`` selects those never trained on.
        oracle: the distribution of the sequences, on the device, where it is known.
        entropy: of that distribution, in nats a token.
    """

    train: Sequences
    held_out: Sequences
    oracle: Oracle | None = None
    entropy: float | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The text of each token."""
        return self.train.words

    @property
    def end(self) -> int | None:
        """The token that ends a sentence; None: all sequences have the same length."""
        return self.train.end
