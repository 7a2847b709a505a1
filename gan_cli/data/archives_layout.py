"""Meaning of the members of archives: folders of classes, NVIDIA's ``dataset.json``, WebDataset's shards."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from gan_cli.data.archives import CLASS_SUFFIX, LABEL_LIST, ArchiveListing, Member
from gan_cli.data.image_layout import (
    TEST_FOLDERS,
    TRAIN_FOLDERS,
    FolderSplit,
    ImageLayout,
    find_parts,
    first_folder,
    read_layout,
)
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr

# Names that NVIDIA's dataset_tool.py gives: its folders hold a thousand images each, and are no classes.
NUMBERED = re.compile(r"[0-9]{5}/img[0-9]{8}\.[a-z]+")
MAX_CLASS = 2**31
# Names that a message lists.
MAX_NAMES = 3


def read_archive_layout(
    paths: Sequence[Path], listing: ArchiveListing, split: FolderSplit
) -> ImageLayout[Member] | None:
    """Return the images of a part of what is in archives, and their classes.

    These are the classes of ``dataset.json`` where there is one, those of members ``KEY.cls`` where there are such,
    else the folders in which the images lie, below one that holds them all. Archives whose names say ``train`` and
    ``test`` are parts, as such folders are.

    Args:
        paths: the archives.
        listing: of them.
        split: the part.

    Returns:
        None where the test part is wanted, and there is none.

    Raises:
        DataError: labels are damaged, of unknown images, or missing for some.
    """
    lists = {place: content for place, content in listing.labels.items() if _base(place[1]) == LABEL_LIST}
    images = named_images(paths, listing)
    if lists:
        return _with_list(paths, listing, lists, images, split)
    if listing.labels:
        return _labelled(images, _labels_of_keys(paths, listing), split)
    if images and all(NUMBERED.fullmatch(image.name) for image in images):
        return None if split is FolderSplit.test else ImageLayout(images, None, (), "", (), ())
    return read_layout(images, split)


def named_images(paths: Sequence[Path], listing: ArchiveListing) -> Sequence[Member]:
    """Return all images of archives, named below the folder that holds them all, in one of the parts if there are."""
    return _with_parts(paths, _below_common_folder(listing.images))


def _below_common_folder(images: Sequence[Member]) -> Sequence[Member]:
    """Return the images with their names below the folder that holds them all, which an archive often has."""
    if not images:
        return images
    folders = [image.name.split("/")[:-1] for image in images]
    # What the first and the last of them in order have in common, all between them have.
    pairs = zip(min(folders), max(folders), strict=False)
    length = sum(len(folder) + 1 for folder, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return [image._replace(name=image.name[length:]) for image in images]


def _with_parts(paths: Sequence[Path], images: Sequence[Member]) -> Sequence[Member]:
    """Return the images below folders ``train`` and ``test`` where these words tell the archives apart."""
    parts = [_part(path.name) for path in paths]
    if set(parts) != {TRAIN_FOLDERS[0], TEST_FOLDERS[0]}:
        return images
    return [image._replace(name=f"{parts[image.archive]}/{image.name}") for image in images]


def _part(name: str) -> str:
    words = set(re.split(r"[^a-z]+", name.lower()))
    kinds = [part[0] for part in (TRAIN_FOLDERS, TEST_FOLDERS) if words & set(part)]
    return kinds[0] if len(kinds) == 1 else ""


def _with_list(
    paths: Sequence[Path],
    listing: ArchiveListing,
    lists: Mapping[tuple[int, str], bytes],
    images: Sequence[Member],
    split: FolderSplit,
) -> ImageLayout[Member] | None:
    """Return the images of archives each of which has one ``dataset.json``, or says nothing of its images."""
    labels: list[int | None] = [None] * len(images)
    for (archive, name), content in lists.items():
        here = [other for number, other in lists if number == archive]
        if len(here) > 1:
            raise DataError(
                f"{paths[archive]}: {len(here)} members {LABEL_LIST}: {', '.join(map(printable, here[:2]))}"
            )
        known = {image.name: row for row, image in enumerate(listing.images) if image.archive == archive}
        found = _parse_list(paths[archive], name, content, known)
        for row, label in found.items():
            labels[row] = label
    if all(label is None for label in labels):
        return _labelled(images, None, split)
    missing = [listing.images[row] for row, label in enumerate(labels) if label is None]
    if missing:
        place = f"{paths[missing[0].archive]}: {LABEL_LIST}"
        raise DataError(f"{place} misses {len(missing):,} of {len(images):,} images: {_examples(missing)}")
    return _labelled(images, [label for label in labels if label is not None], split)


def _parse_list(path: Path, name: str, content: bytes, rows: Mapping[str, int]) -> dict[int, int]:
    """Return the class of each row that a ``dataset.json`` lists; empty where its labels are null."""
    place = f"{path}: {printable(name)}"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is no JSON ({error})") from error
    if not isinstance(document, dict) or "labels" not in document:
        raise DataError(f'{place}: expected {{"labels": [[NAME, CLASS], ...]}} or {{"labels": null}}')
    if document["labels"] is None:
        return {}
    if not isinstance(document["labels"], list):
        raise DataError(f"{place}: labels: expected a list or null, got {truncated_repr(document['labels'])}")
    folder = name[: len(name) - len(LABEL_LIST)]
    found = dict[int, int]()
    for item in document["labels"]:
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)):
            raise DataError(f"{place}: labels: expected pairs [NAME, CLASS], got {truncated_repr(item)}")
        image, label = item
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < MAX_CLASS:
            raise DataError(
                f"{place}: the label of {printable(image)}: expected an integer, got {truncated_repr(label)}"
            )
        row = rows.get(f"{folder}{image}")
        if row is None:
            near = did_you_mean(image, list(rows)[:1000])
            raise DataError(f"{place}: names {printable(image)}, which is no image in the archive.{near}")
        if row in found:
            raise DataError(f"{place}: names {printable(image)} twice")
        found[row] = label
    return found


def _labels_of_keys(paths: Sequence[Path], listing: ArchiveListing) -> Sequence[int]:
    """Return the class of each image: the integer in the member ``.cls`` of the same name up to its first dot."""
    classes = {
        (archive, _key(name)): _parse_class(f"{paths[archive]}: {printable(name)}", content)
        for (archive, name), content in listing.labels.items()
    }
    labels = [classes.get((image.archive, _key(image.name))) for image in listing.images]
    missing = [image for image, label in zip(listing.images, labels, strict=True) if label is None]
    if missing:
        path = paths[missing[0].archive]
        raise DataError(f"{path}: {len(missing):,} images have no member {CLASS_SUFFIX}: {_examples(missing)}")
    return [label for label in labels if label is not None]


def _parse_class(place: str, content: bytes) -> int:
    digits = content.strip()
    if not digits.isdigit() or int(digits) >= MAX_CLASS:
        raise DataError(f"{place}: expected a class as an integer, got {truncated_repr(content)}")
    return int(digits)


def _labelled(
    images: Sequence[Member], numbers: Sequence[int] | None, split: FolderSplit
) -> ImageLayout[Member] | None:
    """Return the images of a part with labels whose numbers are the names of the classes; None: there are no labels."""
    parts = find_parts([image.name for image in images])
    if split is FolderSplit.test and not parts:
        return None
    part = parts.get(split, "")
    rows = [row for row, image in enumerate(images) if not part or first_folder(image.name) == part]
    others = {first_folder(image.name) for image in images} - {part} if part else set()
    values = [] if numbers is None else sorted(set(numbers))
    position = {value: label for label, value in enumerate(values)}
    return ImageLayout(
        files=[images[row] for row in rows],
        classes=None if numbers is None else tuple(map(str, values)),
        labels=() if numbers is None else [position[numbers[row]] for row in rows],
        part=part,
        other_parts=tuple(sorted(others)),
        strays=(),
    )


def _key(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _examples(images: Sequence[Member]) -> str:
    more = f" and {len(images) - MAX_NAMES:,} more" if len(images) > MAX_NAMES else ""
    return ", ".join(printable(image.name) for image in images[:MAX_NAMES]) + more
