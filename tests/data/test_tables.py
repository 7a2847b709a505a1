"""Tables in files of every format: what is read, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.tables import read_table
from gan_cli.errors import DataError

CSV = '\ufeffheight, "width, cm",kind\n1,2.5,cat\n-3e2,4,dog\n'


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_columns_are_chosen_by_name_and_in_that_order(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", CSV)
    table = read_table(path, ["width, cm", "height"])
    assert table.names == ("width, cm", "height")
    assert table.values.tolist() == [[2.5, 1.0], [4.0, -300.0]]


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "1,2\n3,4\n"), ("a.TSV", "1\t2\n3\t4\n"), ("b.csv", "1,2\r\n3,4")]
)
def test_tables_without_names_are_numbered(tmp_path: Path, name: str, text: str) -> None:
    table = read_table(write(tmp_path, name, text), None)
    assert table.names == ("column 1", "column 2")
    assert table.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(3, 2), np.arange(6, dtype=np.int16).reshape(3, 2, order="F")])
def test_arrays_are_tables(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(read_table(tmp_path / "a.npy", None).values, array)
    assert read_table(tmp_path / "a.npy", ["column 2"]).values.shape == (3, 1)


def test_array_of_one_axis_is_one_column(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3, dtype=np.float32))
    assert read_table(tmp_path / "a.npy", None).values.tolist() == [[0], [1], [2]]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"a": [1, 2], "b": [0.5, None], "c": ["x", "y"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", ["a"]).values.tolist() == [[1], [2]]
    for name, message in (("b", "1 values of b are missing"), ("c", "c holds string, not numbers")):
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / "a.parquet", [name])
    with pytest.raises(DataError, match="no parquet file that can be read"):
        read_table(write(tmp_path, "b.parquet", b"PAR1" + bytes(100)), None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x,kind\n1,cat\n2,dog\n", r"kind of line 2 is 'cat', no number; dataset\.columns=\[NAME, \.\.\.\]"),
        ("a.csv", "x,y\n1,2\n3,\n", "y of line 3 is missing; dataset.columns"),
        ("a.csv", "1,2\n3,x\n", "column 2 of line 2 is 'x', no number"),
        ("a.csv", "x,y\n1,2\n3\n", r"its rows are not of one length \(.* row 2"),
        ("a.csv", "x,y\n1,nan\n3,inf\n", "2 values are not finite, first nan in row 1 of y"),
        ("a.csv", "x,y\n1,2\n", "1 row; expected two or more"),
        ("a.csv", "x,y\n", "0 rows; expected two or more"),
        ("a.csv", "", "0 columns; expected 1 to 256"),
        ("a.csv", "x,x\n1,2\n3,4\n", "two columns of the name 'x'"),
        ("a.csv", ",".join(["1"] * 257) + "\n" + ",".join(["1"] * 257), "257 columns; expected 1 to 256"),
        ("a.csv", b"\xff\xfe", r"no text in UTF-8 \(byte 0\)"),
        ("a.xlsx", "", r"expected a table: a file that ends with \.csv, \.tsv, \.parquet, \.npy"),
        ("a.npy", b"\x93NUMPY", "no array as NumPy stores it"),
    ],
)
def test_what_is_no_table_of_numbers_costs_one_line(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as rejected:
        read_table(write(tmp_path, name, content), None)
    assert "\n" not in str(rejected.value)
    assert str(tmp_path / name) in str(rejected.value)


def test_objects_and_images_are_no_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 4)))
    for name, message in (("a.npy", "an array of object, not of numbers"), ("b.npy", r"shape \(2, 3, 4\)")):
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name, None)


def test_misspelled_column_is_corrected(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "height,width\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"no column 'hieght'\. Did you mean 'height'\? There are: height, width"):
        read_table(path, ["hieght"])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "none.csv", None)
