"""Samples in a file: whatever scale images are stored on, they are the same images; what fits none costs one line."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.errors import ConfigError
from gan_cli.evaluation.sample_files import ValueRange, detect_range, read_samples
from gan_cli.telemetry.images import to_bytes

PICTURES = Digits().load().array[:40]
SHARES = PICTURES / 255.0

FORMS: dict[str, tuple[Any, str]] = {
    "bytes": (PICTURES, "[0, 255]"),
    "float32 in [0, 1]": (SHARES.astype(np.float32), "[0, 1]"),
    "float64 in [0, 1]": (SHARES, "[0, 1]"),
    "float16 in [0, 1]": (SHARES.astype(np.float16), "[0, 1]"),
    "float32 in [-1, 1]": ((2 * SHARES - 1).astype(np.float32), "[-1, 1]"),
    "float64 in [-1, 1]": (2 * SHARES - 1, "[-1, 1]"),
    "dark in [-1, 1]": ((0.5 * SHARES - 1).astype(np.float32), "[-1, 1]"),
    "floats in [0, 255]": (PICTURES.astype(np.float32), "[0, 255]"),
    "wide integers in [0, 255]": (PICTURES.astype(np.int64), "[0, 255]"),
    "signed integers in [0, 255]": (PICTURES.astype(np.int16), "[0, 255]"),
    "column order": (np.asfortranarray(SHARES), "[0, 1]"),
    "big-endian": (SHARES.astype(">f4"), "[0, 1]"),
}
BINARY = {name: (SHARES > 0.5).astype(dtype) for name, dtype in (("bool", bool), ("bytes", np.uint8), ("floats", "f4"))}


def saved(array: Any, place: Path) -> Path:
    np.save(place / "samples.npy", array, allow_pickle=True)
    return place / "samples.npy"


def refused(file: Path, *arguments: Any) -> str:
    with pytest.raises(ConfigError) as error:
        read_samples(file, Digits(), *arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("form", FORMS)
def test_images_are_the_same_on_whatever_scale_they_are_stored(form: str, tmp_path: Path) -> None:
    stored, taken = FORMS[form]
    read = read_samples(saved(stored, tmp_path), Digits())
    low, high = read.facts["range"]
    assert f"[{low:g}, {high:g}]" == taken
    assert str(np.asarray(stored).dtype) in read.facts["values"]
    wanted = PICTURES if "dark" not in form else np.rint(PICTURES / 4).astype(np.uint8)
    assert np.abs(to_bytes(read.samples).astype(int) - wanted.astype(int)).max() <= (1 if "dark" in form else 0)
    named = read_samples(saved(stored, tmp_path), Digits(), None, ValueRange(low, high))
    assert np.array_equal(named.samples, read.samples)


@pytest.mark.parametrize("form", BINARY)
def test_zeros_and_ones_are_black_and_white(form: str, tmp_path: Path) -> None:
    read = read_samples(saved(BINARY[form], tmp_path), Digits())
    assert set(np.unique(read.samples)) == {-1, 1}
    assert read.facts["range"] == [0, 1]


def test_rounding_beyond_the_ends_is_no_other_range() -> None:
    assert str(detect_range(np.float16, -0.002, 1.003)) == "[0, 1]"
    assert str(detect_range(np.float16, -1.004, 1.004)) == "[-1, 1]"
    assert str(detect_range(np.float32, -0.4, 255.4)) == "[0, 255]"
    assert str(detect_range(np.uint8, 0, 7)) == "[0, 255]", "bytes may be dark"


@pytest.mark.parametrize("ends", [(0, 16), (-3, 3), (0, 65535), (-20, 255), (-128, 127), (0, 1.2), (1e300, 1e301)])
def test_values_that_fit_no_range_are_refused_and_the_user_can_name_theirs(
    ends: tuple[float, float], tmp_path: Path
) -> None:
    stored = ends[0] + SHARES * (ends[1] - ends[0])
    words = refused(saved(stored, tmp_path))
    assert "are no images in [-1, 1], [0, 1] or [0, 255]" in words
    assert "--range LOW HIGH" in words
    if ends[1] < 1e9:
        named = read_samples(tmp_path / "samples.npy", Digits(), None, ValueRange(*ends))
        assert np.array_equal(to_bytes(named.samples), PICTURES)


def test_range_that_does_not_hold_the_values_is_refused(tmp_path: Path) -> None:
    words = refused(saved(PICTURES, tmp_path), None, ValueRange(0.0, 1.0))
    assert words.startswith("--range: expected a range that holds 0 to 255")
    assert words.endswith("got [0, 1]")


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape})}}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


BROKEN: dict[str, Any] = {
    "channels last": (PICTURES.transpose(0, 2, 3, 1), "its channels come last; array.transpose(0, 3, 1, 2)"),
    "colours": (np.zeros((20, 3, 8, 8), np.uint8), "(N, 1, 8, 8), got (20, 3, 8, 8)"),
    "flat": (np.zeros((20, 64)), "(N, 1, 8, 8), got (20, 64)"),
    "no axis": (np.float32(1), "(N, 1, 8, 8), got ()"),
    "empty": (np.zeros((0, 1, 8, 8)), "10 samples or more, got 0"),
    "few": (PICTURES[:9], "10 samples or more, got 9"),
    "NaN": (np.full((20, 1, 8, 8), np.nan), "not finite"),
    "one infinity": (np.where(np.arange(20 * 64).reshape(20, 1, 8, 8) == 700, np.inf, 0), "not finite"),
    "complex": (np.zeros((20, 1, 8, 8), complex), "one of complex128"),
    "objects": (np.array([{}] * 20), "no array of numbers"),
    "words": (np.array(["a"] * 20), "one of <U1"),
    "dates": (np.zeros((20, 1, 8, 8), "M8[s]"), "one of datetime64[s]"),
    "records": (np.zeros(20, [("a", "f4")]), "no array of numbers"),
}  # fmt: skip
BYTES = {
    "text": b"text",
    "nothing": b"",
    "several arrays": b"PK\x03\x04" + bytes(100),
    "header alone": header("20, 1, 8, 8"),
    "more than there are bytes": header("1" * 15 + ", 1, 8, 8") + bytes(99),
    "more than can be counted": header("9223372036854775807, 9, 8, 8") + bytes(99),
    "negative axis": header("-20, 1, 8, 8") + bytes(99999),
    "no dictionary": header("[" * 100),
    "huge header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(99),
    "other version": b"\x93NUMPY\x09\x00" + bytes(99),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_array_of_something_else_costs_one_line(name: str, tmp_path: Path) -> None:
    stored, words = BROKEN[name]
    assert words in refused(saved(stored, tmp_path))


@pytest.mark.parametrize("name", BYTES)
def test_damaged_file_costs_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "samples.npy").write_bytes(BYTES[name])
    assert refused(tmp_path / "samples.npy").startswith("--samples: ")


def test_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "samples.npy")
    assert "cannot be read (not a regular file)" in refused(tmp_path / "samples.npy")


def test_first_samples_alone_are_looked_at(tmp_path: Path) -> None:
    stored = np.concatenate([SHARES[:20], PICTURES[20:]])
    read = read_samples(saved(stored, tmp_path), Digits(), 20)
    assert read.facts["range"] == [0, 1]
    assert len(read.samples) == 20
    assert "--n: expected 40 at most" in refused(tmp_path / "samples.npy", 41)


def test_file_of_too_many_samples_is_read_as_far_as_it_is_measured(tmp_path: Path) -> None:
    """A file without content: what is not measured is not read."""
    with (tmp_path / "samples.npy").open("wb") as file:
        file.write(header("1000000, 1, 8, 8"))
        file.truncate(file.tell() + 1_000_000 * 64 * 4)
    assert "has 1,000,000 samples, more than 100,000: --n measures the first" in refused(tmp_path / "samples.npy")
    assert len(read_samples(tmp_path / "samples.npy", Digits(), 20).samples) == 20


def test_points_have_no_range(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    read = read_samples(saved(points, tmp_path), Ring(radius=2.0))
    assert np.allclose(Ring(radius=2.0).coordinates(read.samples), points, atol=1e-5)
    with pytest.raises(ConfigError, match="--range: this run learned points"):
        read_samples(saved(points, tmp_path), Ring(), None, ValueRange(0.0, 1.0))
