"""What evaluation reads from outside: arrays of samples, stores of references and classifiers, numbers of commands."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.evaluation.sample_files import ValueRange, read_samples
from tests.fuzz.strategies import damaged

DTYPES = (
    "f2",
    "f4",
    "f8",
    ">f4",
    "g",
    "u1",
    "i1",
    "u2",
    "i4",
    "i8",
    "u8",
    "?",
    "c8",
    "U3",
    "S2",
    "M8[s]",
    "O",
    "f4,i4",
)
SHAPES: Any = st.sampled_from(
    [(12, 1, 8, 8), (12, 2), (12, 8, 8, 1), (12, 3, 8, 8), (0, 1, 8, 8), (3, 1, 8, 8), (), (12,), (12, 64)]
)
ENDS = st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 16.0), (-3.0, 3.0), (0.0, 65535.0), (0.0, 0.0),
                        (-1.002, 1.002), (5.0, 1e300), (-1e38, 1e38)])  # fmt: skip
ODD = st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 300.0])


def _array(dtype: str, shape: tuple[int, ...], ends: tuple[float, float], odd: float | None, order: str) -> bytes:
    values = np.random.default_rng(0).uniform(0, 1, shape) * (ends[1] - ends[0]) + ends[0]
    if odd is not None and values.size:
        values.flat[values.size // 2] = odd
    with np.errstate(all="ignore"):
        array = np.full(shape, "a", dtype) if dtype in ("O", "U3", "S2") else values.astype(dtype)
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, order="F" if order == "F" else "C"), allow_pickle=True)
    return stream.getvalue()


def _archive(content: bytes) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, arr_0=np.frombuffer(content, np.uint8))
    return stream.getvalue()


ARRAYS = st.builds(
    _array, st.sampled_from(DTYPES), SHAPES, ENDS, st.none() | ODD, st.sampled_from(["C", "F"])
)  # fmt: skip
RANGES = st.none() | st.builds(ValueRange, st.just(0.0), st.sampled_from([1.0, 16.0, 255.0, 65535.0]))


def _samples(drawn: tuple[bytes, bool, int | None, ValueRange | None]) -> None:
    content, points, count, value_range = drawn
    Path("samples.npy").write_bytes(content)
    dataset = Ring() if points else Digits()
    read = read_samples(Path("samples.npy"), dataset, count, value_range)
    assert read.samples.shape[1:] == dataset.shape
    assert read.samples.dtype == np.float32
    assert np.isfinite(read.samples).all()
    if not points:
        assert np.abs(read.samples).max() <= 1.02


# Name -> inputs, and what they are handed to.
KINDS: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "sample arrays": (
        st.tuples(
            ARRAYS | ARRAYS.flatmap(damaged) | ARRAYS.map(_archive),
            st.booleans(),
            st.sampled_from([None, None, 1, 12, 13]),
            RANGES,
        ),
        _samples,
    ),
}
