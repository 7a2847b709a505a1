"""Images whose labels stand in a table beside them: those that have one, and the labels of those that were decoded.

The cache of decoded images holds the place of each image among those that are labelled, in place of a class: changed
labels need no new decoding.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gan_cli.data.image_cache import Labels
from gan_cli.data.labels import FileClasses, LabelKind, LabelTable, read_labels
from gan_cli.errors import DataError, did_you_mean, printable
from gan_cli.protocols.data import Images

# Suffixes of tables of labels.
TABLES = (".csv", ".tsv", ".json")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledImages:
    """Images that have a label.

    Attributes:
        places: theirs among the images that were asked for, ascending.
        rows: of their labels in the table.
        table: all labels.
        left_out: those without a label, in words; empty where all have one.
    """

    places: Sequence[int]
    rows: Sequence[int]
    table: LabelTable
    left_out: str = ""

    def warn(self) -> None:
        """Log those that are left out, if there are any."""
        if self.left_out:
            logger.warning("%s: left out", self.left_out)

    def cached(self, kept: Sequence[int]) -> Labels:
        """Return what the cache of decoded images holds as their labels: the places of those that were kept."""
        return Labels(("",) * len(self.places), np.fromiter(kept, np.int64, len(kept)))

    def label(self, images: Images) -> Images:
        """Return images of the cache with the labels of the table."""
        assert images.labels is not None
        labels = self.table.select([self.rows[place] for place in images.labels.tolist()])
        if isinstance(labels, FileClasses):
            return replace(images, labels=labels.values, class_names=labels.names)
        return replace(images, labels=None, class_names=(), vectors=labels)


def find_labelled(
    table: LabelTable, present: Sequence[str], names: Sequence[str], *, location: str, strict: bool
) -> LabelledImages:
    """Return those images that have a label; others are left out.

    Args:
        table: the labels.
        present: names of all images that there are, relative, with ``/`` between their parts.
        names: those that are asked for, in their order: of a part of the data.
        location: where they are, for messages.
        strict: reject images without a label.

    Raises:
        DataError: the table has an image that is not there; none has a label, or one has none and ``strict`` holds.
    """
    row_of = {name: row for name, row in zip(present, table.find(present), strict=True) if row is not None}
    places = [place for place, name in enumerate(names) if name in row_of]
    left_out = ""
    if len(places) < len(names):
        first = printable(next(name for name in names if name not in row_of))
        left_out = f"{location}: {len(names) - len(places):,} of {len(names):,} images have no label, first {first}"
        if strict or not places:
            raise DataError(f"{left_out}: {table.path} has none for them")
    return LabelledImages(places, [row_of[names[place]] for place in places], table, left_out)


def read_label_file(key: str, labels: str, folder: Path, kind: LabelKind) -> LabelTable:
    """Read a table of labels, and log what they were taken for.

    Args:
        key: of the configuration, for messages.
        labels: its name: relative to the folder or, where there is none, to the working directory.
        folder: of the images.
        kind: of the labels.

    Raises:
        DataError: there is no such file, or it holds no labels.
    """
    try:
        path = Path(labels).expanduser()
        inside = folder / path
        path = inside if inside.exists() else path.absolute()
        exists = path.exists()
        beside = [] if exists else [file.name for place in {folder, path.parent} for file in _tables_in(place)]
    except (OSError, RuntimeError, ValueError):
        exists, beside = False, []
    if not exists:
        raise DataError(
            f"{key}: there is no file {printable(labels)}, neither in {folder} nor in the working directory."
            f"{did_you_mean(Path(labels).name, beside)}"
        )
    table = read_labels(path, kind)
    logger.info("%s: %s", path, table.description)
    return table


def _tables_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may be tables of labels."""
    return [path for path in folder.iterdir() if path.suffix.lower() in TABLES] if folder.is_dir() else []
