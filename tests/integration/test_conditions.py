"""Runs that are conditional on several labels or on numbers: trained, resumed, sampled, measured, exported."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.algorithms.spec import spec_of
from gan_cli.inference import generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import TINY, Command
from tests.soak.equality import same_run

COUNT = 100
COMMON = (
    "dataset=image_folder",
    "dataset.path=photos",
    "dataset.size=8",
    "dataset.channels=1",
    "augment=none",
    "conditional=true",
    "train.batch_size=8",
    "train.log_every=2",
    "train.sample_every=4",
    "train.checkpoint_every=2",
    "train.sample_count=16",
    "ema.half_life=2",
    "device.threads=1",
)
DIFFUSION = (
    "algorithm=diffusion",
    "algorithm.sampling_steps=2",
    "optimizer.decay.steps=8",
    "algorithm/reverse=ddim",
    "algorithm.guidance=2",
    "architecture.width=8",
    "architecture.blocks=1",
    "architecture.embedding=8",
)
FAMILIES = {"gan": TINY, "diffusion": DIFFUSION}
LABELS = {"several": "several.json", "numbers": "numbers.csv"}


@pytest.fixture
def photos(workplace: Path) -> Path:
    """Random pictures with tables of labels: several for each, or two numbers."""
    folder, random = workplace / "photos", np.random.default_rng(0)
    folder.mkdir()
    ages = random.uniform(20, 60, COUNT)
    for index in range(COUNT):
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{index}.png")
    several = {f"{index}.png": [name for name in ("hat", "smiling") if random.random() < 0.5] for index in range(COUNT)}
    (folder / "several.json").write_text(json.dumps(several))
    lines = [f"{index}.png,{age:.3f},{-age / 10:.3f}" for index, age in enumerate(ages)]
    (folder / "numbers.csv").write_text("\n".join(["file,age,angle", *lines]))
    return folder


def overrides(kind: str, family: str) -> tuple[str, ...]:
    return (*COMMON, *FAMILIES[family], f"dataset.labels={LABELS[kind]}")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", LABELS)
def test_resumed_run_is_the_undisturbed_one(kind: str, family: str, photos: Path, gan_train: Command) -> None:
    whole = gan_train(*overrides(kind, family), "train.steps=8", "hydra.run.dir=whole")
    assert whole.status == 0, whole.err
    words = "2 numbers: 'age' from 2" if kind == "numbers" else "2 labels, of which several may hold: 'hat', 'smiling'"
    assert f"conditional on {words}" in whole.out + whole.err
    assert gan_train(*overrides(kind, family), "train.steps=4", "hydra.run.dir=run").status == 0
    done = gan_train("resume=run", "train.steps=8")
    assert done.status == 0, done.err
    same_run(Path("run"), Path("whole"))
    summary = json.loads(Path("run/summary.json").read_text())
    names = ["age", "angle"] if kind == "numbers" else ["hat", "smiling"]
    assert (summary["condition"], summary["components"]) == (kind, names)


def test_streamed_data_are_the_resident_ones(photos: Path, gan_train: Command) -> None:
    for data in ("resident", "streamed"):
        done = gan_train(*overrides("numbers", "gan"), "train.steps=4", f"device.data={data}", f"hydra.run.dir={data}")
        assert done.status == 0, done.err
    weights = [_weights(Path(data)) for data in ("resident", "streamed")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return (
        spec_of(RunDirectory(run))
        .load_sampler(RunCheckpoint(RunDirectory(run)), GeneratorWeights.raw)
        .network.state_dict()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_labels(family: str, photos: Path, gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*overrides("numbers", family), "train.steps=4", "hydra.run.dir=run").status == 0
    done = gan_sample("run", "--label", "age=99,angle=-3", "--n", 6, "--out", "a.npy")
    assert done.status == 0, done.err
    assert [line for line in done.err.splitlines() if "outside of the data that were learned, 2" in line]
    assert gan_sample("run", "--label", "angle=-3,age=99", "--n", 6, "--out", "b.npy").status == 0
    assert gan_sample("run", "--label", "angle=-3,age=30", "--n", 6, "--out", "c.npy").status == 0
    first, same, other = (np.load(f"{name}.npy") for name in "abc")
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    done = gan_sample("run", "--label", "angle=-3:-5,age=30", "--n", 9, "--out", "d.npy")
    assert "label: angle from -3 to -5, left to right" in done.err
    assert gan_sample("run", "--n", 9).status == 0
    done = gan_sample("run", "--label", "agee=30,angle=1")
    assert done.status == 2
    assert done.err.splitlines()[-1].endswith("Did you mean 'age'?")


@pytest.mark.parametrize("kind", LABELS)
def test_latent_space_with_labels(kind: str, photos: Path, gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*overrides(kind, "gan"), "train.steps=4", "hydra.run.dir=run").status == 0
    label = ["--label", "age=20:60,angle=-4"] if kind == "numbers" else []
    done = gan_sample("run", "--seeds", "1,2", "--separate", "each", "--out", "grid.png", *label)
    assert done.status == 0, done.err
    names = sorted(file.name for file in Path("each").iterdir())
    if kind == "numbers":
        assert len(names) == 2 * 8
        assert names[0] == "seed0001_age=20-angle=-4.png"
    else:
        assert names == [f"seed000{seed}_{name}.png" for seed in (1, 2) for name in ("hat", "smiling")]
    assert gan_sample("run", "--walk", "film.gif", "--seeds", "1,2", "--seconds", 0.5, *label).status == 0
    assert gan_sample("run", "--directions", 2, *label).status == 0
    one = ["--label", "age=20,angle=-4" if kind == "numbers" else "hat,smiling"]
    done = gan_sample("run", "--invert", f"each/{names[0]}", "--iterations", 5, *one)
    assert done.status == 0, done.err
    ranged = gan_sample("run", "--invert", f"each/{names[0]}", "--iterations", 5, *label)
    assert ranged.status == (2 if kind == "numbers" else 0)
    assert ("--invert: expected one number for each" in ranged.err) == (kind == "numbers")


@pytest.mark.parametrize("kind", LABELS)
def test_evaluation_draws_labels_of_the_data(kind: str, photos: Path, gan_train: Command, gan_eval: Command) -> None:
    assert gan_train(*overrides(kind, "gan"), "train.steps=4", "hydra.run.dir=run").status == 0
    done = gan_eval("run", "--backbone", "pixels")
    assert done.status == 0, done.err
    assert json.loads(Path("run/evaluation.json").read_text())["generator"]["classes"]["kind"] == kind
    (photos / LABELS[kind]).write_text(
        "file,age\n" + "".join(f"{index}.png,{index}.5\n" for index in range(COUNT))
        if kind == "numbers"
        else json.dumps({f"{index}.png": ["other"] for index in range(COUNT)})
    )
    changed = gan_eval("run", "--backbone", "pixels", "--allow-changed-data")
    assert changed.status == 3
    assert "labels than the networks are conditional on" in changed.err or "other classes than" in changed.err


@pytest.mark.parametrize("kind", LABELS)
def test_exports_compute_what_the_run_does(kind: str, photos: Path, gan_train: Command, gan_export: Command) -> None:
    assert gan_train(*overrides(kind, "gan"), "train.steps=4", "hydra.run.dir=run").status == 0
    trained = generator.load_generator(RunCheckpoint(RunDirectory(Path("run"))))
    assert isinstance(trained.condition, VectorCondition)
    assert trained.condition.kind is ConditionKind(kind)
    random = np.random.default_rng(0)
    z = random.standard_normal((5, trained.latent_dim), dtype=np.float32)
    labels = random.uniform(*np.array(trained.condition.ranges).T, (5, 2)).astype(np.float32)
    wanted = trained.samples(torch.from_numpy(z), torch.from_numpy(labels))
    assert gan_export("run", "--format", "torch").status == 0
    network = torch.export.load("run/export/torch/model.pt2").module()
    assert np.array_equal(network(torch.from_numpy(z), torch.from_numpy(labels)).detach().numpy(), wanted)
    card = Path("run/export/torch/README.md").read_text()
    assert "'age' from 2" in card if kind == "numbers" else "'hat', 'smiling'" in card
    _run_lines(card, network)
    if find_spec("safetensors"):
        assert gan_export("run", "--format", "safetensors").status == 0
        config = json.loads(Path("run/export/safetensors/config.json").read_text())
        assert config["condition"]["names"] == list(trained.condition.names)
    if find_spec("onnx") and find_spec("onnxscript") and find_spec("onnxruntime"):
        assert gan_export("run", "--format", "onnx").status == 0
        session = pytest.importorskip("onnxruntime").InferenceSession("run/export/onnx/model.onnx")
        (samples,) = session.run(["samples"], {"z": z, "labels": labels})
        assert np.abs(samples - wanted).max() < 1e-4


def _run_lines(card: str, network: Any) -> None:
    """Run the lines of a card that make labels."""
    (line,) = [line for line in card.splitlines() if line.startswith("labels = ")]
    names = {"torch": torch, "np": np}
    exec(line, names)
    assert names["labels"].shape == (16, 2)  # type: ignore[attr-defined]


def test_what_is_conditional_on_nothing_has_no_vectors(photos: Path, gan_train: Command, gan_sample: Command) -> None:
    assert (
        gan_train(*overrides("numbers", "gan"), "conditional=false", "train.steps=2", "hydra.run.dir=run").status == 0
    )
    assert gan_sample("run", "--n", 4).status == 0
    assert json.loads(Path("run/summary.json").read_text())["components"] == ["age", "angle"]


def test_closed_forms_refuse_labels(photos: Path, gan_train: Command) -> None:
    done = gan_train(*COMMON, "dataset.labels=numbers.csv", "architecture=gaussian")
    assert done.status == 2
    assert "architecture" in done.err.splitlines()[-1]
