"""Runs whose data lie elsewhere by now: on another disk, under another name, on another machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import SHORT, TINY, Command

EVAL = ("--backbone", "pixels", "--n", 10)
ODD = "Fotos (1), [ü] {x}=#'~%"


def make_photos(folder: Path, seed: int = 0, count: int = 24) -> Path:
    folder.mkdir()
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8), np.uint8)
    for index, each in enumerate(pixels):
        Image.fromarray(each).save(folder / f"{index}.png")
    return folder


def train(gan_train: Command, run: str, *overrides: str, path: str = "photos") -> Path:
    data = ("dataset=image_folder", f"dataset.path={path}", "dataset.size=8", "dataset.channels=1")
    done = gan_train(*data, *TINY, *SHORT, f"hydra.run.dir={run}", *overrides)
    assert done.status == 0, done.err
    return Path(run)


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)["algorithm"]
    return {f"{part}.{name}": value for part in ("generator", "average") for name, value in state[part].items()}


@pytest.fixture
def photos(workplace: Path) -> Path:
    return make_photos(workplace / "photos")


def test_run_goes_on_to_the_bit_with_its_data_elsewhere(
    photos: Path, gan_train: Command, gan_eval: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(gan_train, "whole", "train.steps=6")
    run = train(gan_train, "run", "train.steps=3")
    shutil.move(photos, ODD)
    monkeypatch.setenv("GAN_DATA", str(photos.parent / "another_root"))
    missing = gan_train("resume=run", "train.steps=6")
    assert missing.status == 3
    assert missing.err.splitlines()[-1] == (
        f"gan-train: there is no folder {photos}. If the data lie elsewhere now: gan-train resume=run dataset.path=NEW"
    )
    assert gan_train("resume=run", "train.steps=6", "dry_run=true").err.splitlines()[-1] == missing.err.splitlines()[-1]
    done = gan_train("resume=run", "train.steps=5", f"dataset.path={ODD}")
    assert done.status == 0, done.err
    line = f"dataset.path: the data lie in {photos.parent / ODD} now, with the content that this run began with"
    assert done.err.splitlines().count(line) == 1
    # The new place is stored: from another folder, nothing more has to be typed.
    (photos.parent / "elsewhere").mkdir()
    monkeypatch.chdir(photos.parent / "elsewhere")
    again = gan_train("resume=../run", "train.steps=6")
    assert again.status == 0, again.err
    assert "the data lie in" not in again.err
    assert gan_eval("../run", *EVAL).status == 0
    monkeypatch.chdir(photos.parent)
    first, second = weights(whole), weights(run)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_other_data_are_refused_and_nothing_is_written(photos: Path, gan_train: Command) -> None:
    run = train(gan_train, "run")
    make_photos(photos.parent / "others", seed=1)
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = gan_train("resume=run", "train.steps=3", "dataset.path=others")
    assert done.status == 3
    assert "their contents differ): train.allow_changed_data=true continues" in done.err.splitlines()[-1]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept
    allowed = gan_train("resume=run", "train.steps=3", "dataset.path=others", "train.allow_changed_data=true")
    assert allowed.status == 0, allowed.err
    assert "with the content" not in allowed.err


def test_run_of_an_earlier_version_with_a_relative_path(
    photos: Path, gan_train: Command, gan_eval: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(gan_train, "run")
    for file in (run / ".hydra" / "config.yaml", run / ".hydra" / "overrides.yaml"):
        file.write_text(file.read_text().replace(f"'{photos}'", "photos").replace(str(photos), "photos"))
    assert gan_train("resume=run", "train.steps=3").status == 0
    assert "path: photos" in (run / ".hydra" / "config.yaml").read_text()
    (photos.parent / "elsewhere").mkdir()
    monkeypatch.chdir(photos.parent / "elsewhere")
    lost = gan_eval("../run", *EVAL)
    assert lost.err.splitlines()[-1].endswith("If the data lie elsewhere now: gan-eval ../run --data PATH")
    assert gan_eval("../run", *EVAL, "--data", "../photos").status == 0
    assert gan_train("resume=../run", "train.steps=4", "dataset.path=../photos").status == 0
    assert gan_train("resume=../run", "train.steps=5").status == 0


def test_checkpoint_without_an_identity_is_not_called_the_same(photos: Path, gan_train: Command) -> None:
    run = train(gan_train, "run")
    last = run / "checkpoints" / "last.pt"
    state = torch.load(last, weights_only=True)
    del state["data"]
    torch.save(state, last)
    photos.rename("moved")
    done = gan_train("resume=run", "train.steps=3", "dataset.path=moved")
    assert done.status == 0, done.err
    assert f"the data lie in {photos.parent / 'moved'} now, and cannot be compared" in done.err


def test_evaluation_elsewhere(
    photos: Path, gan_train: Command, gan_eval: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(gan_train, "run")
    config = (run / ".hydra" / "config.yaml").read_bytes()
    assert gan_eval(run, *EVAL, "--json").status == 0
    before = json.loads((run / "evaluation.json").read_text())
    photos.rename(ODD)
    missing = gan_eval(run, *EVAL)
    assert missing.status == 3
    assert missing.err.splitlines()[-1] == (
        f"gan-eval: there is no folder {photos}. If the data lie elsewhere now: gan-eval run --data PATH"
    )
    monkeypatch.setenv("GAN_DATA", str(photos.parent / "another_root"))
    assert gan_eval(run, *EVAL, "--data", ODD).status == 0
    after = json.loads((run / "evaluation.json").read_text())
    assert after["figures"] == before["figures"]
    assert (run / ".hydra" / "config.yaml").read_bytes() == config
    make_photos(photos.parent / "others", seed=1)
    others = gan_eval(run, *EVAL, "--data", "others")
    assert others.status == 3
    assert "--allow-changed-data compares with those that are there now" in others.err
    nothing = gan_eval(run, *EVAL, "--data", "")
    assert (nothing.status, nothing.err) == (2, "gan-eval: --data: expected a path, got nothing\n")


def test_evaluation_of_a_sweep_and_of_points(photos: Path, gan_train: Command, gan_eval: Command) -> None:
    done = gan_train(
        "-m", "dataset=image_folder", "dataset.path=photos", "dataset.size=8", *TINY, *SHORT, "seed=0,1",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert done.status == 0, done.err
    photos.rename("moved")
    assert gan_eval("sweep", *EVAL).status == 3
    assert gan_eval("sweep", *EVAL, "--data", "moved").status == 0
    registry = Path("sweep/.jobs/jobs.jsonl")  # as earlier versions wrote it, with the place of the data
    jobs = [json.loads(line) for line in registry.read_text().splitlines()]
    earlier = [job | {"overrides": sorted([*job["overrides"], "dataset.path=photos"])} for job in jobs]
    registry.write_text("".join(f"{json.dumps(job)}\n" for job in earlier))
    resumed = gan_train("-m", "sweep.continue=sweep", "dataset.path=moved", "train.steps=3")
    assert resumed.status == 0, resumed.err
    assert resumed.err.count("with the content that this run began with") == 2
    points = gan_train("dataset=ring8", *TINY, *SHORT, "hydra.run.dir=points")
    assert points.status == 0, points.err
    refused = gan_eval("points", "--n", 10, "--data", "moved")
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert "--data moved: the data of this run are of no file" in refused.err


def test_samples_and_exports_need_no_data(
    photos: Path, gan_train: Command, gan_sample: Command, gan_export: Command, gan_report: Command
) -> None:
    run = train(gan_train, f"run {ODD}")
    shutil.rmtree(photos)
    shutil.rmtree(photos.parent.parent / "data")
    for done in (
        gan_sample(run, "--out", f"{ODD}.png"),
        gan_export(run, "--format", "torch", "--out", f"out {ODD}"),
        gan_report(run),
    ):
        assert done.status == 0, done.err
    assert Path(f"{ODD}.png").is_file()
