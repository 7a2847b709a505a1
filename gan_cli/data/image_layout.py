"""Meaning of the folders of a tree of images: parts to train on and to test with, classes, and pictures beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, Protocol, TypeVar

from gan_cli.data.image_files import ImageListing
from gan_cli.errors import printable

# Names of folders, in small letters, whose images are a part of the data; of several for tests the first counts.
TRAIN_FOLDERS, TEST_FOLDERS = ("train", "training"), ("test", "testing", "val", "valid", "validation")
# Images beside folders of classes, at most: this share of all, or one. More of them are meant.
MAX_STRAY_SHARE = 0.01
# Names and suffixes that a message lists.
MAX_NAMES = 5


class FolderSplit(Enum):
    """Part of a folder of images with sub-folders ``train`` and ``test``; of others, ``train`` and ``all`` are all."""

    train = "train"
    test = "test"
    all = "all"


class ListedImage(Protocol):
    """An image in a tree of folders."""

    @property
    def name(self) -> str:
        """Path relative to the tree, with ``/`` between its parts."""
        ...

    @property
    def identity(self) -> bytes:
        """Bytes that change with the image; no two lists of images have the same concatenation."""
        ...


Image = TypeVar("Image", bound=ListedImage)


@dataclass(frozen=True)
class ImageLayout(Generic[Image]):
    """Images of a part of the data.

    Attributes:
        files: the images, in the order of their names.
        classes: names of the classes, in the order of the labels; None: there are none.
        labels: the class of each file, as its position in ``classes``; empty without classes.
        part: the folder that is the part, such as ``train``; empty where all images belong to it.
        other_parts: folders of other parts.
        strays: images beside the folders of classes, which are left out.
    """

    files: Sequence[Image]
    classes: tuple[str, ...] | None
    labels: Sequence[int]
    part: str
    other_parts: tuple[str, ...]
    strays: tuple[str, ...]


def read_layout(files: Sequence[Image], split: FolderSplit) -> ImageLayout[Image] | None:
    """Return the images of a part, and their classes: the folders below it, if (nearly) all images lie in such.

    Args:
        files: of all parts, which have the same classes.
        split: the part.

    Returns:
        None where the test part is wanted, and no folder is one.
    """
    parts = find_parts([file.name for file in files])
    if split is FolderSplit.test and not parts:
        return None
    part = parts.get(split, "")
    firsts = [first_folder(file.name.partition("/")[2] if parts else file.name) for file in files]
    classes = _classes(firsts)
    number = {name: label for label, name in enumerate(classes or ())}
    chosen = [
        (file, first) for file, first in zip(files, firsts, strict=True) if not part or first_folder(file.name) == part
    ]
    return ImageLayout(
        files=[file for file, first in chosen if first or classes is None],
        classes=classes,
        labels=[number[first] for _, first in chosen if first] if classes else (),
        part=part,
        other_parts=tuple(sorted({first_folder(file.name) for file in files} - {part})) if part else (),
        strays=tuple(file.name for file, first in chosen if not first) if classes else (),
    )


def without_classes(layout: ImageLayout[Image], files: Sequence[Image]) -> ImageLayout[Image]:
    """Return a layout of these files, whose folders are no classes."""
    return replace(layout, files=files, classes=None, labels=(), strays=())


def _classes(firsts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the classes in the order of their labels, by the first folder of each image; None: these are no classes.

    Folders that are all numbers are in the order of these.
    """
    found = Counter(firsts)
    strays = found.pop("", 0)
    if len(found) < 2 or strays > max(1, int(MAX_STRAY_SHARE * len(firsts))):
        return None
    if all(name.isascii() and name.isdigit() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def find_parts(names: Sequence[str]) -> dict[FolderSplit, str]:
    """Return the folders that are parts: if all images lie in such, some to train on and some to test with."""
    folders = sorted({first_folder(name) for name in names})
    if not folders or any(folder.lower() not in (*TRAIN_FOLDERS, *TEST_FOLDERS) for folder in folders):
        return {}
    found = {
        split: next((folder for word in words for folder in folders if folder.lower() == word), "")
        for split, words in ((FolderSplit.train, TRAIN_FOLDERS), (FolderSplit.test, TEST_FOLDERS))
    }
    return found if all(found.values()) else {}


def first_folder(name: str) -> str:
    """Return the first folder of a name, or an empty string where it lies in none."""
    return name.partition("/")[0] if "/" in name else ""


def describe(listing: ImageListing, layout: ImageLayout[Image]) -> str:
    """Return in a line how many images are taken, what they are, and what is left out and why."""
    taken = f"{len(layout.files):,} images"
    if layout.classes is not None:
        taken += f" of {len(layout.classes):,} classes"
    if layout.part:
        taken += f" in {printable(layout.part)}, the part that dataset.split chooses"
    left_out = [
        f"{reason}: {_examples(names)}"
        for reason, names in (
            ("other parts", layout.other_parts),
            ("images beside the classes", layout.strays),
            ("folders without an image", listing.empty if layout.classes else ()),
            ("folders of systems and other programs", listing.ignored),
            ("run directories", listing.runs),
            ("folders that cannot be read", listing.unreadable),
            ("archives within an archive, which are not opened", listing.nested),
            ("links and devices", listing.special),
        )
        if names
    ]
    if listing.others:
        left_out.append(f"files that are no images: {count_by_suffix(listing.others)}")
    return f"{taken}; left out: {'; '.join(left_out)}" if left_out else taken


def count_by_suffix(others: Mapping[str, int]) -> str:
    """Return the numbers of files by suffix, the most first: ``12 .txt, 3 without a suffix``."""
    ordered = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{count:,} {printable(suffix) or 'without a suffix'}" for suffix, count in ordered[:MAX_NAMES]]
    rest = sum(count for _, count in ordered[MAX_NAMES:])
    return ", ".join([*words, f"{rest:,} others"] if rest else words)


def _examples(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(map(printable, names[:MAX_NAMES])) + more
