"""A user's own table: which columns are learned, in which units, and what one line says where that cannot be."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn.datasets import load_wine

from gan_cli.config.compose import compose, register
from gan_cli.data.table_classes import read_classes
from gan_cli.data.tables import measure_columns, read_names
from gan_cli.datasets.table import Table
from gan_cli.errors import ConfigError, DataError, InvalidValueError
from gan_cli.protocols.conditions import ConditionKind
from gan_cli.protocols.data import Rows, data_kinds, data_noun
from gan_cli.training import planning

SHEET = "height,weight,kind,ones\n1.5,50,cat,1\n1.7,70,dog,1\n1.9,60,cat,1\n"


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def write(folder: Path, text: str, name: str = "a.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def wine(folder: Path) -> str:
    data = load_wine()
    with (folder / "wine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([data.feature_names, *data.data.tolist()])
    return str(folder / "wine.csv")


def test_columns_are_standardized_and_go_back_to_their_own_units(tmp_path: Path) -> None:
    table = Table(wine(tmp_path))
    rows = table.load()
    assert table.shape == (13,)
    assert rows.array.dtype == np.float32
    np.testing.assert_allclose(rows.array.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(rows.array.std(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(table.coordinates(rows.array), load_wine().data, rtol=1e-4, atol=1e-3)


def test_classes_and_conditions_are_not_learned_themselves(tmp_path: Path) -> None:
    path = write(tmp_path, SHEET)
    classes = Table(path, class_column="kind")
    assert classes.table_columns().names == ("height", "weight", "ones")
    rows = classes.load()
    assert rows.class_names == ("cat", "dog")
    assert rows.labels is not None
    assert rows.labels.tolist() == [0, 1, 0]
    condition = Table(path, columns=("height",), condition=("weight", "ones"))
    vectors = condition.load().vectors
    assert vectors is not None
    assert vectors.values.tolist() == [[50, 1], [70, 1], [60, 1]]
    assert vectors.condition.kind is ConditionKind.numbers
    assert (vectors.condition.names, vectors.condition.ranges) == (("weight", "ones"), ((50, 70), (1, 1)))
    assert (Table(path).classes, classes.classes, condition.classes) == (0, None, None)


def test_constant_column_has_scale_one_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    table = Table(write(tmp_path, SHEET), columns=("height", "ones"))
    with caplog.at_level(logging.INFO, logger="gan_cli"):
        rows = table.load()
    assert rows.array[:, 1].tolist() == [0, 0, 0]
    assert table.table_columns().scales[1] == 1
    assert "3 rows, 2 columns, standardized; constant, with scale 1: ones" in caplog.text


def test_extreme_numbers_are_standardized(tmp_path: Path) -> None:
    values = np.array([[1e37, 1e-310, 1.6e9], [-1e37, 0.0, 1.6e9 + 1]])
    columns = measure_columns(["a", "b", "c"], values)
    standardized = columns.standardize(values)
    np.testing.assert_allclose(np.abs(standardized[:, [0, 2]]), 1, rtol=1e-4)
    np.testing.assert_allclose(columns.restore(standardized)[:, 2], values[:, 2])


def test_configuration_holds_columns_and_units_so_that_no_file_is_needed(tmp_path: Path) -> None:
    path = wine(tmp_path)
    config = compose(["dataset=table", f"dataset.path={path}"]).config
    Path(path).unlink()
    stored = OmegaConf.create(OmegaConf.to_yaml(config)).dataset
    table = Table(path, tuple(stored.columns), centers=tuple(stored.centers), scales=tuple(stored.scales))
    assert table.shape == (13,)
    at_center = table.coordinates(np.zeros((1, 13), np.float32))[0]
    np.testing.assert_allclose(at_center, load_wine().data.mean(axis=0), rtol=1e-4)


def test_names_that_look_like_interpolations_stay_names(tmp_path: Path) -> None:
    path = write(tmp_path, "${oc.env:HOME},${seed}\n1,2\n3,4\n")
    config = compose(["dataset=table", f"dataset.path={path}"]).config
    assert list(config.dataset.columns) == ["${oc.env:HOME}", "${seed}"]


def test_own_columns_and_units_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, SHEET)
    own = ["dataset.columns=[weight]", "dataset.centers=[0]", "dataset.scales=[10]"]
    composed = compose(["dataset=table", f"dataset.path={path}", *own])
    table = planning.plan(composed.config).dataset
    np.testing.assert_allclose(np.asarray(table.load().array)[:, 0], [5, 7, 6])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("overrides", "penalties", "rate"),
    [
        ([], ["r1", "r2"], 2e-3),
        (["loss/penalty=none"], [], 2e-3),
        (["loss=wgan"], [], 5e-4),
        (["loss=wgan_gp"], ["gradient"], 1e-3),
        (["algorithm=diffusion"], [], None),
        (["loss=r3gan", "optimizer.lr=1e-4"], ["r1", "r2"], 1e-4),
    ],
)
def test_tables_have_penalties_and_rates_of_their_own(
    tmp_path: Path, overrides: list[str], penalties: list[str], rate: float | None
) -> None:
    path = write(tmp_path, "a,b\n1,2\n3,5\n")
    config = compose(["dataset=table", f"dataset.path={path}", *overrides]).config
    assert list(config.loss.penalty or []) == penalties
    assert rate is None or config.optimizer.lr == pytest.approx(rate)
    assert compose(["dataset=ring8"]).config.loss.penalty is None


def test_tables_load_rows() -> None:
    assert data_kinds(Table) == (Rows,)
    assert data_noun(Table) == "rows"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ("a", "a")}, "columns: expected 1 to 256 different columns"),
        ({"columns": ()}, "columns: expected 1 to 256 different columns"),
        ({"columns": ("a",), "condition": ("a",)}, "columns: expected .* none of them in condition"),
        ({"condition": ("a",), "class_column": "b"}, r"condition: expected \[\] with a class_column"),
        ({"centers": (1.0,)}, "centers: expected auto, or one number for each of dataset.columns"),
        ({"columns": ("a",), "centers": (1.0, 2.0)}, "centers: expected auto, or one number"),
        ({"columns": ("a",), "scales": (0.0,)}, "scales: expected .* > 0"),
    ],
)
def test_settings_that_rule_each_other_out(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Table("a.csv", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a,b\n1,x\n2,y\n", [], "b of line 2 is 'x', no number"),
        ("a,b\n1,\n2,3\n", [], "b of line 2 is missing"),
        ("a,b\n1,2\n", [], "1 row; expected two or more"),
        ("a,b\n1,nan\n2,3\n", [], "1 values are not finite"),
        ("a,a\n1,2\n2,3\n", [], "two columns of the name 'a'"),
        ("a,b\n1,2\n2\n", [], "its rows are not of one length"),
        ("", [], "0 columns to learn"),
        (",".join(map(str, range(257))) + "\n" + ",".join("1" * 257) + "\n", [], "257 columns"),
        ("a,b\n1,2\n2,1e38\n", [], "1e[+]38 in row 2 of b; expected at most 1e[+]37"),
        ("a,b\n1,2\n2,3\n", ["dataset.columns=[c]"], "no column 'c'. There are: a, b"),
        ("a,b\n1,2\n2,3\n", ["dataset.class_column=c"], "no column 'c'. There are: a, b"),
        ("a,b\n1,2.5\n2,3\n", ["dataset.class_column=b"], "b holds 2.5; expected whole numbers or text for classes"),
        ("a,b\n1,x\n2,\n", ["dataset.class_column=b"], "the class of row 2 is missing in b"),
        ("a\n1\n2\n", ["dataset.class_column=a"], "0 columns to learn"),
    ],
)
def test_what_is_no_table_costs_one_line_before_anything_is_written(
    tmp_path: Path, text: str, keys: list[str], message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as rejected:
        planning.plan_with_files(compose(["dataset=table", f"dataset.path={path}", *keys]).config).dataset.load()
    assert "\n" not in str(rejected.value)


def test_a_path_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.path: expected a table in a file \(dataset\.path=FILE\)"):
        planning.plan(compose(["dataset=table"]).config)


def test_classes_are_whole_numbers_in_their_order_or_text(tmp_path: Path) -> None:
    numbers = read_classes(Path(write(tmp_path, "a,b\n1,10\n2,9.0\n3,10\n")), "b")
    assert (numbers.names, numbers.labels.tolist()) == (("9", "10"), [1, 0, 1])
    text = read_classes(Path(write(tmp_path, "a,b\n1,x\n\n2,7\n")), "b")
    assert (text.names, text.labels.tolist()) == (("7", "x"), [1, 0])
    np.save(tmp_path / "a.npy", np.array([[1.0, 3], [2, 0]]))
    assert read_classes(tmp_path / "a.npy", "column 2").names == ("0", "3")
    many = "a,b\n" + "".join(f"1,k{number}\n" for number in range(1001))
    with pytest.raises(DataError, match="1,001 different values; expected at most 1,000 classes"):
        read_classes(Path(write(tmp_path, many)), "b")


def test_parquet_tables_may_have_text_and_parts_beside_their_numbers(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "kind": ["x", "y", "x"], "parts": [{"f": 1}] * 3, "n": [[1]] * 3}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    path = str(tmp_path / "a.parquet")
    rows = Table(path, ("b", "a"), class_column="kind").load()
    assert rows.class_names == ("x", "y")
    np.testing.assert_allclose(np.asarray(rows.array)[:, 0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-5)
    for name, what in (("parts", "struct"), ("n", "list"), ("kind", "string")):
        with pytest.raises(DataError, match=f"{name} holds {what}.*, not numbers; dataset.columns"):
            Table(path, (name,)).load()
    with pytest.raises(DataError, match="parts holds struct"):
        Table(path, ("a",), class_column="parts").load()


def test_first_column_without_a_name_is_numbered(tmp_path: Path) -> None:
    assert read_names(Path(write(tmp_path, ",x\n0,1.5\n1,2.5\n"))) == ["column 1", "x"]
