"""gan-export: the files compute what the run's generator computes, and their card's own lines do so without gan_cli."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor

from gan_cli import __version__
from gan_cli.config.nodes import Node
from gan_cli.inference import generator
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.protocols.architecture import Architecture
from gan_cli.storage import run_directory
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.image_folder import make_folder

FORMATS = ("safetensors", "onnx", "torch")
# What reading a format takes; what writing it takes, and no less.
PACKAGES = {"safetensors": ("safetensors",), "onnx": ("onnx", "onnxscript", "onnxruntime"), "torch": ()}
FILES = {"safetensors": {"model.safetensors", "config.json"}, "onnx": {"model.onnx"}, "torch": {"model.pt2"}}
# Runs the lines of the cards in these folders in a process where gan_cli cannot be imported, though it is installed.
ALONE = """
import os, re, sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "gan_cli":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Gone())
import numpy as np
home = os.getcwd()
for folder in sys.argv[1:]:
    os.chdir(os.path.join(home, folder))
    names = {}
    (code,) = re.findall("^```python\\n(.*?)^```$", open("README.md").read(), re.DOTALL | re.MULTILINE)
    exec(code, names)
    np.savez("drawn.npz", **{k: np.asarray(names[k]) for k in ("z", "labels", "samples", "points") if k in names})
assert "gan_cli" not in sys.modules
"""
RUNS = {
    "mlp": (*TINY, "architecture.generator_hidden=[8,8,8]"),  # batch norm comes with the second hidden layer
    "dcgan": ("architecture=dcgan", "architecture.width=4", "architecture.latent_dim=6"),
    "points": ("dataset=ring8", "dataset.radius=3"),
    "resnet_by_class": ("architecture=resnet", *(f"architecture.width_{n}=4" for n in "gd"), "conditional=true"),
    "r3gan_by_class": ("architecture=r3gan", "architecture.width=8", "architecture.blocks=1", "conditional=true"),
}
# Whose cards are tried; between them they have every line that a card can have.
CARDS = {"points": FORMATS, "dcgan": ("safetensors",), "resnet_by_class": ("onnx", "torch")}


@pytest.fixture
def images(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *SHORT, *TINY)


def need(kind: str) -> None:
    for package in PACKAGES[kind]:
        pytest.importorskip(package)


def loaded(kind: str, folder: Path) -> Callable[..., Any]:
    """The network of an export: arrays or tensors in, an array out."""
    if kind == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(folder / "model.onnx")
        names = [one.name for one in session.get_inputs()]
        return lambda *inputs: session.run(["samples"], dict(zip(names, map(np.asarray, inputs), strict=True)))[0]
    if kind == "torch":
        module = torch.export.load(folder / "model.pt2").module()
        return lambda *inputs: module(*inputs).numpy()
    weights = pytest.importorskip("safetensors.torch").load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    architecture = Node.parse(config["architecture"], "architecture", Architecture).build()
    network = architecture.generator(tuple(config["shape"]), config["classes"]).eval().requires_grad_(False)
    network.load_state_dict(weights)
    return lambda *inputs: network(*inputs).numpy()


def close(kind: str, got: Any, wanted: Any) -> bool:
    """Bitwise equal where torch itself computes."""
    if kind == "onnx":
        return got.dtype == wanted.dtype and got.shape == wanted.shape and bool(np.abs(got - wanted).max() < 1e-4)
    return got.dtype == wanted.dtype and np.array_equal(got, wanted)


def inputs(trained: TrainedGenerator, count: int) -> list[Tensor]:
    """Latents, and labels where the generator takes them."""
    z = torch.randn(count, trained.latent_dim)
    return [z, torch.randint(trained.condition, (count,))] if trained.condition else [z]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("run", [run for run in RUNS if run != "points"])
def test_export_computes_what_the_run_does(run: str, kind: str, finished_run: FinishedRun, gan_export: Command) -> None:
    need(kind)
    finished_run("run", *SHORT, *RUNS[run])
    done = gan_export("run", "--format", kind)
    assert done.status == 0, done.err
    folder = Path("run/export") / kind
    assert done.out == f"{folder}\n"
    assert len(done.err.splitlines()) == 1, done.err
    assert {file.name for file in folder.iterdir()} == FILES[kind] | {"README.md", "samples.png", "training.yaml"}
    trained = generator.load_generator(RunCheckpoint(RunDirectory(Path("run"))))
    network = loaded(kind, folder)
    for count in (1, 2, 37):
        arguments = inputs(trained, count)
        assert close(kind, network(*arguments), trained.samples(*arguments)), count


@pytest.mark.slow
def test_lines_of_the_card_draw_samples_without_gan_cli(finished_run: FinishedRun, gan_export: Command) -> None:
    """The lines of every card, in one process: most of the time goes into its start."""
    drawn: dict[str, TrainedGenerator] = {}
    for run, kinds in CARDS.items():
        finished_run(run, *SHORT, *RUNS[run])
        for kind in kinds:
            if all(find_spec(package) for package in PACKAGES[kind]):
                assert gan_export(run, "--format", kind).status == 0
                drawn[f"{run}/export/{kind}"] = generator.load_generator(RunCheckpoint(RunDirectory(Path(run))))
    done = subprocess.run([sys.executable, "-c", ALONE, *drawn], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder, trained in drawn.items():
        arrays = np.load(Path(folder) / "drawn.npz")
        labels = torch.from_numpy(arrays["labels"]) if trained.condition else None
        assert labels is None or set(labels.tolist()) == set(range(trained.condition))
        wanted = trained.samples(torch.from_numpy(arrays["z"]), labels)
        assert wanted.shape == (16, *trained.dataset.shape)
        # Another process may compute with another number of threads.
        assert close("onnx", arrays["samples"], wanted), folder
        assert ("points" in arrays) == folder.startswith("points")
        if "points" in arrays:
            assert np.array_equal(arrays["points"], trained.dataset.coordinates(arrays["samples"]))


@pytest.mark.parametrize("run", ["resnet", "conditional"])
def test_weights_of_a_network_that_is_no_chain(run: str, gan_train: Command, gan_export: Command) -> None:
    """What torch.nn cannot build from config.json is exported as weights alone, and its card says so."""
    need("safetensors")
    overrides = RUNS["resnet_by_class"][:-1] if run == "resnet" else (*TINY, "conditional=true")
    assert gan_train(*SHORT, *overrides, "hydra.run.dir=run").status == 0
    assert gan_export("run", "--format", "safetensors", "--out", "out").status == 0
    config = json.loads(Path("out/config.json").read_text())
    assert (config["body"], config["layers"]) == (None, None)
    assert config["classes"] == (10 if run == "conditional" else 0)
    text = Path("out/README.md").read_text()
    assert ("class-conditional: 10 classes" if run == "conditional" else "unconditional") in text
    assert "`--format onnx` write the network too" in text
    assert 'weights = load_file("model.safetensors")\n```' in text


def test_export_is_of_the_moving_average(gan_train: Command, gan_export: Command) -> None:
    drawn = []
    for half_life in (0, 1e6):
        overrides = (*SHORT, *TINY, "train.steps=10", "optimizer.lr=0.1", f"ema.half_life={half_life}")
        assert gan_train(*overrides, f"hydra.run.dir={half_life}").status == 0
        assert gan_export(half_life, "--format", "torch", "--out", f"out{half_life}").status == 0
        z = torch.ones(1, generator.load_generator(RunCheckpoint(RunDirectory(Path(str(half_life))))).latent_dim)
        drawn.append(loaded("torch", Path(f"out{half_life}"))(z))
    assert not np.allclose(*drawn)


@pytest.mark.parametrize("kind", FORMATS)
def test_file_says_what_it_is_and_nothing_of_where_it_was_made(kind: str, images: Path, gan_export: Command) -> None:
    need(kind)
    assert gan_export("run", "--format", kind, "--out", "out").status == 0
    wanted = {"gan_cli": __version__, "step": "2", "latent_dim": "100", "shape": "[1, 8, 8]", "classes": "0"}
    if kind == "safetensors":
        with pytest.importorskip("safetensors").safe_open("out/model.safetensors", "pt") as file:
            assert file.metadata() == {"format": "pt", **wanted}
        config = json.loads(Path("out/config.json").read_text())
        assert config["architecture"]["_target_"] == "gan_cli.architectures.mlp.MLP"
        assert config["architecture"]["generator_hidden"] == [8]
        assert config["tensors"]["body.0.weight"] == [8, 100]
        assert config["shape"] == [1, 8, 8]
        assert config["body"] == "body"
        assert [layer["type"] for layer in config["layers"]] == ["Linear", "LeakyReLU", "Linear", "Unflatten", "Tanh"]
    elif kind == "onnx":
        onnx = pytest.importorskip("onnx")
        model = onnx.load("out/model.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert {entry.key: entry.value for entry in model.metadata_props} == wanted
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    else:
        extra = {"gan_cli.json": ""}
        torch.export.load("out/model.pt2", extra_files=extra)
        assert {key: str(value) for key, value in json.loads(extra["gan_cli.json"]).items()} == wanted
    here = str(Path(run_directory.__file__).parent).encode()
    for file in Path("out").iterdir():
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                contents = [archive.read(name) for name in archive.namelist()]
        else:
            contents = [file.read_bytes()]
        assert not any(here in content for content in contents), file


def test_torch_file_holds_no_pickle(images: Path, gan_export: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gan_export("run", "--format", "torch", "--out", "out").status == 0
    with zipfile.ZipFile("out/model.pt2") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    # torch.save writes an archive within the archive; the plain pickle protocol starts with a byte of its own.
    assert not [name for name, content in contents.items() if content[:2] == b"PK" or b"data.pkl" in content]

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a pickle is being read")

    for module, name in (("torch", "load"), ("pickle", "load"), ("pickle", "loads")):
        monkeypatch.setattr(f"{module}.{name}", refuse)
    torch.export.load("out/model.pt2")


def test_card_says_what_was_trained_on_what_and_how_well(gan_train: Command, gan_export: Command) -> None:
    assert gan_train(*SHORT, "dataset=ring8", "dataset.radius=3", "seed=5", "hydra.run.dir=run").status == 0
    assert gan_export("run", "--format", "torch", "--out", "out").status == 0
    text = Path("out/README.md").read_text()
    trained = generator.load_generator(RunCheckpoint(RunDirectory(Path("run"))))
    assert trained.dataset.licence in text
    assert "unconditional" in text
    assert "- Training: 2 steps of batches of 4, seed 5." in text
    assert f"`(N, {trained.latent_dim})`" in text
    assert "times 3.05: the data's own coordinates" in text
    assert text.startswith("---\n# written by gan-export\n")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == {"license": "other", "library_name": "gan-cli", "tags": ["gan", "jsd", "pytorch"]}
    assert "# Generator of a GAN: ring8" in text
    assert "![Samples at step 2 of the run](samples.png)" in text
    with Image.open("out/samples.png") as picture:
        assert picture.width > 100
    assert OmegaConf.load("out/training.yaml") == RunDirectory(Path("run")).stored_config()
    assert "Not measured. `gan-eval RUN_DIR` before the export puts a table here." in text
    assert len(text.splitlines()) <= 80


def test_card_of_images_has_the_pipeline_of_the_hub_and_what_was_measured(
    images: Path, gan_eval: Command, gan_export: Command
) -> None:
    assert gan_eval(images, "--n", 40, "--backbone", "pixels").status == 0
    summary = json.loads((images / "summary.json").read_text())
    alarm = {"name": "mode_collapse", "step": 2, "message": "Samples look alike.", "try": "pac=2"}
    (images / "summary.json").write_text(json.dumps({**summary, "alarms": [alarm]}))
    assert gan_export("run", "--format", "torch", "--out", "out").status == 0
    text = Path("out/README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert (front["pipeline_tag"], front["license"]) == ("unconditional-image-generation", "cc-by-4.0")
    figure = json.loads((images / "evaluation.json").read_text())["figures"]["frechet/pixels"]
    assert f"| `frechet/pixels` | {figure['value']:.4g} | {figure['floor']:.4g} | lower |" in text
    assert "on 40 samples, seed 0, by features of pixels" in text
    assert "- Alarm `mode_collapse` at step 2: Samples look alike." in text
    assert len(text.splitlines()) <= 80


def test_card_of_a_folder_has_its_name(workplace: Path, gan_train: Command, gan_export: Command) -> None:
    folder = make_folder(workplace / "holiday photos", 24)
    assert gan_train(*SHORT, *TINY, "dataset=image_folder", f"dataset.path={folder}", "hydra.run.dir=run").status == 0
    assert gan_export("run", "--format", "torch", "--out", "out").status == 0
    assert "# Generator of a GAN: holiday photos\n" in Path("out/README.md").read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"figures": {"a": 3}, "alarms": [1], "samples": 5}'])
def test_damaged_files_cost_what_they_held(content: str, images: Path, gan_export: Command) -> None:
    for name in ("summary.json", "evaluation.json"):
        (images / name).write_text(content)
    for picture in (images / "samples").glob("*.png"):
        picture.write_text("none")
    done = gan_export("run", "--format", "torch", "--out", "out")
    assert done.status == 0, done.err
    assert not Path("out/samples.png").exists()
    assert "samples.png" not in Path("out/README.md").read_text()
    for name in ("summary.json", "evaluation.json"):
        line = f"run/{name} is damaged: it is no JSON object; the card does without it"
        assert (line in done.err.splitlines()) == (not content.startswith("{"))
    assert "run/samples/step_00000002.png cannot be read; the card shows no samples" in done.err.splitlines()


def test_export_of_an_earlier_version_is_replaced(images: Path, gan_export: Command) -> None:
    Path("out").mkdir()
    Path("out/README.md").write_text("<!-- written by gan-export -->\n\n# Generator")
    assert gan_export("run", "--format", "torch", "--out", "out").status == 0
    assert Path("out/README.md").read_text().startswith("---")


def test_later_export_takes_the_place_of_an_earlier_one(images: Path, gan_train: Command, gan_export: Command) -> None:
    assert gan_export("run", "--format", "torch").status == 0
    folder = images / "export" / "torch"
    (folder / "notes.txt").write_text("mine")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert gan_train("resume=run", "train.steps=4").status == 0
    assert gan_export("run", "--format", "torch").status == 0
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {
        *("README.md", "model.pt2", "samples.png", "training.yaml")
    }


def test_files_of_others_are_kept(images: Path, gan_export: Command, workplace: Path) -> None:
    (workplace / "README.md").write_text("# My project\n")
    done = gan_export("run", "--format", "torch", "--out", ".")
    assert done.status == 2
    assert "README.md" in done.err
    assert (workplace / "README.md").read_text() == "# My project\n"
    assert sorted(path.name for path in workplace.iterdir()) == ["README.md", "run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], ["--format"]),
        (["run", "--format", "pickle"], ["pickle", "safetensors", "onnx", "torch"]),
        (["nowhere", "--format", "torch"], ["nowhere", "no run directory"]),
        (["run", "--format", "torch", "--out", "file"], ["--out", "file is a file"]),
        (["run", "--format", "torch", "--out", "file/below"], ["--out", "file is a file"]),
    ],
)
def test_mistake_in_the_command(
    arguments: list[str], words: list[str], images: Path, gan_export: Command, workplace: Path
) -> None:
    (workplace / "file").touch()
    before = sorted(workplace.rglob("*"))
    done = gan_export(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert sorted(workplace.rglob("*")) == before


def test_run_whose_checkpoints_cannot_be_read(images: Path, gan_export: Command) -> None:
    for path in (images / "checkpoints").iterdir():
        path.write_bytes(b"")
    done = gan_export("run", "--format", "torch")
    assert done.status == 2
    assert "every checkpoint in run/checkpoints is damaged" in done.err
    assert not (images / "export").exists()


@pytest.mark.parametrize(
    ("kind", "package"), [("safetensors", "safetensors"), ("onnx", "onnx"), ("onnx", "onnxscript")]
)
def test_package_that_is_not_there(
    kind: str, package: str, images: Path, gan_export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = gan_export("run", "--format", kind)
    assert done.status == 2
    assert package in done.err
    assert "pip install 'gan-cli[export]'" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (images / "export").exists()


def test_failed_write_leaves_the_earlier_export_as_it_was(
    images: Path, gan_export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gan_export("run", "--format", "torch", "--out", "old").status == 0
    before = {file.name: file.read_bytes() for file in Path("old").iterdir()}
    assert gan_export("run", "--format", "torch", "--out", "old").status == 0

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for folder in ("old", "new/deep"):
        done = gan_export("run", "--format", "torch", "--out", folder)
        assert done.status == 2
        assert done.err == f"gan-export: cannot write {folder}: No space left on device\n"
    assert {file.name: file.read_bytes() for file in Path("old").iterdir()} == before
    assert not Path("new").exists()
    assert not list(Path().glob(".gan-export-*"))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nowhere", "--format", "torch"]])
def test_answers_without_importing_torch(arguments: list[str], workplace: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from gan_cli.cli.export import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "nowhere" in arguments else 0)
