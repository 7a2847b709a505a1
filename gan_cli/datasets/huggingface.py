"""Images of any dataset on the Hugging Face hub, or of a local folder laid out like one, such as parquet files.

The library ``datasets`` reads them as a stream: images are decoded as they arrive into the memory-mapped cache of
``data/image_cache.py``, without another copy on disk. From its release 4.0 on the library runs no code that a dataset
brings along, which is why an older one is rejected.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import logging
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gan_cli.config.extras import EXTRAS
from gan_cli.data.image_cache import Labels, cache_key
from gan_cli.data.image_decoding import MAX_FILE_BYTES, Encoded
from gan_cli.data.image_pipeline import load_images
from gan_cli.data.picture_survey import MAX_HEADERS
from gan_cli.data.table_folder import check_table_folder
from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.datasets.pictures import Pictures
from gan_cli.errors import ConfigError, DataError, did_you_mean, require
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

MIN_RELEASE = 4
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
HUB_FILES = "hf://datasets/"


@dataclass(frozen=True)
class HuggingFace(Pictures):
    """A column of images, and optionally one of labels, of a dataset on the Hugging Face hub or in a local folder.

    Images are turned upright, fitted and resized like those of ``ImageFolder``. A private dataset needs the token that
    ``hf auth login`` stores.

    Args:
        name: ``owner/name`` on the hub, or a folder; a folder of that name has precedence.
        root: the data root, whose folder ``huggingface`` holds the decoded images.
        column: the column of images: images as the library knows them, or the bytes of their files.
        label_column: the column of labels: classes, integers or words; None for data without labels.
        subset: the configuration of a dataset that has several; None for its only or default one.
        split: the part of the data to learn.
        revision: branch, tag or commit on the hub; None for its main branch as it is now.
    """

    name: str | None
    root: str
    column: str = "image"
    label_column: str | None = None
    subset: str | None = None
    split: str = "train"
    revision: str | None = None

    licence: ClassVar[str] = "A Hugging Face dataset: the terms on its card on the hub, or in its folder, apply."

    def __post_init__(self) -> None:
        require(bool(self.name), "name", self.name, "a dataset on the hub or a folder (dataset.name=OWNER/NAME)")
        expand_path("name", self.name or "")
        expand_path("root", self.root)
        require(self.column != "", "column", self.column, "the name of a column")
        require(self.label_column != "", "label_column", self.label_column, "the name of a column or null")
        require(self.label_column != self.column, "label_column", self.label_column, "another column than the images'")
        require(self.split != "", "split", self.split, "the name of a split")
        super().__post_init__()

    @property
    def classes(self) -> int | None:
        """Number of classes: 0 without a column of labels, else None, as it is known once the column is read."""
        return 0 if self.label_column is None else None

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)`` in the order of the rows; labels 0, 1, ... in the order of the classes.

        Raises:
            ConfigError: the library ``datasets`` is missing or too old; raised before anything is read.
            DataError: there is no such dataset, split or column, it cannot be read or decoded, an image cannot be
                decoded and ``strict`` holds, or the cache cannot be written.
        """
        columns = self._columns(_import_datasets())
        store, target = self._store, self.target
        if columns.builder.info.license:
            logger.info("%s: licence %s", self.name, columns.builder.info.license)
        files = self._files(columns.builder)
        what = {"files": files, "subset": self.subset, "split": self.split}
        what |= {"column": self.column, "label_column": self.label_column}
        key = cache_key(target, [json.dumps(what, sort_keys=True).encode()])
        images = load_images(columns, target, store, key, self.strict, self.workers)
        return self.as_data(images)

    def sample_pictures(self) -> Iterator[Encoded]:
        """Return the first pictures of the split, which are read for it; raises ``DataError``."""
        return islice(self._columns(_import_datasets()).encoded(), MAX_HEADERS // 4)

    def require_files(self) -> None:
        self._folder()

    @property
    def _store(self) -> Path:
        return expand_path("root", self.root) / "huggingface"

    def _columns(self, library: Any) -> _ColumnSource:
        """Return the columns of the split as the library describes them; raises ``DataError``."""
        folder = self._folder()
        location = str(folder or self.name)
        if folder is not None:
            check_table_folder(folder)
        with _wrap_read_errors(location):
            builder = library.load_dataset_builder(
                location, self.subset, revision=self.revision, cache_dir=str(self._store / "datasets")
            )
        return _ColumnSource(library, builder, folder, location, self.split, self.column, self.label_column)

    def _folder(self) -> Path | None:
        """Return the local folder of that name, or None for a name on the hub."""
        path = expand_path("name", self.name or "")
        try:
            local = path.is_dir()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        if local or not HUB_NAME.fullmatch(self.name or "") or (self.name or "").startswith("."):
            return require_folder(path.absolute())
        return None

    def _files(self, builder: Any) -> list[list[str | int]]:
        """Return the files of the split: on the hub addresses that name the commit, else files, sizes and times."""
        splits: Mapping[str, Sequence[str]] = {
            str(name): files for name, files in (builder.config.data_files or {}).items()
        }
        if self.split not in splits:
            raise DataError(
                f"{self.name}: there is no split {self.split!r}.{did_you_mean(self.split, splits)}"
                f" There are: {', '.join(splits) or 'none'}"
            )
        found = list[list[str | int]]()
        for file in splits[self.split]:
            path = Path(file)
            try:
                status = None if "://" in file else path.stat()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
            found.append([file] if status is None else [file, status.st_size, status.st_mtime_ns])
        return found


def _import_datasets() -> Any:
    """Import the library ``datasets``; slow, and not needed by every run."""
    install = EXTRAS["huggingface"].install
    try:
        release = importlib.metadata.version("datasets")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            f"dataset: huggingface needs the package datasets, which is not installed: {install}"
        ) from None
    if int(release.partition(".")[0]) < MIN_RELEASE:
        raise ConfigError(
            f"dataset: huggingface needs datasets >= {MIN_RELEASE}.0, as older ones run code that a dataset brings"
            f" along; found {release}: {install}"
        )
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise ConfigError(
            f"dataset: huggingface needs the package datasets, which fails ({error}): {install}"
        ) from error


@contextlib.contextmanager
def _wrap_read_errors(location: str) -> Iterator[None]:
    """Turn whatever the library raises into a ``DataError``: it has a class for each kind of failure."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{location}: cannot be read ({reason})") from error


@dataclass
class _ColumnSource:
    """The columns of a split as a source of encoded images; collects the labels as images are read."""

    library: Any
    builder: Any
    folder: Path | None
    location: str
    split: str
    column: str
    label_column: str | None
    # Label of each row, as the index of its value among `values`.
    codes: array[int] = field(default_factory=lambda: array("q"))
    values: dict[str | int, int] = field(default_factory=dict)
    class_names: Sequence[str] | None = None

    @property
    def count(self) -> int | None:
        """Number of rows according to the dataset's own description, if it says so."""
        info = (self.builder.info.splits or {}).get(self.split)
        return (info.num_examples or None) if info is not None else None

    def encoded(self) -> Iterator[Encoded]:
        """Yield each row's image; rows without one yield no bytes, and count as images that cannot be decoded."""
        self.codes, self.values = array("q"), {}
        with _wrap_read_errors(self.location):
            for number, row in enumerate(self._rows()):
                if self.label_column is not None:
                    self.codes.append(self._code(number, row[self.label_column]))
                yield Encoded(f"row {number}", self._bytes(row[self.column]))

    def full_name(self, name: str) -> str:
        """Return a name such as ``owner/name: row 7``."""
        return f"{self.location}: {name}"

    def is_readable(self, position: int) -> bool:
        """Return True: what the library cannot read ends the reading."""
        return True

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return labels as the library numbers its classes, or else in the order of their sorted values."""
        if self.label_column is None:
            return None
        codes = np.array(self.codes, np.int64)[np.array(kept, np.int64)]
        if self.class_names is not None:
            return Labels(tuple(self.class_names), np.array(list(self.values), np.int64)[codes])
        order = sorted(self.values, key=lambda value: (isinstance(value, str), value))
        rank = np.empty(len(order), np.int64)
        rank[[self.values[value] for value in order]] = np.arange(len(order))
        return Labels(tuple(map(str, order)), rank[codes])

    def _rows(self) -> Any:
        """Return the columns in use as a stream, with images not decoded."""
        stream = self.builder.as_streaming_dataset(self.split)
        names = stream.column_names or list(next(iter(stream), {}))
        wanted = [name for name in (self.column, self.label_column) if name is not None]
        for name in wanted:
            if name not in names:
                raise DataError(
                    f"{self.location}: there is no column {name!r}.{did_you_mean(name, names)}"
                    f" There are: {', '.join(names)}"
                )
        features = stream.features or {}
        stream = stream.select_columns(wanted)
        kind = features.get(self.column)
        if isinstance(kind, self.library.Image):
            stream = stream.cast_column(self.column, self.library.Image(decode=False))
        elif not (kind is None or _holds_files(kind)):
            raise DataError(
                f"{self.location}: column {self.column!r} holds {kind}; expected images or their files' bytes"
            )
        label = features.get(self.label_column)
        self.class_names = label.names if isinstance(label, self.library.ClassLabel) else None
        return stream

    def _code(self, number: int, value: object) -> int:
        """Return the index of a label's value, in the order of first appearance."""
        known = range(len(self.class_names)) if self.class_names is not None else None
        fits = isinstance(value, (int, str)) and (known is None or value in known)
        if not fits:
            raise DataError(
                f"{self.location}: row {number} has the label {value!r} in column {self.label_column!r};"
                f" expected {'an integer or a word' if known is None else f'0 to {len(known) - 1}'}"
            )
        assert isinstance(value, (int, str))
        return self.values.setdefault(value, len(self.values))

    def _bytes(self, value: object) -> bytes:
        """Return the encoded bytes of an image; empty where there is none."""
        if isinstance(value, Mapping):
            content, path = value.get("bytes"), value.get("path")
            value = self._file(path) if content is None and path else content
        return value if isinstance(value, bytes) else b""

    def _file(self, path: str) -> bytes:
        """Read a file that the table refers to, if it is within the dataset; a dataset may name any path."""
        origin = path.rpartition("::")[2]
        if self.folder is None:
            within = origin.startswith(HUB_FILES)
        else:
            within = Path(origin).resolve().is_relative_to(self.folder.resolve())
        if not within:
            return b""
        fsspec = importlib.import_module("fsspec")  # comes with datasets
        with fsspec.open(path, "rb") as stream:
            content: bytes = stream.read(MAX_FILE_BYTES + 1)
        return content if len(content) <= MAX_FILE_BYTES else b""


def _holds_files(kind: Any) -> bool:
    """Return True for a column of bytes, or of the pairs of bytes and path that images are stored as."""
    if isinstance(kind, Mapping):
        return "bytes" in kind
    return getattr(kind, "dtype", None) in ("binary", "large_binary")
