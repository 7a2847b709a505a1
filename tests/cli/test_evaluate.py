"""gan-eval: what it prints and writes of a run."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SHORT, TINY, Command
from tests.helpers.evaluations import FEW, figures
from tests.helpers.image_folder import make_folder
from tests.helpers.metrics import declared_tags

DIGITS_FIGURES = {
    f"{kind}/{backbone}"
    for backbone in ("classifier", "pixels")
    for kind in (
        "frechet",
        "kernel",
        "kernel_deviation",
        "precision",
        "recall",
        "density",
        "coverage",
        "memorisation",
        "copied",
    )
} | {"class_kl/classifier", "class_entropy/classifier", "wasserstein/pixels", "sharpness"}


def test_evaluation_is_printed_and_written(
    digits: Path, gan_eval: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first evaluation on these data: it trains the classifier, too."""
    root = tmp_path / "new_root"
    monkeypatch.setenv("GAN_DATA", str(root))
    done = gan_eval(digits, *FEW)
    assert done.status == 0, done.err
    document = json.loads((digits / "evaluation.json").read_text())
    assert set(document["figures"]) >= DIGITS_FIGURES
    needs = ("moments", "features", "training", "held_out")
    declared = declared_tags("classifier", *needs, "classes") | declared_tags("pixels", *needs)
    assert set(document["figures"]) == declared | {"sharpness"}
    for name, figure in document["figures"].items():
        assert set(figure) == {"value", "floor", "better", "what"}, name
        (line,) = [line for line in done.out.splitlines() if line.split()[:1] == [name]]
        assert f"{figure['value']:.4g}" in line or f"{figure['value']:.0f}" in line
    assert document["figures"]["frechet/pixels"]["better"] == "lower"
    assert document["figures"]["recall/pixels"]["better"] == "higher"
    with Image.open(digits / "samples" / "nearest.png") as picture:
        assert picture.width > picture.height
    assert sorted(path.name for path in root.iterdir()) == ["classifiers", "references"]
    assert not list(digits.rglob("*.tmp"))


def test_provenance_is_complete(digits: Path, gan_eval: Command) -> None:
    assert gan_eval(digits, *FEW, "--seed", 5).status == 0
    document = json.loads((digits / "evaluation.json").read_text())
    generator = document["generator"]
    assert (generator["step"], generator["ema"], generator["run"]) == (2, True, "run")
    assert (digits / generator["checkpoint"]).is_file()
    assert document["seed"] == 5
    assert document["samples"] == {
        "generated": 40,
        "real_moments": 1708 - 40,
        "real_neighbours": 40,
        "training": 1708,
        "held_out": 89,
        "floor": 40,
    }
    assert document["data"]["name"] == "Digits"
    assert "0.05" in document["data"]["held_out"]
    classifier, pixels = document["backbones"]["classifier"], document["backbones"]["pixels"]
    assert classifier["accuracy"] > 0.97
    assert pixels["checksum"] == "none"
    assert pixels["transport_samples"] == 40
    for digest in (
        generator["checksum"],
        classifier["checksum"],
        classifier["reference"],
        pixels["reference"],
        document["data"]["fingerprint"],
    ):
        assert len(digest) == 64
        int(digest, 16)
    assert {"resizing", "file"} <= set(classifier)
    assert set(document["versions"]) == {"gan_cli", "python", "torch", "numpy"}


def test_printed_json_is_what_is_written(digits: Path, gan_eval: Command) -> None:
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.out == (digits / "evaluation.json").read_text()


def test_run_that_cannot_be_written_is_evaluated_all_the_same(digits: Path, gan_eval: Command) -> None:
    """It computed, and printed nothing."""
    shutil.rmtree(digits / "samples")
    (digits / "samples").write_text("no folder")
    (digits / "evaluation.json").mkdir()
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.status == 0, done.err
    assert figures(done.out)["frechet/pixels"] > 0
    lines = [line for line in done.err.splitlines() if "cannot write" in line]
    assert len(lines) == 2, done.err
    assert all(line.endswith("the metrics were computed, but this file is not kept") for line in lines)
    assert str(digits / "evaluation.json") in lines[0]
    named = gan_eval(digits, *FEW, "--json", "--backbone", "pixels", "--neighbours", "run/samples/a.png")
    assert named.status == 2
    assert named.err.startswith("gan-eval: --neighbours: expected a folder, got 'run/samples'"), "before it computes"


def test_evaluation_is_in_the_report(ring: Path, gan_eval: Command, gan_report: Command) -> None:
    assert gan_eval(ring, "--n", 40).status == 0
    values = figures((ring / "evaluation.json").read_text())
    done = gan_report(ring, "--csv", "--metric", "high_quality", "--metric", "frechet/pixels")
    assert done.status == 0, done.err
    (row,) = csv.DictReader(done.out.splitlines())
    assert float(row["high_quality"]) == values["high_quality"]
    assert float(row["frechet/pixels"]) == values["frechet/pixels"]


def test_conditional_run_draws_labels_as_the_data_have_them(
    gan_train: Command, gan_eval: Command, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA", str(root))
    assert gan_train(*SHORT, *TINY, "conditional=true", "hydra.run.dir=run").status == 0
    done = gan_eval("run", *FEW, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["generator"]["classes"] == 10


def test_run_without_held_out_data_has_no_memorization_metrics(digits: Path, gan_eval: Command) -> None:
    """As runs of versions without train.held_out."""
    stored = digits / ".hydra" / "config.yaml"
    lines = stored.read_text().splitlines(keepends=True)
    assert sum("held_out:" in line for line in lines) == 1
    stored.write_text("".join(line for line in lines if "held_out:" not in line))
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.status == 0, done.err
    assert json.loads(done.out)["samples"]["held_out"] == 0
    assert not {"memorisation/pixels", "copied/pixels", "wasserstein/pixels"} & figures(done.out).keys()


def test_pixels_of_photos_cost_a_line_that_names_fid(workplace: Path, gan_train: Command, gan_eval: Command) -> None:
    folder = make_folder(workplace / "classes", 60)
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        (workplace / "photos").mkdir(exist_ok=True)
        file.rename(workplace / "photos" / f"{number}.jpg")
    photos = ("dataset=image_folder", "dataset.path=photos", "train.eval_every=2", "evaluation.samples=20")
    done = gan_train(*SHORT, *TINY, *photos, "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "train.held_out=0.05 of 60 samples is 3, fewer than 16: none are held out" in done.err
    assert "train.held_out=0.27 holds out enough" in done.err
    words = "distances of pixels say little of photos: the backbone inception measures FID"
    assert done.err.count(words) == 1
    assert gan_eval("run", "--n", 20).err.count(words) == 1
    assert words not in gan_eval("run", "--n", 20, "--backbone", "pixels").err
