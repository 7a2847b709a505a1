"""The interfaces that data meet the rest at: what a dataset is, what it loads, and how batches of it come."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray, Stateful


@dataclass(frozen=True)
class Images:
    """Images in memory or in a memory-mapped file.

    Attributes:
        pixels: ``(N, C, H, W)``, uint8.
        labels: ``(N,)``, int64, or None where the data have no classes.
        rows: ``(M,)``, ascending, those to train on; None: all.
    """

    pixels: ByteArray
    labels: IntArray | None = None
    rows: IntArray | None = None

    @property
    def count(self) -> int:
        """How many there are to train on."""
        return len(self.pixels if self.rows is None else self.rows)


@dataclass(frozen=True)
class Sequences:
    """Sentences, or other sequences of tokens, in memory.

    Attributes:
        tokens: ``(N, T)``, int64 in [0, len(words)); behind the first ``end`` there is nothing but ``end``.
        words: how each token is written.
        end: the token that ends a sentence, and fills up what is behind it; None: all have length T.
        between: what stands between two words.
        rows: ``(M,)``, ascending, those to train on; None: all.
    """

    tokens: IntArray
    words: tuple[str, ...]
    end: int | None = None
    between: str = " "
    rows: IntArray | None = None

    @property
    def count(self) -> int:
        """How many there are to train on."""
        return len(self.tokens if self.rows is None else self.rows)

    def written(self, tokens: IntArray) -> list[str]:
        """``(K, T)`` tokens as sentences, each up to its end."""
        rows = ([*row.tolist()] for row in tokens)
        cut = (row[: row.index(self.end)] if self.end in row else row for row in rows)
        return [self.between.join(self.words[token] for token in row) for row in cut]


class Density(Protocol):
    """A distribution that fresh samples can be drawn from."""

    def on(self, device: torch.device) -> Density:
        """The same with all it needs on the device, so that drawing copies nothing from the host."""
        ...

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """``(count, D)`` float32 on the density's and generator's device, scaled to about [-1, 1]."""
        ...

    def split(self, share: float) -> tuple[Density, Density]:
        """What to train on, and where held-out samples come from: itself where no sample comes twice."""
        ...


# What a dataset gives: the kinds of data that there are.
Source: TypeAlias = Images | Density | Sequences


@runtime_checkable
class Dataset(Protocol):
    """What there is to learn. Constructing one reads nothing; :meth:`load` does.

    Attributes:
        licence: under what terms the data, and so what is learned from them, may be used; one sentence.
    """

    licence: ClassVar[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` or ``(D,)``."""
        ...

    @property
    def classes(self) -> int | None:
        """How many classes the labels tell apart; 0: there are no labels; None: known once the data are loaded."""
        ...

    def load(self) -> Source:
        """Read, download or decode the data; raises ``DataError`` if that cannot be done.

        The annotation of its result says which kind of data an algorithm has to be able to learn.
        """
        ...

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Generated samples ``(N, *shape)`` in the data's own coordinates (images: as they are, in [-1, 1])."""
        ...


@runtime_checkable
class Modal(Protocol):
    """A dataset whose modes are known."""

    std: float

    @property
    def scale(self) -> float:
        """Own coordinates per unit of scaled ones."""
        ...

    def centres(self) -> Tensor:
        """``(M, D)``, the means of the modes in the data's own coordinates."""
        ...


class Oracle(Protocol):
    """A distribution of sequences that is known."""

    def nll(self, tokens: Tensor) -> Tensor:
        """Negative log-likelihood of sequences ``(N, T)``, in nats a token, ``(N,)``."""
        ...


@runtime_checkable
class Known(Protocol):
    """A dataset whose sequences come from a distribution that is known.

    Attributes:
        entropy: of that distribution, in nats a token.
    """

    @property
    def entropy(self) -> float:
        """Of the distribution, in nats a token: what its own sequences score on average."""
        ...

    def oracle(self, device: torch.device) -> Oracle:
        """The distribution, on the device."""
        ...


@dataclass(frozen=True)
class Batch:
    """Real samples on the device.

    Attributes:
        samples: ``(N, *shape)`` float32, in [-1, 1].
        labels: ``(N,)`` int64, or None where the data have none or nobody asks for them.
    """

    samples: Tensor
    labels: Tensor | None = None


class Sampler(Stateful, Protocol):
    """Feeds real minibatches, several at a time."""

    @property
    def waited(self) -> float | None:
        """Seconds that the host has waited for data so far; None where it never has to."""
        ...

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """The random streams that :meth:`take` draws from."""
        ...

    def prepare(self, batches: int) -> None:
        """Have that many batches at hand for :meth:`take`: the host's part, which may copy and wait."""
        ...

    def take(self, batches: int) -> Batch:
        """The next ``batches * batch_size`` samples. Launches work on the device and reads nothing of the host."""
        ...

    def close(self) -> None:
        """Stop whatever works in the background."""
        ...


class Specimens(Protocol):
    """Real samples to look at; which ones is a function of the step alone."""

    @property
    def most(self) -> int:
        """How many different ones of either side there are to be looked at."""
        ...

    def trained(self, count: int, step: int) -> Batch:
        """``count`` samples that D trains on, on the device."""
        ...

    def held_out(self, count: int, step: int) -> Batch:
        """``count`` samples that D never trains on; other training samples where none are held out."""
        ...


def kinds_of(dataset: Any) -> tuple[type, ...]:
    """What a class of datasets gives when it is loaded, as its method says: images, sequences, or else a density."""
    given = typing.get_type_hints(dataset.load)["return"]
    alternatives = typing.get_args(given) or (given,)
    return tuple(kind if kind in (Images, Sequences) else Density for kind in alternatives)
