"""Tables in every format: cut, changed and drawn from parts of what is no table of numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gan_cli.config.fields import Auto
from gan_cli.datasets.table import Table
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.data import Rows
from tests.fuzz import strategies


def _parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet

    columns = {"a": [1.5, 2.0, 3.0], "b": [1, 2, None], "c": ["x", "y", "x"], "d": [[1], [2], []], "e": [{"f": 1}] * 3}
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


SUFFIXES = (".csv", ".tsv", ".parquet", ".npy")
WHOLE = [
    *(
        b"a,b,c\n1,2,x\n3,4,y\n5,6,x\n",
        b"a\tb\tc\n1\t2\tx\n3\t4\ty\n",
        b"1,2,3\n4,5,6\n",
        b'"a","b\nc"\n"1","2"\n3,4\n',
    ),
    *(_parquet(), _npy(np.arange(6.0).reshape(3, 2)), _npy(np.array([[1, 2**62], [3, -(2**62)]]))),
    *(_npy(np.array([[1e300, 0.0], [-1e300, 5e-324]])), _npy(np.ones((3, 2), np.float16)), _npy(np.zeros((2, 0)))),
]
FIELDS = [
    "",
    "a",
    "b",
    "c",
    "1",
    "2.5",
    "-3e2",
    "1e308",
    "1e-320",
    "nan",
    "inf",
    "0x1p3",
    "1_0",
    '"',
    '""',
    "'",
    " ",
    "#",
    "${a}",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(FIELDS), max_size=4).map(",".join), max_size=5
).map(lambda rows: "\n".join(rows).encode())  # fmt: skip
COLUMNS = st.sampled_from([None, ("a",), ("a", "b"), ("b", "column 1"), ("d",), ("e.f",), ("column 2",)])
OTHERS = st.sampled_from([((), None), ((), "c"), (("b",), None), ((), "e"), ((), "column 1")])
CONTENTS = st.sampled_from(WHOLE).flatmap(lambda whole: st.just(whole) | strategies.damaged(whole))
TABLES = st.tuples(st.sampled_from(SUFFIXES), CONTENTS | TEXTS | st.binary(max_size=100), COLUMNS, OTHERS)


def table(drawn: tuple[str, bytes, tuple[str, ...] | None, tuple[tuple[str, ...], str | None]]) -> None:
    """Load a table: what loads is finite, and goes back to its own units."""
    suffix, content, columns, (condition, class_column) = drawn
    path = Path(f"table{suffix}")
    path.write_bytes(content)
    try:
        dataset = Table(str(path), Auto.auto if columns is None else columns, condition, class_column)
    except InvalidValueError:  # a column is to serve twice
        return
    (count,) = dataset.shape
    dataset.require_files()
    rows = dataset.load()
    assert isinstance(rows, Rows)
    assert rows.array.shape[1:] == (count,)
    assert np.isfinite(rows.array).all()
    assert rows.labels is None or len(rows.labels) == len(rows.array)
    assert np.isfinite(dataset.coordinates(np.asarray(rows.array))).all()
