"""Diffusion through the commands: trained, resumed bitwise equal, sampled from, evaluated, exported."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.algorithms.diffusion.inference import load_denoiser
from gan_cli.algorithms.diffusion.reverse import ReverseProcess
from gan_cli.config.compose import compose, register
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.inference import LatentPath
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import Command, FinishedRun
from tests.soak.equality import same_run

SMALL = (
    "train.batch_size=16",
    "train.log_every=5",
    "train.sample_every=10",
    "train.checkpoint_every=5",
    "train.sample_count=4",
    "algorithm.sampling_steps=4",
    "optimizer.decay.steps=20",
)
SMALL_MLP = ("architecture.width=8", "architecture.blocks=1", "architecture.embedding=8")
SMALL_UNET = ("architecture=unet", "architecture.width=8", "architecture.multipliers=[1,1]", "architecture.groups=2")
RUNS = {
    "digits": ("algorithm=diffusion", "algorithm/reverse=ddim", *SMALL_MLP, *SMALL),
    "points": ("algorithm=diffusion", "dataset=ring8", "algorithm/reverse=ancestral", *SMALL_MLP, *SMALL),
    "classes": (
        "algorithm=diffusion",
        "conditional=true",
        "algorithm.guidance=2",
        "algorithm.prediction=epsilon",
        "algorithm/schedule=linear",
        "algorithm/reverse=ddim",
        "algorithm.reverse.eta=0.5",
        *SMALL_UNET,
        *SMALL,
    ),
}


@pytest.mark.parametrize("recipe", RUNS)
def test_resumed_run_is_the_undisturbed_one(recipe: str, gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUNS[recipe], "train.steps=20", "hydra.run.dir=whole").status == 0
    assert gan_train(*RUNS[recipe], "train.steps=12", "hydra.run.dir=run").status == 0
    done = gan_train("resume=run", "train.steps=20")
    assert done.status == 0, done.err
    same_run(workplace / "run", workplace / "whole")


def test_defaults_suit_it() -> None:
    register()
    config = compose(["algorithm=diffusion"]).config
    assert config.architecture._target_.endswith("DenoiserMLP")
    assert (config.optimizer.lr, list(config.optimizer.betas)) == (1e-3, [0.9, 0.999])
    assert config.algorithm.schedule._target_.endswith("CosineAlphaBars")
    chosen = compose(["algorithm=diffusion", "architecture=unet", "optimizer.lr=2e-3"]).config
    assert chosen.architecture._target_.endswith("UNet")  # the command line wins
    assert chosen.optimizer.lr == 2e-3


# ---- gan-sample


@pytest.mark.parametrize("recipe", RUNS)
def test_samples_are_those_of_training(
    recipe: str, finished_run: FinishedRun, gan_sample: Command, workplace: Path
) -> None:
    finished_run("run", *RUNS[recipe], "train.steps=10")
    done = gan_sample("run", "--n", 4, "--out", "some.npy")
    assert done.status == 0, done.err
    samples = np.load("some.npy")
    assert samples.shape == (4, 2) if recipe == "points" else (4, 1, 8, 8)
    assert np.isfinite(samples).all()
    assert gan_sample("run", "--n", 4, "--out", "again.npy").status == 0
    assert np.array_equal(np.load("again.npy"), samples)
    assert (
        gan_sample("run", "--n", 300, "--out", "more.npy", "--label" if recipe == "classes" else "--seed", 1).status
        == 0
    )
    assert not np.allclose(np.load("more.npy")[:4], samples)
    assert gan_sample("run", "--out", "grid.png").status == 0
    if recipe == "digits":  # the picture of the last preview, of the run's own latents
        assert gan_sample("run", "--n", 4, "--out", "grid.png").status == 0
        found, shown = (np.asarray(Image.open(file)) for file in ("grid.png", "run/samples/step_00000010.png"))
        np.testing.assert_allclose(found.astype(int), shown[-found.shape[0] :, : found.shape[1]], atol=2)


def test_walk_passes_through_the_samples_of_its_corners(finished_run: FinishedRun, gan_sample: Command) -> None:
    run = RunDirectory(finished_run("run", *RUNS["digits"], "train.steps=10"))
    done = gan_sample("run", "--walk", "walk.webp", "--separate", "each", "--n", 3)
    assert done.status == 0, done.err
    assert len(list(Path("each").glob("*.png"))) == 3
    with Image.open("walk.webp") as walk:
        assert getattr(walk, "n_frames", 1) > 10
    trained = load_denoiser(RunCheckpoint(run))
    assert trained.settings.reverse.deterministic
    frames = list(trained.walk(LatentPath(walkers=2, corners=3, frames=12), seed=0))
    assert len(frames) == 12
    corners = trained.draw(6, 0).reshape(3, 2, 1, 8, 8)
    for corner in range(3):
        np.testing.assert_allclose(frames[4 * corner], corners[corner], atol=1e-4)
    steps = [np.abs(after - before).mean() for before, after in pairwise(frames)]
    assert max(steps) < np.abs(corners[0] - corners[1]).mean()


def test_raw_weights_are_others(finished_run: FinishedRun) -> None:
    run = RunDirectory(finished_run("run", *RUNS["digits"], "train.steps=10"))
    average, raw = (load_denoiser(RunCheckpoint(run), weights) for weights in GeneratorWeights)
    assert not np.array_equal(average.draw(2, 0), raw.draw(2, 0))
    state = torch.load("run/checkpoints/last.pt", weights_only=True)["algorithm"]
    for trained, key in ((average, "average"), (raw, "generator")):
        for name, value in trained.network.state_dict().items():
            assert torch.equal(value, state[key][name])


# ---- gan-eval


def test_evaluation_says_how_samples_were_drawn(finished_run: FinishedRun, gan_eval: Command) -> None:
    finished_run("run", *RUNS["points"], "train.steps=10")
    done = gan_eval("run", "--n", 50)
    assert done.status == 0, done.err
    evaluated = json.loads(Path("run/evaluation.json").read_text())
    assert {"modes", "high_quality", "frechet/pixels"} <= set(evaluated["figures"])
    assert "sampling_steps" in json.dumps(evaluated)


def test_images_of_classes_are_evaluated(
    finished_run: FinishedRun, gan_eval: Command, digits_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_run("run", *RUNS["classes"], "train.steps=10")
    monkeypatch.setenv("GAN_DATA", str(shutil.copytree(digits_root, "data")))
    done = gan_eval("run", "--n", 30, "--no-ema")
    assert done.status == 0, done.err
    assert "class_kl/classifier" in json.loads(Path("run/evaluation.json").read_text())["figures"]


# ---- gan-export


def load_torch(folder: Path) -> Callable[..., Any]:
    step = torch.export.load(folder / "model.pt2").module()
    return lambda **inputs: step(*inputs.values())


def load_onnx(folder: Path) -> Callable[..., Any]:
    session = pytest.importorskip("onnxruntime").InferenceSession(folder / "model.onnx")

    def run(**inputs: torch.Tensor) -> torch.Tensor:
        (earlier,) = session.run(["earlier"], {name: value.numpy() for name, value in inputs.items()})
        return torch.from_numpy(earlier)

    return run


SLOW = pytest.mark.slow
EXPORTS = [
    ("digits", "torch"),
    ("points", "onnx"),
    *(pytest.param(*case, marks=SLOW) for case in (("classes", "torch"), ("classes", "onnx"), ("digits", "onnx"))),
]


@pytest.mark.parametrize(("recipe", "kind"), EXPORTS)
def test_exported_step_and_the_code_of_its_card(
    recipe: str, kind: str, finished_run: FinishedRun, gan_export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card's code, with known noise in the place of fresh one, makes the samples of the whole reverse process."""
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    trained = load_denoiser(RunCheckpoint(RunDirectory(finished_run("run", *RUNS[recipe], "train.steps=10"))))
    done = gan_export("run", "--format", kind, "--out", "here")
    assert done.status == 0, done.err
    monkeypatch.chdir("here")
    process = trained.settings.reverse_steps(ReverseProcess, trained.network, trained.dataset.shape, trained.condition)
    exported = {"torch": load_torch, "onnx": load_onnx}[kind](Path())
    for count in (1, 5):
        inputs = {"x": torch.randn(count, *trained.dataset.shape), "step": torch.arange(count) % 4}
        noise = None if recipe == "digits" else torch.randn_like(inputs["x"])
        labels = torch.arange(count) % 10 if trained.condition else None
        optional = {"noise": noise, "labels": labels}
        expected = process.step(inputs["x"], inputs["step"], labels, noise)
        found = exported(**inputs, **{name: value for name, value in optional.items() if value is not None})
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)

    card = Path("README.md").read_text()
    assert "Denoising step of a diffusion model" in card
    assert "4 steps" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    generator = np.random.default_rng(0)
    drawn: list[torch.Tensor] = []

    def normal(*shape: int) -> torch.Tensor:
        drawn.append(torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)))
        return drawn[-1]

    class Known:
        def standard_normal(self, shape: tuple[int, ...], dtype: type) -> Any:
            return normal(*shape).numpy()

    monkeypatch.setattr(torch, "randn", normal)
    monkeypatch.setattr(torch, "randn_like", lambda x: normal(*x.shape))
    monkeypatch.setattr(np.random, "default_rng", Known)
    names: dict[str, Any] = {}
    exec(code, names)
    labels, rest = torch.arange(16) % 10 if trained.condition else None, iter(drawn[1:])
    samples = process(drawn[0], labels, lambda x: next(rest))
    torch.testing.assert_close(torch.as_tensor(names["samples"]), samples, rtol=1e-3, atol=1e-4)
    if recipe == "points":
        assert np.allclose(names["points"], trained.dataset.coordinates(samples.numpy()), atol=1e-3)


def test_exported_weights_are_those_of_the_denoiser(finished_run: FinishedRun, gan_export: Command) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    run = RunDirectory(finished_run("run", *RUNS["classes"], "train.steps=10"))
    assert gan_export("run", "--format", "safetensors", "--out", "here").status == 0
    config = json.loads(Path("here/config.json").read_text())
    assert (config["classes"], config["prediction"], config["sampling_steps"]) == (10, "epsilon", 4)
    weights = safetensors.load_file("here/model.safetensors")
    state = load_denoiser(RunCheckpoint(run)).network.state_dict()
    assert {name.removeprefix("denoiser."): value for name, value in weights.items()}.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(weights[f"denoiser.{name}"], value)
    assert "`denoiser`" in Path("here/README.md").read_text()


# ---- alarms, and what does not fit


def test_network_that_does_not_learn_raises_the_alarm(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RUNS["digits"], "train.steps=12", "train.log_every=2", "optimizer.lr=1e-9", "hydra.run.dir=run")
    assert done.status == 0, done.err
    (alarm,) = json.loads(Path("run/summary.json").read_text())["alarms"]
    assert alarm["name"] == "loss_does_not_fall"
    assert alarm["step"] == 10
    assert f"step 10: loss_does_not_fall: {alarm['evidence']}. Try {alarm['overrides']}" in done.err


def test_run_that_diverges_is_stopped(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RUNS["digits"], "train.steps=40", "optimizer.lr=1e30", "hydra.run.dir=run")
    assert done.status == 4, done.err
    assert "not finite" in done.err
    assert json.loads(Path("run/summary.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("dataset=ring8", "algorithm.prediction=epsilon"), "algorithm.prediction: expected v for points"),
        (("dataset=ring8", "architecture=unet"), "architecture: unet takes images"),
        (("dataset=ring8", "conditional=true"), "conditional"),
        (("architecture=unet",), "architecture: unet with 3 multipliers builds images with sides of 16 to 512 pixels"),
        (("algorithm.timesteps=1",), "algorithm.timesteps: expected an integer from 2 to 100,000, got 1"),
        (("algorithm/reverse=ddim", "algorithm.reverse.eta=2"), "algorithm.reverse.eta"),
        (("algorithm/schedule=linear", "algorithm.schedule.start=0.5"), "algorithm.schedule.end"),
        (("algorithm.label_dropout=1",), "algorithm.label_dropout"),
    ],
)
def test_what_does_not_fit_costs_one_message(overrides: tuple[str, ...], words: str, gan_train: Command) -> None:
    done = gan_train("algorithm=diffusion", *overrides, "train.steps=2", "hydra.run.dir=run")
    assert done.status == 2
    assert words in done.err, done.err
    assert "Traceback" not in done.err
    assert not Path("run").exists()


def test_sweep_may_optimize_the_loss_on_held_out_samples(gan_train: Command) -> None:
    done = gan_train(*RUNS["digits"], "sweep.metric=diffusion/loss_held_out", "dry_run=true")
    assert done.status == 0, done.err
    assert SweepMetric("diffusion/loss_held_out").direction() == "minimize"
