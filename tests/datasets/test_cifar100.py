"""CIFAR-100's binary distribution: small files of the same kind."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from gan_cli.datasets.cifar import Cifar100, Cifar100Labels, Cifar100Split
from gan_cli.datasets.cifar_classes import CIFAR100_COARSE, CIFAR100_FINE
from gan_cli.errors import DataError
from gan_cli.evaluation.real_data import find_test_split
from tests.datasets.test_cifar import packed

ARCHIVE, FOLDER = "cifar-100-binary.tar.gz", "cifar-100-binary"
COUNTS = {"train.bin": 5, "test.bin": 3}


def records(seed: int, count: int) -> np.ndarray:
    """A coarse label, a fine one, then pixels."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 3074), dtype=np.uint8)
    drawn[:, 0], drawn[:, 1] = np.arange(count) + 15, np.arange(count) + 95
    return drawn


RECORDS = {name: records(seed, count) for seed, (name, count) in enumerate(COUNTS.items())}
CONTENT = packed([(f"{FOLDER}/{name}", drawn.tobytes()) for name, drawn in RECORDS.items()])


class Small(Cifar100):
    """A few images, like CIFAR-100 in everything else."""

    train_images, test_images = COUNTS.values()
    archive_bytes = len(CONTENT)
    archive_checksum = hashlib.sha256(CONTENT).hexdigest()
    checksums = MappingProxyType({name: hashlib.sha256(drawn).hexdigest() for name, drawn in RECORDS.items()})


def put(root: Path, archived: bool) -> None:
    folder = root / "cifar100" / FOLDER
    folder.mkdir(parents=True)
    if archived:
        (folder.parent / ARCHIVE).write_bytes(CONTENT)
        return
    for name, drawn in RECORDS.items():
        (folder / name).write_bytes(drawn.tobytes())


@pytest.mark.parametrize("archived", [True, False])
@pytest.mark.parametrize("split", Cifar100Split)
@pytest.mark.parametrize("labels", Cifar100Labels)
def test_either_label_of_each_image(
    archived: bool, split: Cifar100Split, labels: Cifar100Labels, tmp_path: Path
) -> None:
    put(tmp_path, archived)
    data = Small(str(tmp_path), (), split, labels)
    loaded, drawn = data.load(), RECORDS[split.value[0]]
    assert np.array_equal(loaded.array, drawn[:, 2:].reshape(-1, 3, 32, 32))
    assert loaded.labels is not None
    assert np.array_equal(loaded.labels, drawn[:, 1 if labels is Cifar100Labels.fine else 0])
    assert data.classes == len(loaded.class_names) == (100 if labels is Cifar100Labels.fine else 20)


def test_names_are_those_of_the_publisher() -> None:
    assert (len(set(CIFAR100_FINE)), len(set(CIFAR100_COARSE))) == (100, 20)
    assert list(CIFAR100_FINE) == sorted(CIFAR100_FINE)
    assert list(CIFAR100_COARSE) == sorted(CIFAR100_COARSE)


@pytest.mark.parametrize(("column", "label"), [(0, 20), (1, 100)])
def test_labels_beyond_the_classes(column: int, label: int, tmp_path: Path) -> None:
    drawn = RECORDS["train.bin"].copy()
    drawn[1, column] = label
    put(tmp_path, archived=False)
    path = tmp_path / "cifar100" / FOLDER / "train.bin"
    path.write_bytes(drawn.tobytes())

    class Other(Small):
        checksums = MappingProxyType({"train.bin": hashlib.sha256(drawn).hexdigest()})

    labels = Cifar100Labels.coarse if column == 0 else Cifar100Labels.fine
    with pytest.raises(DataError, match=f"holds the label {label}; expected labels from 0 to {label - 1}"):
        Other(str(tmp_path), (), labels=labels).load()


def test_test_split_keeps_the_kind_of_labels() -> None:
    part = find_test_split(Cifar100("r", (), labels=Cifar100Labels.coarse))
    assert part == Cifar100("r", (), Cifar100Split.test, Cifar100Labels.coarse)


def test_pickles_are_explained(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python").mkdir()
    with pytest.raises(DataError, match="made of pickles"):
        Small(str(tmp_path), ()).load()
