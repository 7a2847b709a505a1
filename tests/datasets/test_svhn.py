"""SVHN's MATLAB files: small ones of the same kind."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy.io import savemat

from gan_cli.data.published_files import PublishedFile
from gan_cli.datasets.svhn import Svhn, SvhnSplit
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.evaluation.real_data import find_test_split
from tests.helpers.mirrors import Mirror

NAMES = [split.value for split in SvhnSplit]


def mat(**arrays: object) -> bytes:
    stream = io.BytesIO()
    savemat(stream, arrays, do_compression=True)
    return stream.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
DIGITS = np.array([10, 1, 9, 10], np.uint8)
STORED = {"X": PIXELS.transpose(2, 3, 1, 0), "y": DIGITS[:, None]}
CONTENT = mat(**STORED)


def accepting(content: bytes) -> type[Svhn]:
    """A dataset whose published files are this one, with four digits."""
    published = PublishedFile(len(content), hashlib.sha256(content).hexdigest())
    fields = {
        "published": MappingProxyType(dict.fromkeys(NAMES, published)),
        "counts": MappingProxyType(dict.fromkeys(NAMES, 4)),
    }
    return type("Small", (Svhn,), fields)


@pytest.mark.parametrize("split", SvhnSplit)
@pytest.mark.parametrize("place", ["svhn", "", "SVHN"])
def test_a_zero_is_stored_as_ten(split: SvhnSplit, place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / split.value).write_bytes(CONTENT)
    data = accepting(CONTENT)(str(tmp_path), (), split)
    loaded = data.load()
    assert np.array_equal(loaded.array, PIXELS)
    assert loaded.array.flags.c_contiguous
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 9, 0]
    assert (data.shape, data.classes) == ((3, 32, 32), 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mat(y=STORED["y"]), "expected arrays of bytes X"),
        (mat(X=STORED["X"][..., :3], y=STORED["y"]), "expected arrays of bytes X"),
        (mat(X=STORED["X"].astype(float), y=STORED["y"]), "expected arrays of bytes X"),
        (mat(X=STORED["X"], y=DIGITS[:, None] + 1), "labels from 2 to 11; expected 1 to 10"),
        (mat(X={"a": 1}, y=STORED["y"]), "expected arrays of bytes X"),
        (CONTENT[:-100], "cannot be read"),
        (b"no MATLAB file", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_files_of_another_content(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "svhn").mkdir()
    path = tmp_path / "svhn" / NAMES[0]
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        accepting(content)(str(tmp_path), ()).load()
    assert str(caught.value).startswith(str(path))
    with pytest.raises(DataError, match=r"It is not the file that SVHN is published as"):
        accepting(CONTENT)(str(tmp_path), ()).load()


def test_it_is_downloaded_once(tmp_path: Path, mirrors: list[Mirror]) -> None:
    mirrors[0].answers = {f"/data/{NAMES[0]}": (200, CONTENT)}
    for _ in range(2):
        assert len(accepting(CONTENT)(str(tmp_path), (mirrors[0].url,)).load().array) == 4
    assert mirrors[0].asked == [f"/data/{NAMES[0]}"]
    with pytest.raises(DataError, match=f"Put {NAMES[0]} into"):
        accepting(CONTENT)(str(tmp_path / "other"), ()).load()


def test_parts_and_values() -> None:
    assert find_test_split(Svhn("r", ())) == Svhn("r", (), SvhnSplit.test)
    assert find_test_split(Svhn("r", (), SvhnSplit.extra)) is None
    assert len({each.digest for each in Svhn.published.values()}) == 3
    with pytest.raises(InvalidValueError):
        Svhn("", ())
