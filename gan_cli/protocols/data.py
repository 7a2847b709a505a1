"""Interfaces of data: datasets, the data that they load, samplers of minibatches, and probe batches."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from gan_cli.protocols.arrays import FloatArray, IntArray, Stateful, StoredArray
from gan_cli.protocols.conditions import Condition, VectorCondition

# Of samples: a class each, (N,) int64, or a vector each, (N, K) float32.
ConditionValues: TypeAlias = IntArray | FloatArray

# Black and white of images of 8 bits.
BYTE_LEVELS = (0.0, 255.0)


@dataclass(frozen=True)
class LabelVectors:
    """A vector of several classes, or of real numbers, for each sample.

    Attributes:
        values: ``(N, K)``, float32, in the units of the data.
        condition: its components, K of them.
    """

    values: FloatArray
    condition: VectorCondition


@dataclass(frozen=True)
class StoredSamples:
    """Samples in an array, in memory or in a memory-mapped file.

    Attributes:
        array: ``(N, *shape)``, uint8, uint16, float16 or float32.
        labels: ``(N,)``, int64, or None where the data have no classes.
        rows: ``(M,)``, ascending, those to train on; None: all.
        class_names: name of each class, in the order of the labels; empty where classes have numbers alone.
        levels: values of the array that are -1 and 1 for networks.
        mirrored: whether each sample to train on is there a second time, from right to left.
        vectors: conditions beside a single class; None where there are none. Data have labels or vectors, not both.
        hashed_bytes: bytes of the array, in rows spread evenly over it, that its fingerprint is of, at most.
    """

    array: StoredArray
    labels: IntArray | None = None
    rows: IntArray | None = None
    class_names: tuple[str, ...] = ()
    levels: tuple[float, float] = BYTE_LEVELS
    mirrored: bool = False
    vectors: LabelVectors | None = None
    hashed_bytes: int = 2**28

    @property
    def count(self) -> int:
        """Number of samples to train on, mirror images included."""
        return len(self.array if self.rows is None else self.rows) * (2 if self.mirrored else 1)

    @property
    def conditions(self) -> ConditionValues | None:
        """The class ``(N,)`` or the vector ``(N, K)`` of each sample; None where there is neither."""
        return self.labels if self.vectors is None else self.vectors.values


@dataclass(frozen=True)
class Images(StoredSamples):
    """Images ``(N, C, H, W)``."""


@dataclass(frozen=True)
class Rows(StoredSamples):
    """Rows of a table ``(N, D)``, float32, standardized."""


# Longest word in characters: what has neither blanks nor line breaks is no text. A checkpoint's words are repeated in
# many sentences, and a few that are longer would fill the memory.
MAX_WORD_LENGTH = 10_000


@dataclass(frozen=True)
class Sequences:
    """Sentences, or other sequences of tokens, in memory.

    Attributes:
        tokens: ``(N, T)``, int64 in [0, len(words)); after the first ``end`` all tokens are ``end``.
        words: the text of each token.
        end: the token that ends a sentence and pads it to length T; None: all have length T.
        between: separator of two words.
        rows: ``(M,)``, ascending, those to train on; None: all.
    """

    tokens: IntArray
    words: tuple[str, ...]
    end: int | None = None
    between: str = " "
    rows: IntArray | None = None

    @property
    def count(self) -> int:
        """Number of sequences to train on."""
        return len(self.tokens if self.rows is None else self.rows)

    def to_sentences(self, tokens: IntArray) -> list[str]:
        """Convert tokens ``(K, T)`` to sentences, each up to its end."""
        rows = ([*row.tolist()] for row in tokens)
        cut = (row[: row.index(self.end)] if self.end in row else row for row in rows)
        return [self.between.join(self.words[token] for token in row) for row in cut]


class Density(Protocol):
    """A distribution from which fresh samples can be drawn."""

    def on(self, device: torch.device) -> Density:
        """Return a copy with its tensors on the device, so that drawing copies nothing from the host."""
        ...

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``(count, D)`` float32 on the density's and generator's device, scaled to about [-1, 1]."""
        ...

    def split(self, share: float) -> tuple[Density, Density]:
        """Return densities of training and of held-out samples: itself twice where it is not, or cannot be, split."""
        ...


@runtime_checkable
class TransformedNumbers(Protocol):
    """A density whose samples are a function of random numbers, row by row: ``draw`` is ``transform`` of ``numbers``.

    Several runs that train in lockstep draw the numbers each from its own stream, and transform them all at once.
    """

    def numbers(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw the numbers of ``count`` samples, each tensor with one row a sample."""
        ...

    def transform(self, *numbers: Tensor) -> Tensor:
        """Compute samples ``(N, D)`` from rows of :meth:`numbers`, those of one sample from its rows alone."""
        ...


# The kinds of data that a dataset may load.
LoadedData: TypeAlias = Images | Rows | Density | Sequences


@runtime_checkable
class Dataset(Protocol):
    """Training data that are not loaded yet. Constructing one reads no file; :meth:`load` does.

    A class may also have ``num_bytes``, the memory that its data take, where its settings determine it.

    Attributes:
        licence: terms of use of the data, and so of models trained on them; one sentence.
    """

    licence: ClassVar[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` or ``(D,)``."""
        ...

    @property
    def classes(self) -> int | None:
        """Number of classes of the labels; 0: there are no labels; None: known once the data are loaded."""
        ...

    def load(self) -> LoadedData:
        """Read, download or decode the data; raises ``DataError`` if that cannot be done.

        Its return annotation tells which kinds of data an algorithm has to support.
        """
        ...

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Convert generated samples ``(N, *shape)`` to the data's own coordinates (images: unchanged, in [-1, 1])."""
        ...


@dataclass(frozen=True)
class AutomaticSetting:
    """A setting of a dataset that its data decide.

    Attributes:
        value: as it stands in a configuration: numbers, words, and lists of these.
        reason: what it was chosen for, in a few words; empty for the usual value, which is not worth a line.
    """

    value: Any
    reason: str = ""


@runtime_checkable
class OwnFiles(Protocol):
    """Data of files or folders that the user names, and that have to be there already: nothing is downloaded."""

    def require_files(self) -> None:
        """Raise the ``DataError`` of :meth:`Dataset.load` where there is no such file or folder; read nothing."""
        ...


@runtime_checkable
class SelfSettling(Protocol):
    """A dataset with settings that its data decide where they are ``auto``; the values are stored with the run."""

    def automatic_settings(self) -> Mapping[str, AutomaticSetting]:
        """Return the settings that are ``auto``, by parameter; reads headers and a bounded part of the data.

        Raises:
            DataError: the data cannot be read, or do not tell.
            ConfigError: a package is missing.
        """
        ...


@runtime_checkable
class PixelDepth(Protocol):
    """A dataset of images that says how many bits pictures of its samples have."""

    @property
    def pixel_bits(self) -> int:
        """Bits of a channel, 8 or 16."""
        ...


@runtime_checkable
class CountableImages(Protocol):
    """A dataset of images of the user's own, whose number is known without decoding them."""

    def count_images(self) -> int:
        """Return how many files would be decoded; raises ``DataError`` where they cannot be listed."""
        ...


@runtime_checkable
class Partitioned(Protocol):
    """A dataset of the user's own that may have a part to test with, which its files tell."""

    def test_split(self) -> Dataset | None:
        """Return the dataset of the part to test with, or None; raises ``DataError`` where files cannot be listed."""
        ...


@runtime_checkable
class ExampleImages(Protocol):
    """A dataset of images of which a few can be decoded without the others."""

    def load_examples(self, count: int, scratch: Path) -> Images:
        """Decode at most ``count`` images, spread over the data; raises as :meth:`Dataset.load`.

        Args:
            count: number of images.
            scratch: a folder for files that are needed as long as the images are used.
        """
        ...


@runtime_checkable
class Modal(Protocol):
    """A dataset of a mixture whose modes are known."""

    std: float

    @property
    def scale(self) -> float:
        """Factor from scaled coordinates to the data's own."""
        ...

    def centres(self) -> Tensor:
        """Return the means of the modes, ``(M, D)``, in the data's own coordinates."""
        ...


class Oracle(Protocol):
    """The known distribution of a dataset of sequences."""

    def nll(self, tokens: Tensor) -> Tensor:
        """Compute the negative log-likelihood of sequences ``(N, T)``, in nats a token, ``(N,)``."""
        ...


@runtime_checkable
class KnownDistribution(Protocol):
    """A dataset whose sequences come from a known distribution."""

    @property
    def entropy(self) -> float:
        """Entropy of the distribution, in nats a token: the mean NLL of its own sequences."""
        ...

    def oracle(self, device: torch.device) -> Oracle:
        """Build the distribution on the device."""
        ...


@dataclass(frozen=True)
class Batch:
    """Real samples on the device.

    Attributes:
        samples: ``(N, *shape)`` float32, in [-1, 1].
        labels: classes ``(N,)`` int64 or vectors ``(N, K)`` float32, or None where the data have none or the model is
            unconditional.
    """

    samples: Tensor
    labels: Tensor | None = None


class Sampler(Stateful, Protocol):
    """Supplies real minibatches, several at a time."""

    @property
    def waited(self) -> float | None:
        """Seconds that the host has waited for data so far; None where it never has to."""
        ...

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The random generators that :meth:`take` draws from."""
        ...

    def prepare(self, batches: int) -> None:
        """Stage that many batches for :meth:`take`: the host's part, which may copy and wait."""
        ...

    def take(self, batches: int) -> Batch:
        """Return the next ``batches * batch_size`` samples. Launches work on the device, reads nothing of the host."""
        ...

    def close(self) -> None:
        """Stop threads that work in the background."""
        ...


class ProbeBatches(Protocol):
    """Real samples for diagnostics; their choice is a function of the step alone."""

    @property
    def available(self) -> int:
        """Number of distinct samples of either kind, training and held-out."""
        ...

    def train(self, count: int, step: int) -> Batch:
        """Return ``count`` training samples on the device."""
        ...

    def heldout(self, count: int, step: int) -> Batch:
        """Return ``count`` held-out samples on the device; other training samples where none are held out."""
        ...


def data_kinds(dataset: Any) -> tuple[type, ...]:
    """Return the kinds of data that a class of datasets loads, by the return annotation of ``load``."""
    returned = typing.get_type_hints(dataset.load)["return"]
    alternatives = typing.get_args(returned) or (returned,)
    return tuple(kind if kind in (Images, Rows, Sequences) else Density for kind in alternatives)


def data_noun(dataset: Any) -> str:
    """Return the word for the samples of a class of datasets: images, rows, sentences, or samples of a density."""
    nouns: Mapping[type, str] = {Images: "images", Rows: "rows", Sequences: "sentences", Density: "samples"}
    return nouns[data_kinds(dataset)[0]]


def condition_of(source: StoredSamples, classes: int | None = None) -> Condition:
    """Return what networks of samples can be conditional on; 0: nothing.

    Args:
        source: the samples.
        classes: number of their classes, where it is known; None or 0: as many as occur.
    """
    if source.vectors is not None:
        return source.vectors.condition
    return 0 if source.labels is None else classes or int(source.labels.max()) + 1


def class_names(identity: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the classes in an identity of data; empty where it has none."""
    return _names_in(identity, "classes")


def component_names(identity: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the components of vectors in an identity of data; empty where it has none."""
    return _names_in(identity, "components")


def _names_in(identity: Mapping[str, Any] | None, key: str) -> tuple[str, ...]:
    names = None if identity is None else identity.get(key)
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
