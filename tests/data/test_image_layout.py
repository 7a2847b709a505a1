"""Folders of a tree of images: parts, classes, strays, and the line that says what was taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gan_cli.data.image_files import ImageFile, ImageListing, list_images
from gan_cli.data.image_layout import FolderSplit, ImageLayout, describe, read_layout
from tests.helpers.image_trees import tree


def layout(*names: str, split: FolderSplit = FolderSplit.train) -> ImageLayout:
    found = read_layout([ImageFile(name, 1, 0) for name in sorted(names)], split)
    assert found is not None
    return found


def labelled(found: ImageLayout) -> dict[str, str]:
    assert found.classes is not None
    return {file.name: found.classes[label] for file, label in zip(found.files, found.labels, strict=True)}


def test_folders_that_are_numbers_are_in_their_order() -> None:
    assert layout("10/a", "9/b", "2/c").classes == ("2", "9", "10")
    assert layout("01/a", "1/b", "10/c").classes == ("01", "1", "10")
    assert layout("10/a", "9/b", "x/c").classes == ("10", "9", "x")


def test_stray_picture_is_left_out() -> None:
    found = layout("cat/1", "dog/2", "cover")
    assert labelled(found) == {"cat/1": "cat", "dog/2": "dog"}
    assert found.strays == ("cover",)
    many = [f"{kind}/{number}" for kind in ("cat", "dog") for number in range(150)]
    assert layout(*many, "a", "b", "c").strays == ("a", "b", "c")
    assert layout(*many, "a", "b", "c", "d").classes is None, "more than one in a hundred is meant"


PARTS = ("train/cat/1", "train/dog/2", "Test/dog/3", "Test/emu/4", "train/cover")


def test_parts_have_the_same_classes() -> None:
    train, test, both = (layout(*PARTS, split=split) for split in FolderSplit)
    assert train.classes == test.classes == both.classes == ("cat", "dog", "emu")
    assert labelled(train) == {"train/cat/1": "cat", "train/dog/2": "dog"}
    assert labelled(test) == {"Test/dog/3": "dog", "Test/emu/4": "emu"}
    assert labelled(both) == labelled(train) | labelled(test)
    assert (train.part, train.other_parts, train.strays) == ("train", ("Test",), ("train/cover",))
    assert (both.part, both.other_parts) == ("", ())


def test_parts_without_classes() -> None:
    names = ("train/1", "train/2", "val/3", "test/4")
    assert [file.name for file in layout(*names).files] == ["train/1", "train/2"]
    assert [file.name for file in layout(*names, split=FolderSplit.test).files] == ["test/4"]
    assert [file.name for file in layout("train/1", "valid/2", split=FolderSplit.test).files] == ["valid/2"]


@pytest.mark.parametrize("names", [("train/1", "other/2", "test/3"), ("train/1", "training/2"), ("1", "2")])
def test_other_folders_are_no_parts(names: tuple[str, ...]) -> None:
    assert layout(*names).part == ""
    assert len(layout(*names).files) == len(names)
    assert read_layout([ImageFile(name, 1, 0) for name in names], FolderSplit.test) is None


def test_line_says_what_is_taken_and_what_is_left_out_and_why() -> None:
    others = {".txt": 3, ".mp4": 1200, "": 1, ".a": 1, ".b": 1, ".c": 1, ".d": 1}
    listing = ImageListing([], ("@eaDir",), ("outputs/a",), ("empty",), ("locked",), others)
    assert describe(listing, layout(*PARTS)) == (
        "2 images of 3 classes in train, the part that dataset.split chooses; left out: other parts: Test; images"
        " beside the classes: train/cover; folders without an image: empty; folders of systems and other programs:"
        " @eaDir; run directories: outputs/a; folders that cannot be read: locked; files that are no images:"
        " 1,200 .mp4, 3 .txt, 1 without a suffix, 1 .a, 1 .b, 2 others"
    )
    assert describe(ImageListing([]), layout("1", "2")) == "2 images"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator can read every folder")
def test_folder_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "open/1.png", "locked/2.png")
    (tmp_path / "locked").chmod(0)
    try:
        listing = list_images(tmp_path)
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert [file.name for file in listing.files] == ["open/1.png"]
    assert listing.unreadable == ("locked",)
