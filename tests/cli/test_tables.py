"""A table from its file to samples with its names: trained, resumed, sampled, evaluated and exported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHORT, TINY, Command

NAMES = ["height, cm", "weight", "age"]
QUICK = (*SHORT, *TINY, "train.held_out=0.1")


def write_table(path: Path, count: int = 200) -> Path:
    rng = np.random.default_rng(0)
    height = rng.normal(170, 10, count)
    rows = np.stack([height, 0.4 * height + rng.normal(0, 3, count), rng.uniform(1e4, 2e4, count)], axis=1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES, "kind"])
        writer.writerows([*row, ("cat", "dog")[index % 2]] for index, row in enumerate(rows.tolist()))
    return path


def read(path: str) -> list[list[str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def run(workplace: Path, gan_train: Command) -> Path:
    write_table(workplace / "a.csv")
    done = gan_train("dataset=table", f"dataset.path={workplace / 'a.csv'}", "dataset.class_column=kind", *QUICK,
                     "conditional=true", "train.eval_every=2", "hydra.run.dir=run")  # fmt: skip
    assert done.status == 0, done.err
    assert "200 rows, 3 columns, standardized" in done.err
    return workplace / "run"


def test_table_through_all_commands(
    run: Path, gan_train: Command, gan_sample: Command, gan_eval: Command, gan_export: Command
) -> None:
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"metrics/marginal_wasserstein", "metrics/correlation_error_max"} <= last.keys()
    assert {path.name for path in (run / "samples").glob("step_*.png")} == {"step_00000000.png", "step_00000002.png"}
    assert gan_train("resume=run", "train.steps=3").status == 0

    evaluated = gan_eval("run", "--n", 100)
    assert evaluated.status == 0, evaluated.err
    stored = json.loads((run / "evaluation.json").read_text())
    worst, values = stored["backbones"]["pixels"]["worst_column"], stored["figures"]
    assert worst in NAMES
    assert f"worst_column {worst}" in evaluated.out
    assert 0 < values["marginal_wasserstein"]["value"] <= values["marginal_wasserstein_max"]["value"]
    assert 0 < values["marginal_wasserstein"]["floor"] < 0.5
    assert gan_export("run", "--format", "safetensors", "--out", "exported").status == 0
    exported = json.loads(Path("exported/config.json").read_text())
    assert exported["columns"] == NAMES
    assert exported["centers"][0] == pytest.approx(170, abs=3)

    Path("a.csv").unlink()  # neither names nor units are those of the file
    assert gan_sample("run", "--out", "a.csv", "--n", 40).status == 0
    header, *rows = read("a.csv")
    assert header == [*NAMES, "kind"]
    assert [row[3] for row in rows] == ["cat"] * 20 + ["dog"] * 20
    assert gan_sample("run", "--out", "a.npy", "--n", 40).status == 0
    np.testing.assert_allclose(np.array([row[:3] for row in rows], float), np.load("a.npy"), rtol=1e-5)
    assert 1.2e4 < np.load("a.npy")[:, 2].mean() < 1.8e4
    assert gan_sample("run").status == 0


@pytest.mark.parametrize("algorithm", ["diffusion", "vae", "autoencoder"])
def test_other_families_learn_tables(workplace: Path, gan_train: Command, gan_sample: Command, algorithm: str) -> None:
    path = write_table(workplace / "a.csv")
    likelihood = [] if algorithm == "diffusion" else ["algorithm/likelihood=gaussian"]
    columns = "dataset.columns=[weight,age]" if algorithm == "vae" else "dataset.columns=[age]"
    done = gan_train("dataset=table", f"dataset.path={path}", columns, f"algorithm={algorithm}", *SHORT, *likelihood,
                     "train.held_out=0.1", "hydra.run.dir=run")  # fmt: skip
    assert done.status == 0, done.err
    if algorithm != "autoencoder":
        assert gan_sample("run", "--out", "a.csv").status == 0
        assert read("a.csv")[0] == (["weight", "age"] if algorithm == "vae" else ["age"])


def test_replicas_of_a_table_are_trained_as_one(workplace: Path, gan_train: Command) -> None:
    path = write_table(workplace / "a.csv")
    chosen = ["dataset=table", f"dataset.path={path}", "dataset.columns=[weight,age]"]
    done = gan_train(*chosen, *QUICK, "train.replicas=2", "hydra.run.dir=runs")
    assert done.status == 0, done.err


def test_changed_table_is_recognized_by_its_rows(run: Path, workplace: Path, gan_train: Command) -> None:
    write_table(workplace / "a.csv", 150)
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 3
    assert "200 rows then, 150 now" in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,x\n2,y\n", "b of line 2 is 'x', no number"), ("", "0 columns to learn"), (None, "cannot be read")],
)
def test_what_is_no_table_leaves_nothing_behind(
    workplace: Path, gan_train: Command, text: str | None, message: str
) -> None:
    if text is not None:
        (workplace / "a.csv").write_text(text)
    for more in ([], ["dry_run=true"]):
        done = gan_train("dataset=table", "dataset.path=a.csv", "hydra.run.dir=run", *more)
        assert done.status == 3
        assert message in done.err
        assert message in done.err.splitlines()[-1]
        assert "Traceback" not in done.err
        assert not Path("run").exists()


def test_csv_is_for_tables(workplace: Path, gan_train: Command, gan_sample: Command) -> None:
    assert gan_train("dataset=ring8", *SHORT, "hydra.run.dir=run").status == 0
    done = gan_sample("run", "--out", "a.csv")
    assert done.status == 2
    assert "--out: a name that ends in .csv is for tables" in done.err
