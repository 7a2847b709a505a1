"""A run as an object: what its files say, and what the commands write, as values."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan_cli
from gan_cli.errors import ConfigError
from gan_cli.interface.metric_table import metric_columns
from gan_cli.report.records import Curve
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, TINY, Command, FinishedRun

Trained = Callable[[str], gan_cli.Run]


def test_importing_loads_nothing_and_names_are_listed() -> None:
    code = "import sys, gan_cli\nloaded = sorted({'torch', 'hydra', 'numpy', 'omegaconf'} & set(sys.modules))\n"
    code += "import json; print(json.dumps([loaded, dir(gan_cli)]))\n"
    code += "gan_cli.runs; gan_cli.open; gan_cli.train; assert 'torch' not in sys.modules\n"
    code += "gan_cli.Callback, gan_cli.Run, gan_cli.errors.ConfigError"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, names = json.loads(done.stdout)
    assert loaded == []
    assert [name for name in names if not name.startswith("_")] == [
        "Callback",
        "Run",
        "errors",
        "open",
        "runs",
        "train",
    ]


def test_other_names_are_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'gan_cli' has no attribute 'trian'"):
        gan_cli.trian  # type: ignore[attr-defined]  # noqa: B018


def test_run_is_what_its_files_say(trained: Trained) -> None:
    run, directory = trained("digits"), RunDirectory(Path("digits").resolve())
    assert run.path == directory.path
    assert (run.status, run.step, run.checkpoints) == ("completed", 2, [1, 2])
    assert run.config == directory.stored_config()
    assert run.config.train.steps == 2
    assert run.summary == json.loads(directory.summary.read_text())
    assert run.evaluation == {}
    assert repr(run) == "<Run digits: completed at step 2>"


@pytest.mark.parametrize(
    ("summary", "status", "step"),
    [
        ({"status": "completed", "step": 2}, "completed", 2),
        ({"status": "interrupted", "step": 1}, "died", 2),
        ({}, "died", 2),
        ({"status": "new\nline", "step": "many"}, "died", 2),
    ],
)
def test_status_of_runs_that_died(trained: Trained, summary: dict[str, object], status: str, step: int) -> None:
    run = trained("digits")
    (run.path / "summary.json").write_text(json.dumps(summary))
    assert (run.status, run.step) == (status, step)
    with RunDirectory(run.path).locked():
        assert run.status == "running"
    assert len(repr(run).splitlines()) == 1


# ---- metrics


def test_metrics_are_a_data_frame(trained: Trained) -> None:
    pd = pytest.importorskip("pandas")
    run = trained("digits")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    metrics = run.metrics
    assert isinstance(metrics, pd.DataFrame)
    assert (metrics.index.name, list(metrics.index)) == ("step", [1, 2])
    for line in lines:
        for tag in set(line) - {"step", "time"}:
            assert metrics[tag][line["step"]] == line[tag]


def test_metrics_are_arrays_without_pandas(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    metrics = trained("digits").metrics
    assert isinstance(metrics, dict)
    assert metrics["step"].tolist() == [1, 2]
    assert metrics["loss/d"].shape == (2,)
    assert metrics["loss/d"].dtype == np.float64


def test_metrics_are_missing_where_a_tag_was_not_reported() -> None:
    curves = {
        "a": Curve(np.array([1.0, 3.0]), np.array([10.0, 30.0])),
        "b": Curve(np.array([2.0, 3.0]), np.array([20.0, 31.0])),
    }
    columns = metric_columns(curves)
    assert columns["step"].tolist() == [1, 2, 3]
    assert columns["a"].tolist()[::2] == [10, 30]
    assert math.isnan(columns["a"][1])
    assert math.isnan(columns["b"][0])
    assert metric_columns({})["step"].tolist() == []


def test_run_without_a_report_has_no_metrics(trained: Trained) -> None:
    run = trained("digits")
    (run.path / "metrics.jsonl").unlink()
    assert len(run.metrics) == 0


# ---- samples


@pytest.mark.parametrize("kind", ["digits", "points", "classes", "diffusion"])
def test_samples_are_those_of_the_command(kind: str, trained: Trained, gan_sample: Command) -> None:
    run = trained(kind)
    assert gan_sample(kind, "--n", 5, "--seed", 3, "--out", "samples.npy").status == 0
    samples = run.sample(5, seed=3)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, np.load("samples.npy"))
    assert gan_sample(kind, "--n", 5, "--seed", 3, "--out", "grid.png").status == 0
    with Image.open("grid.png") as grid:  # of a conditional run with words
        assert kind == "classes" or grid.convert("RGB").tobytes() == run.grid(5, seed=3).convert("RGB").tobytes()


def test_label_is_a_class_by_number_or_name(trained: Trained, gan_sample: Command) -> None:
    run = trained("classes")
    assert gan_sample("classes", "--n", 5, "--label", 3, "--out", "samples.npy").status == 0
    assert np.array_equal(run.sample(5, label=3), np.load("samples.npy"))
    assert np.array_equal(run.sample(5, label="3"), np.load("samples.npy"))
    assert not np.array_equal(run.sample(5), np.load("samples.npy"))
    with pytest.raises(ConfigError, match=r"^label: "):
        run.sample(label=10)


def test_checkpoint_is_chosen(trained: Trained, gan_sample: Command) -> None:
    run = trained("digits")
    assert gan_sample("digits", "--checkpoint", 1, "--out", "first.npy").status == 0
    assert np.array_equal(run.sample(checkpoint=1), np.load("first.npy"))
    assert np.array_equal(run.sample(checkpoint="2"), run.sample())
    assert not np.array_equal(run.sample(checkpoint=1), run.sample())


def test_sentences_are_those_of_the_command(trained: Trained, gan_sample: Command) -> None:
    run = trained("text")
    done = gan_sample("text", "--n", 6, "--seed", 2, "--temperature", 0.5)
    assert run.sentences(6, seed=2, temperature=0.5) == done.out.splitlines()
    with pytest.raises(ConfigError, match=r"this run learned text, not images or points: run.sentences\(\)"):
        run.sample()
    with pytest.raises(ConfigError, match="temperature: expected a number > 0"):
        run.sentences(temperature=0)


def test_generator_is_the_network_of_the_samples(trained: Trained) -> None:
    run = trained("digits")
    network = run.generator
    assert not network.training
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    with torch.no_grad():
        assert network(torch.zeros(3, run.config.architecture.latent_dim)).shape == (3, 1, 8, 8)
        before = run.sample()
        next(network.parameters()).zero_()
    assert np.array_equal(run.sample(), before), "what is done to it changes no samples"
    assert run.generator is network


def test_networks_are_loaded_anew_once_the_run_is_trained_on(trained: Trained) -> None:
    run = trained("digits")
    before, network = run.sample(), run.generator
    assert np.array_equal(run.sample(), before)
    run.resume("train.steps=3")
    assert (run.step, run.config.train.steps) == (3, 3)
    assert not np.array_equal(run.sample(), before)
    assert run.generator is not network
    assert list(run.metrics.index) == [1, 2, 3]  # type: ignore[union-attr]


# ---- evaluation


def test_evaluation_is_that_of_the_command(
    trained: Trained, gan_eval: Command, digits_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA", str(shutil.copytree(digits_root, "data")))
    run = trained("digits")
    document = run.evaluate(n=60, backbone=["pixels"], seed=1)
    assert run.evaluation == {}
    assert not (run.path / "samples" / "nearest.png").exists()
    assert run.evaluate(n=60, backbone="pixels", seed=1, store=True) == document
    assert run.evaluation == document
    assert (run.path / "samples" / "nearest.png").exists()
    shutil.rmtree(run.path / "samples")
    assert gan_eval("digits", "--n", 60, "--backbone", "pixels", "--seed", 1).status == 0
    document["generator"]["run"] = "digits"  # as it was typed
    assert run.evaluation == document
    assert document["figures"]["frechet/pixels"]["value"] > 0


def test_evaluation_of_a_checkpoint(trained: Trained) -> None:
    run = trained("points")
    (run.path / "checkpoints" / "last.pt").rename(run.path / "checkpoints" / "best.pt")
    best, last = (run.evaluate(n=20, checkpoint=which) for which in ("best", 2))
    assert best["figures"] == last["figures"]
    assert best["options"]["checkpoint"] == "best"
    with pytest.raises(ConfigError, match=r"no checkpoint of step 1 in .*: the nearest is of step 2"):
        run.evaluate(n=20, checkpoint=1)


def test_likelihood_is_not_asked_for_by_default_where_there_is_none(trained: Trained) -> None:
    assert "elbo" not in trained("points").evaluate(n=20)["figures"]


# ---- many runs


def test_runs_are_all_of_a_folder_in_natural_order(finished_run: FinishedRun) -> None:
    for name in ("outputs/10", "outputs/9", "outputs/sweep/2,loss=wgan", "outputs/sweep/10,loss=jsd"):
        finished_run(name, *SHORT, *TINY)
    names = [str(run.path.relative_to(Path("outputs").absolute())) for run in gan_cli.runs("outputs")]
    assert names == ["9", "10", "sweep/2,loss=wgan", "sweep/10,loss=jsd"]
    assert len(gan_cli.runs()) == 4
    assert [run.path.name for run in gan_cli.runs(Path("outputs/9"))] == ["9"]
    Path("empty").mkdir()
    assert gan_cli.runs("empty") == []


def test_last_run_and_files_of_a_run_are_opened(finished_run: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    path = finished_run("outputs/a", *SHORT, *TINY).absolute()
    for typed in ("last", "outputs/a", Path("outputs/a"), "outputs/a/metrics.jsonl", path):
        assert gan_cli.open(typed).path == path
    run = gan_cli.open("outputs/a")
    monkeypatch.chdir("outputs")
    assert run.step == 2, "wherever the program goes"
    assert repr(run) == "<Run a: completed at step 2>"


# ---- mistakes


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("outputs/aa", "outputs/aa is no run directory: it has no .hydra/config.yaml. Did you mean 'a'?"),
        ("outputs", "outputs: expected one run, got a folder of 2: outputs/a; they are outputs/a, outputs/b"),
        ("nowhere", "nowhere is no run directory: it has no .hydra/config.yaml. The latest one: outputs/b (or last)"),
        ("", ": expected one run, got a folder of 2"),
    ],
)
def test_no_run(path: str, message: str, finished_run: FinishedRun) -> None:
    for name in ("outputs/a", "outputs/b"):
        finished_run(name, *SHORT, *TINY)
    with pytest.raises(ConfigError) as raised:
        gan_cli.open(path)
    assert message in str(raised.value)
    with pytest.raises(ConfigError, match=r"there is no folder 'output'. Did you mean 'outputs'\?"):
        gan_cli.runs("output")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.sample(0), "n: expected an integer from 1 to 1,000,000, got 0"),
        (lambda run: run.sample(True), "n: expected an integer from 1 to 1,000,000, got True"),
        (lambda run: run.sample("9"), "n: expected an integer from 1 to 1,000,000, got '9'"),
        (lambda run: run.sample(1.5), "n: expected an integer from 1 to 1,000,000, got 1.5"),
        (lambda run: run.sample(seed=-1), "seed: expected an integer from 0 to 9,223,372,036,854,775,807, got -1"),
        (lambda run: run.sample(checkpoint=7), "no checkpoint of step 7 in .*: the nearest is of step 2"),
        (lambda run: run.sample(checkpoint="bst"), "checkpoint: expected last, .*, got 'bst'. Did you mean 'best'?"),
        (lambda run: run.sample(checkpoint="best"), "no best checkpoint in "),
        (lambda run: run.sample(checkpoint=-1), "checkpoint: expected last, best or a step, got '-1'"),
        (lambda run: run.sample(label="dog"), "label: this run was trained without classes; conditional=true trains"),
        (lambda run: run.sentences(), r"this run learned images or points, not text: run.sample\(\)"),
        (lambda run: run.grid(columns=0), "columns: expected an integer from 1 to 1,000, got 0"),
        (lambda run: run.grid(200_000), "n: 200,000 samples make a grid of more than 16,383 pixels a side"),
        (lambda run: run.evaluate(n=2), "n: expected an integer from 10 to 100,000, got 2"),
        (lambda run: run.evaluate(backbone="pixel"), "backbone: .*, got 'pixel'. Did you mean 'pixels'?"),
        (lambda run: run.resume("loss=wgan"), "loss=wgan would change what the run is"),
        (lambda run: gan_cli.open(run.path, device="gpu"), "device: expected auto or cpu or cuda or mps, got 'gpu'"),
    ],
)
def test_wrong_argument_costs_one_line(call: Callable[[gan_cli.Run], object], message: str, trained: Trained) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        call(trained("digits"))
    assert len(str(raised.value).splitlines()) == 1


def test_samples_that_do_not_fit_in_memory(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.interface.drawing.data_memory", lambda: 1000)
    with pytest.raises(ConfigError, match="n: 2 samples take 2,048 bytes of memory, more than the 1,000"):
        trained("digits").sample(2)


# ---- what a notebook shows


def test_notebook_shows_samples_and_summary(trained: Trained) -> None:
    html = trained("digits")._repr_html_()
    assert '<img src="data:image/webp;base64,' in html
    for text in ("completed at step 2", "digits, mlp", "loss/d"):
        assert text in html
    assert len(html) < 200_000
    assert "<br>" in trained("text")._repr_html_()


def test_what_a_run_says_of_itself_is_escaped(trained: Trained) -> None:
    run = trained("digits")
    (run.path / ".hydra" / "overrides.yaml").write_text("- '<script>alert(1)</script>\\e[31m'\n")
    (run.path / "summary.json").write_text(json.dumps({"status": "<b>", "step": 2, "final": {"loss/<i>": 1}}))
    for picture in (run.path / "samples").iterdir():
        picture.write_bytes(b"no picture")
    html = run._repr_html_()
    assert "&lt;script&gt;" in html
    assert all(text not in html for text in ("<script", "<b>", "<i>", "\x1b", "<img"))


def test_run_without_configuration_is_shown_as_its_error(trained: Trained) -> None:
    run = trained("digits")
    (run.path / ".hydra" / "config.yaml").unlink()
    assert run._repr_html_().startswith("<pre>")
