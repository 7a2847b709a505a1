"""Damaged files of classifiers: each costs a line and a training, and does no harm."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.data.cache import Store
from gan_cli.evaluation.backbones import classifier_network
from gan_cli.evaluation.backbones.classifier import load_or_train_classifier
from tests.conftest import log_messages
from tests.helpers.classifiers import SHORT, coloured
from tests.helpers.weight_files import Harm, saved


def changed_weight(content: bytes) -> bytes:
    stored = torch.load(io.BytesIO(content), weights_only=True)
    stored["weights"]["head.bias"][0] += 1
    return saved(stored)


def forged(**changes: Any) -> Any:
    """A change of entries, with a checksum that fits the weights."""

    def change(content: bytes) -> bytes:
        stored = torch.load(io.BytesIO(content), weights_only=True)
        stored.update(changes)
        return saved(stored)

    return change


def not_finite(content: bytes) -> bytes:
    stored = torch.load(io.BytesIO(content), weights_only=True)
    stored["weights"]["head.bias"][0] = float("nan")
    return saved({**stored, "checksum": classifier_network.checksum(stored["weights"])})


def compressed(content: bytes) -> bytes:
    """An archive that grows by a factor of hundreds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**24))
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        forged(shape=[1, 10**6, 10**6]),
        forged(classes=10**9),
        forged(classes=2),
        forged(accuracy=float("nan")),
        forged(accuracy="high"),
        forged(accuracy=10**400),
        forged(measured_on="x" * 10**6),
        forged(weights="weights"),
        forged(weights={"head.bias": torch.zeros(1).expand(10**9)}),
        not_finite,
        compressed,
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"no archive",
        changed_weight,
        lambda content: saved({"weights": {}}),
        lambda content: saved([1, 2]),
        lambda content: saved(Harm()),
    ],
    ids=[
        "shape",
        "classes",
        "fewer",
        "nan",
        "word",
        "huge",
        "long",
        "words",
        "expanded",
        "not finite",
        "bomb",
        "cut",
        "empty",
        "text",
        "weight",
        "incomplete",
        "list",
        "code",
    ],
)
def test_damaged_classifier_is_trained_again(
    damage: Any, store: Store, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = coloured()
    first = load_or_train_classifier("kept", data, None, store, SHORT)
    first.path.write_bytes(damage(first.path.read_bytes()))
    with caplog.at_level("WARNING", "gan_cli"):
        again = load_or_train_classifier("kept", data, None, store, SHORT)
    assert again.checksum == first.checksum
    assert len([line for line in log_messages(caplog) if "trained again" in line]) == 1
    assert not Path("harmed").exists()
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]  # nothing half-written is left


@pytest.mark.parametrize("kind", ["fifo", "sparse"])
def test_what_is_no_classifier_file_is_not_read(kind: str, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A FIFO would be waited for without end, and gigabytes without content would fill the memory."""
    data = coloured()
    path = load_or_train_classifier("kept", data, None, store, SHORT).path
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**36)
    with caplog.at_level("WARNING", "gan_cli"):
        load_or_train_classifier("kept", data, None, store, SHORT)
    (line,) = (line for line in log_messages(caplog) if "trained again" in line)
    assert ("not a regular file" in line) == (kind == "fifo")
    assert path.is_file()
    assert path.stat().st_size < 2**22
