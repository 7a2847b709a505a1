"""Tables of labels: what is read of which table, and what is said of a broken one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.labels import FileClasses, LabelKind, read_labels
from gan_cli.errors import DataError
from gan_cli.protocols.conditions import ConditionKind
from gan_cli.protocols.data import LabelVectors


def written(folder: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


CLASSES = {
    "words": ("file,label\na.png,dog\nb.png,cat\nc.png,dog\n", "labels.csv"),
    "quoted, with a byte order mark": (
        '\ufefffile,label\r\n"a.png","dog"\r\nb.png, cat\r\n\r\nc.png,dog',
        "labels.csv",
    ),
    "no header, semicolons": ("a.png;dog\nb.png;cat\n./c.png;dog\n", "labels.csv"),
    "tabs": ("file\tlabel\na.png\tdog\nb.png\tcat\nc.png\tdog\n", "labels.tsv"),
    "of StyleGAN's tools": (json.dumps({"labels": [["a.png", "dog"], ["b.png", "cat"], ["c.png", "dog"]]}), "l.json"),
    "by name": (json.dumps({"a.png": "dog", "b.png": "cat", "c.png": "dog"}), "l.json"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_one_class_each(case: str, tmp_path: Path) -> None:
    table = read_labels(written(tmp_path, *CLASSES[case]), LabelKind.auto)
    assert isinstance(table.labels, FileClasses)
    assert table.labels.names == ("cat", "dog")
    assert table.labels.values.tolist() == [1, 0, 1]
    assert list(table.rows) == ["a.png", "b.png", "c.png"]
    assert table.description.startswith("3 files, one of 2 classes each: 'cat', 'dog'")


def test_integers_are_classes_in_their_order(tmp_path: Path) -> None:
    content = json.dumps({"labels": [["a", 10], ["b", 2], ["c", -1]]})
    table = read_labels(written(tmp_path, content, "l.json"), LabelKind.auto)
    assert isinstance(table.labels, FileClasses)
    assert table.labels.names == ("-1", "2", "10")
    assert table.labels.values.tolist() == [2, 1, 0]
    numbers = read_labels(tmp_path / "l.json", LabelKind.numbers)
    assert isinstance(numbers.labels, LabelVectors)
    assert numbers.labels.values.tolist() == [[10], [2], [-1]]


SEVERAL = {
    "bars": ("file,label\na.png,young|hat\nb.png,hat\nc.png,\n", "l.csv"),
    "semicolons": ("file,label\na.png,young; hat\nb.png,hat\nc.png,\n", "l.csv"),
    "columns of words": ("file,label,label2\na.png,young,hat\nb.png,hat,\nc.png,,\n", "l.csv"),
    "columns of 0 and 1": ("file,hat,young\na.png,1,1\nb.png,1,0\nc.png,0,0\n", "l.csv"),
    "columns as of CelebA": ("file,hat,young\na.png,1,1\nb.png,1,-1\nc.png,-1,-1\n", "l.csv"),
    "lists": (json.dumps({"a.png": ["young", "hat"], "b.png": ["hat"], "c.png": []}), "l.json"),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_several_labels(case: str, tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, *SEVERAL[case]), LabelKind.auto).labels
    assert isinstance(labels, LabelVectors)
    assert labels.condition.kind is ConditionKind.several
    assert labels.condition.names == ("hat", "young")
    assert labels.condition.ranges == ((0, 1), (0, 1))
    assert labels.values.dtype == np.float32
    assert labels.values.tolist() == [[1, 1], [1, 0], [0, 0]]


NUMBERS = {
    "columns": ("file,age,angle\na.png,30,0.5\nb.png,40,-1e-1\n", "l.csv"),
    "lists": (json.dumps({"labels": [["a.png", [30, 0.5]], ["b.png", [40, -0.1]]]}), "l.json"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers(case: str, tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, *NUMBERS[case]), LabelKind.auto).labels
    assert isinstance(labels, LabelVectors)
    assert labels.condition.kind is ConditionKind.numbers
    assert labels.condition.names == (("age", "angle") if case == "columns" else ("label 1", "label 2"))
    assert labels.condition.ranges[0] == (30, 40)
    assert np.allclose(labels.values, [[30, 0.5], [40, -0.1]])
    assert np.allclose(labels.condition.ranges[1], (-0.1, 0.5))


def test_ranges_are_those_of_the_files_that_are_chosen(tmp_path: Path) -> None:
    table = read_labels(written(tmp_path, "file,x\na.png,0.5\nb.png,1.5\nc.png,9.5\n"), LabelKind.auto)
    chosen = table.select([1, 0])
    assert isinstance(chosen, LabelVectors)
    assert chosen.values.tolist() == [[1.5], [0.5]]
    assert chosen.condition.ranges == ((0.5, 1.5),)


BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "another suffix": ("a,b", "l.xlsx", "expected a table of labels: a file that ends with .csv, .tsv or .json"),
    "empty": ("", "l.csv", "no labels; expected a line for each file"),
    "a header alone": ("file,label\n", "l.csv", "no labels"),
    "no labels": ('{"labels": null}', "l.json", "no labels"),
    "not UTF-8": (b"file,label\na.png,\xff\n", "l.csv", "no text in UTF-8 (byte 17)"),
    "ragged": ("file,label\na.png,cat\nb.png\n", "l.csv", "line 3 has 1 fields, expected 2"),
    "no label": ("file,label\na.png,cat\nb.png,\n", "l.csv", "no label for b.png"),
    "two labels": ("file,label\na.png,cat\na.png,dog\n", "l.csv", "two labels for a.png: 'cat' and 'dog'"),
    "two labels in JSON": ('{"a.png": 1, "a.png": 2}', "l.json", "two labels for a.png: '1' and '2'"),
    "not a number": ("file,x\na.png,0.5\nb.png,nan\n", "l.csv", "x of b.png is 'nan', no finite number"),
    "infinite": ("file,x\na.png,0.5\nb.png,1e99\n", "l.csv", "x of b.png is '1e99', no finite number"),
    "NaN in JSON": ('{"a.png": NaN}', "l.json", "NaN is no finite number"),
    "damaged JSON": ('{"a.png": 1', "l.json", "delimiter"),
    "nested JSON": ("[" * 100_000, "l.json", "recursion"),
    "another document": ('{"images": [{"id": 1}], "b": 2}', "l.json", "label of images is no word, number or list"),
    "a list of names": ('["a.png"]', "l.json", 'expected {"labels": [[file, label], ...]}'),
    "two columns of a name": ("file,x,x\na.png,0.5,1\n", "l.csv", "two columns of the name 'x'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tables_cost_one_line(case: str, tmp_path: Path) -> None:
    content, name, message = BROKEN[case]
    with pytest.raises(DataError) as refused:
        read_labels(written(tmp_path, content, name), LabelKind.auto)
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_of_another_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "file,x,y\na.png,0.5,1\nb.png,cat,1\n")
    with pytest.raises(DataError, match=r"x of b\.png is 'cat', no finite number"):
        read_labels(path, LabelKind.numbers)
    with pytest.raises(DataError, match=r"several labels for a file; dataset\.label_kind=several or numbers"):
        read_labels(path, LabelKind.classes)


def test_names_are_found_below_folders(tmp_path: Path) -> None:
    table = read_labels(written(tmp_path, "file,label\nx/a.png,1\nb.png,2\nsub\\c.png,3\n"), LabelKind.auto)
    assert table.find(["d.png", "x/a.png", "y/b.png", "sub/c.png"]) == [None, 0, 1, 2]
    with pytest.raises(DataError, match=r"no file 'b\.png'; 2 files have that name in different folders"):
        table.find(["x/a.png", "y/b.png", "z/b.png", "sub/c.png"])
    with pytest.raises(DataError, match=r"no file 'x/a\.png'\. Did you mean 'x/a\.jpg'\?"):
        table.find(["x/a.jpg", "y/b.png", "sub/c.png"])
    with pytest.raises(DataError, match="2 more of its files are not there"):
        table.find(["other"])
    twice = read_labels(written(tmp_path, "file,label\nx/a.png,1\na.png,2\n"), LabelKind.auto)
    with pytest.raises(DataError, match=r"two labels for x/a\.png"):
        twice.find(["x/a.png"])
