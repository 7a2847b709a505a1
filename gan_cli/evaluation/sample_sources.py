"""Where samples of others lie: arrays in ``.npy`` and ``.npz`` files, pictures in a folder or an archive.

Nothing is unpickled, and nothing unpacked to a disk. Sizes are compared before anything is decoded.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.data.archives import Member, list_archives, read_members
from gan_cli.data.array_files import ArrayFileError
from gan_cli.data.array_sources import ArraySource, npz_names, open_npz
from gan_cli.data.image_decoding import (
    FORMATS,
    MODES,
    TURNED,
    Encoded,
    Target,
    decode_all,
    max_file_bytes,
    read_image_file,
    upright_turn,
)
from gan_cli.data.image_files import SUFFIXES, list_images
from gan_cli.errors import ConfigError, DataError, printable
from gan_cli.inference.array_files import map_array
from gan_cli.protocols.data import BYTE_LEVELS, Dataset, PixelDepth
from gan_cli.storage.deep_pixels import WHITE, Depth

# Names of the array of samples in a file of several, the first that is there.
ARRAY_NAMES = ("samples", "arr_0")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_NAMES = 5
# Kinds of numbers.
KINDS = "fiub"
# Threads that decode pictures.
WORKERS = 4
DIGITS = re.compile(r"([0-9]+)")


class SampleSource(Protocol):
    """Samples that can be counted before they are read.

    Attributes:
        total: how many there are.
        levels: values of black and of white, where the form of the samples tells.
        facts: for the provenance, as plain values.
    """

    @property
    def total(self) -> int: ...
    @property
    def levels(self) -> tuple[float, float] | None: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...

    def first(self, count: int) -> npt.NDArray[Any]:
        """Return the first ``count`` samples ``(count, *shape)``, at most :attr:`total`; raises ``ConfigError``."""
        ...


@dataclass(frozen=True)
class ArraySamples:
    """Samples in an array, ``(N, *shape)``, in memory or mapped into it."""

    values: npt.NDArray[Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    levels: None = None

    @property
    def total(self) -> int:
        return len(self.values)

    def first(self, count: int) -> npt.NDArray[Any]:
        return self.values[:count]


@dataclass(frozen=True)
class PackedSamples:
    """An array of samples in a ``.npz`` file, of which as much is unpacked as is asked for.

    Attributes:
        path: the file.
        source: the array.
        channels_last: whether it is ``(N, H, W, C)``, as the samples of guided diffusion and its successors are.
        facts: for the provenance.
    """

    path: Path
    source: ArraySource
    channels_last: bool
    facts: Mapping[str, Any]
    levels: None = None

    @property
    def total(self) -> int:
        return self.source.shape[0]

    def first(self, count: int) -> npt.NDArray[Any]:
        with _array_errors(self.path):
            mapped = self.source.mapped()
            values = self._unpacked(count) if mapped is None else mapped[:count]
        return values.transpose(0, 3, 1, 2) if self.channels_last else values

    def _unpacked(self, count: int) -> npt.NDArray[Any]:
        values = np.empty((count, *self.source.shape[1:]), self.source.dtype)
        start = 0
        for block in self.source.blocks():
            part = block[: count - start]
            values[start : start + len(part)] = part
            start += len(part)
            if start == count:
                break
        return values


@dataclass(frozen=True)
class PictureSamples:
    """Pictures of one size, in the natural order of their names: 2 comes before 10.

    Attributes:
        place: the folder or the archive.
        names: of all pictures, in their order.
        contents: returns the encoded pictures of some positions, in any order, each with its position.
        target: shape and depth that they are decoded to.
    """

    place: Path
    names: Sequence[str]
    contents: _Contents
    target: Target

    @property
    def total(self) -> int:
        return len(self.names)

    @property
    def levels(self) -> tuple[float, float]:
        return BYTE_LEVELS if self.target.depth is Depth.uint8 else (0.0, float(WHITE))

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"pictures": self.total, "first": self.names[0]}

    def first(self, count: int) -> npt.NDArray[Any]:
        pixels = np.empty((count, *self.target.shape), self.target.dtype)
        order = list[int]()
        start = 0
        for batch in decode_all(self._of_this_size(self.contents(range(count)), order), self.target, WORKERS):
            if batch.failures:
                name, reason = batch.failures[0]
                raise ConfigError(f"--samples: {self._named(name)} cannot be decoded: {printable(reason)}")
            pixels[order[start : start + batch.total]] = batch.pixels
            start += batch.total
        return pixels

    def _of_this_size(self, contents: Iterable[tuple[int, Encoded]], order: list[int]) -> Iterator[Encoded]:
        """Yield pictures, and note their positions; raises ``ConfigError`` for one of another size."""
        wanted = self.target.size
        for position, image in contents:
            found = _size(image.data) if isinstance(image.data, bytes) else None
            if found is not None and found != wanted:
                raise ConfigError(
                    f"--samples: expected pictures of {wanted[1]}x{wanted[0]} pixels, as the run's data are, got one of"
                    f" {found[1]}x{found[0]}: {self._named(image.name)}"
                )
            order.append(position)
            yield image

    def _named(self, name: str) -> str:
        return printable(f"{self.place}: {name}")


class _Contents(Protocol):
    def __call__(self, positions: Iterable[int]) -> Iterator[tuple[int, Encoded]]: ...


def open_samples(path: Path, dataset: Dataset) -> SampleSource:
    """Find the samples in a file or a folder, to be compared with those of a dataset.

    Args:
        path: a ``.npy`` file; a ``.npz`` file with one array, or one that is called ``samples`` or ``arr_0``; a folder,
            or a zip or tar archive, of pictures.
        dataset: a dataset of samples of that shape.

    Raises:
        ConfigError: it cannot be read, or holds no such samples.
    """
    if path.is_dir():
        return _in_folder(path, dataset)
    name = path.name.lower()
    if name.endswith(ARCHIVES):
        return _in_archive(path, dataset)
    if name.endswith(".npz"):
        return _in_npz(path, dataset)
    if name.endswith(SUFFIXES) and path.exists():
        raise ConfigError(f"--samples: {path} is one picture; expected a folder or an archive of pictures, or an array")
    values = _mapped(path)
    _check_shape(values.shape, dataset.shape, path)
    return ArraySamples(values)


def _in_folder(folder: Path, dataset: Dataset) -> PictureSamples:
    target = _target(folder, dataset)
    try:
        names = sorted((file.name for file in list_images(folder).files), key=_natural)
    except DataError as error:
        raise ConfigError(f"--samples: {error}") from error
    _require_some(folder, names)
    limit = max_file_bytes(target.max_pixels)

    def contents(positions: Iterable[int]) -> Iterator[tuple[int, Encoded]]:
        for position in positions:
            yield position, Encoded(names[position], _content(folder / names[position], limit))

    return PictureSamples(folder, names, contents, target)


def _in_archive(path: Path, dataset: Dataset) -> PictureSamples:
    target = _target(path, dataset)
    try:
        members = list_archives([path]).images
    except DataError as error:
        raise ConfigError(f"--samples: {error}") from error
    order = sorted(range(len(members)), key=lambda place: _natural(members[place].name))
    _require_some(path, order)

    def contents(positions: Iterable[int]) -> Iterator[tuple[int, Encoded]]:
        # In the order of the archive, in which a packed one has to be read.
        places = sorted((order[position], position) for position in positions)
        yield from _read(path, [(position, members[place]) for place, position in places], target)

    return PictureSamples(path, [members[place].name for place in order], contents, target)


def _read(path: Path, wanted: Sequence[tuple[int, Member]], target: Target) -> Iterator[tuple[int, Encoded]]:
    members = [member for _, member in wanted]
    try:
        read = read_members(path, members, max_file_bytes(target.max_pixels))
        for (position, member), content in zip(wanted, read, strict=True):
            yield position, Encoded(member.name, content)
    except DataError as error:
        raise ConfigError(f"--samples: {error}") from error


def _in_npz(path: Path, dataset: Dataset) -> PackedSamples:
    with _array_errors(path):
        names = npz_names(path)
        name = names[0] if len(names) == 1 else next((each for each in ARRAY_NAMES if each in names), None)
        if name is None:
            listed = ", ".join(map(printable, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
            wanted = f"one array, or one that is called {' or '.join(ARRAY_NAMES)}"
            raise ConfigError(f"--samples: expected {wanted}, got {listed or 'none'} in {path}")
        source = open_npz(path, name)
    if source.dtype.kind not in KINDS:
        raise ConfigError(f"--samples: {path}: {name} is no array of numbers, but one of {source.dtype}")
    last = _channels_last(source.shape, dataset.shape)
    if not last:
        _check_shape(source.shape, dataset.shape, path)
    facts = {"array": printable(name), **({"layout": "channels last"} if last else {})}
    return PackedSamples(path, source, last, facts)


@contextlib.contextmanager
def _array_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"--samples: {path} cannot be read ({error.strerror or error})") from error
    except ArrayFileError as error:
        raise ConfigError(f"--samples: {path}: {error}") from error


def _target(place: Path, dataset: Dataset) -> Target:
    """Return what pictures are decoded to; raises ``ConfigError`` for data that are no pictures."""
    if len(dataset.shape) != 3:
        raise ConfigError(f"--samples: {place} holds pictures, and this run learned points: expected an array of them")
    channels, height, width = dataset.shape
    if channels not in MODES:
        raise ConfigError(
            f"--samples: {place} holds pictures, and samples of this run have {channels} channels, which no picture has"
        )
    is_deep = isinstance(dataset, PixelDepth) and dataset.pixel_bits > 8
    depth, levels = (Depth.uint16, (0.0, float(WHITE))) if is_deep else (Depth.uint8, BYTE_LEVELS)
    return Target((height, width), channels, depth=depth, levels=levels)


def _require_some(place: Path, found: Sequence[object]) -> None:
    if not found:
        raise ConfigError(f"--samples: {place} has no pictures; looked for {' '.join(SUFFIXES)}")


def _content(file: Path, limit: int) -> bytes | ValueError:
    try:
        return read_image_file(file, limit)
    except Exception as error:  # too long, or unreadable: the decoder tells of it by name
        return ValueError(str(error))


def _size(content: bytes) -> tuple[int, int] | None:
    """Return height and width of a picture once it is upright; None where it is none, as its decoder will say."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            return (width, height) if upright_turn(image) in TURNED else (height, width)
    except Exception:  # Pillow raises nearly anything on damaged files
        return None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which names are in the order of the numbers in them."""
    return [
        (0, len(part.lstrip("0")), part.lstrip("0")) if part.isdigit() else (1, 0, part) for part in DIGITS.split(name)
    ]


def _mapped(file: Path) -> npt.NDArray[Any]:
    """Map an array of numbers into memory; raises as :func:`map_array`, and for an array of anything else."""
    values = map_array("--samples", file)
    if values.dtype.kind not in KINDS:
        raise ConfigError(
            f"--samples: {file} is no array of numbers as NumPy stores it (.npy), but one of {values.dtype}"
        )
    return values


def _check_shape(found: tuple[int, ...], shape: tuple[int, ...], file: Path) -> None:
    if found[1:] == shape and found:
        return
    wanted = ", ".join(map(str, shape))
    advice = (
        ": its channels come last; array.transpose(0, 3, 1, 2) puts them first" if _channels_last(found, shape) else ""
    )
    raise ConfigError(f"--samples: expected an array of shape (N, {wanted}), got {found} in {file}{advice}")


def _channels_last(found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and found[1:] == (*shape[1:], shape[0]) and found[1:] != shape
