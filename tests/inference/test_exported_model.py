"""gan-export --format hub: its folder is sampled from as its run is, says what it is of, and is read with distrust."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.algorithms.spec import spec_of
from gan_cli.config.data_places import without_folders
from gan_cli.errors import ConfigError
from gan_cli.inference.exported_model import ExportedModel
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.inference.model_search import find_model
from gan_cli.storage.checkpoint_choice import NamedCheckpoint
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint, StoredModel
from tests.cli.test_tables import write_table
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.image_folder import make_folder

pytest.importorskip("safetensors")

SMALL_UNET = ("algorithm=diffusion", "architecture.width=8", "algorithm.sampling_steps=4")
FAMILIES = {
    "mlp by class": (*TINY, "conditional=true"),
    "dcgan": ("architecture=dcgan", "architecture.width=4", "architecture.latent_dim=6"),
    "resnet": ("architecture=resnet", *(f"architecture.width_{n}=4" for n in "gd")),
    "r3gan by class": ("architecture=r3gan", "architecture.width=8", "architecture.blocks=1", "conditional=true"),
    "points": ("dataset=ring8", "dataset.radius=3"),
    "vae": ("algorithm=vae",),
    "autoencoder": ("algorithm=autoencoder",),
    "diffusion by class": (*SMALL_UNET, "conditional=true"),
}


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *SHORT, *TINY)


@pytest.fixture
def folder(run: Path, gan_export: Command) -> Path:
    done = gan_export("run", "--format", "hub", "--out", "out")
    assert done.status == 0, done.err
    shutil.rmtree(run)
    return Path("out")


def described(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "config.json").read_text())
    assert isinstance(content, dict)
    return content


def change(folder: Path, **stored: Any) -> None:
    content = described(folder)
    content["stored_model"] |= stored
    (folder / "config.json").write_text(json.dumps(content))


def reconfigure(folder: Path, key: str, value: Any) -> None:
    config = OmegaConf.load(folder / "training.yaml")
    OmegaConf.update(config, key, value, force_add=True)
    OmegaConf.save(config, folder / "training.yaml")


def refused(gan_sample: Command, *arguments: object) -> str:
    done = gan_sample(*arguments)
    assert done.status == 2, done.err
    assert len(done.err.splitlines()) == 1, done.err
    return done.err.removesuffix("\n").removeprefix("gan-sample: ")


def drawn(gan_sample: Command, model: object, *options: object) -> Any:
    done = gan_sample(model, "--n", 9, "--seed", 5, "--out", "drawn.npy", *options)
    assert done.status == 0, done.err
    return np.load("drawn.npy")


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_of_the_folder_are_those_of_the_run_to_the_bit(
    family: str, finished_run: FinishedRun, gan_export: Command, gan_sample: Command
) -> None:
    finished_run("run", *SHORT, *FAMILIES[family])
    done = gan_export("run", "--format", "hub", "--out", "out")
    assert done.status == 0, done.err
    assert {file.name for file in Path("out").iterdir()} == {
        *("README.md", "config.json", "model.safetensors", "samples.png", "training.yaml")
    }
    of_run = drawn(gan_sample, "run")
    shutil.rmtree("run")
    assert np.array_equal(drawn(gan_sample, "out"), of_run)
    assert np.array_equal(drawn(gan_sample, "out/model.safetensors"), of_run)


def test_names_of_classes_go_along(
    workplace: Path, gan_train: Command, gan_export: Command, gan_sample: Command
) -> None:
    photos = make_folder(workplace / "my photos", 24)
    overrides = ("dataset=image_folder", f"dataset.path={photos}", "conditional=true", *SHORT, *TINY)
    assert gan_train(*overrides, "hydra.run.dir=run").status == 0
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    of_run = drawn(gan_sample, "run", "--label", "class_1")
    for used in (photos, workplace / "run"):
        shutil.rmtree(used)
    assert np.array_equal(drawn(gan_sample, "out", "--label", "class_1"), of_run)
    assert "'class_0', 'class_1'" in refused(gan_sample, "out", "--label", "cat")


def test_table_goes_along_with_its_columns(
    workplace: Path, gan_train: Command, gan_export: Command, gan_sample: Command
) -> None:
    write_table(workplace / "a.csv")
    done = gan_train(
        "dataset=table",
        f"dataset.path={workplace / 'a.csv'}",
        "dataset.class_column=kind",
        *SHORT,
        *TINY,
        "hydra.run.dir=run",
    )
    assert done.status == 0, done.err
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    for model, name in (("run", "run.csv"), ("out", "out.csv")):
        done = gan_sample(model, "--n", 5, "--out", name)
        assert done.status == 0, done.err
    assert Path("run.csv").read_text() == Path("out.csv").read_text()


def test_text_is_not_exported(gan_train: Command, gan_export: Command, remembered_entropy: None) -> None:
    assert gan_train("algorithm=seqgan", "dataset=oracle", "train.steps=1", "train.batch_size=4", "hydra.run.dir=run",
                     "dataset.count=40", "dataset.length=4", "train.log_every=1").status == 0  # fmt: skip
    done = gan_export("run", "--format", "hub")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "this run learned text; generators of images and points can be exported" in done.err
    assert not Path("run/export").exists()


def test_any_checkpoint_is_exported_and_the_card_says_which(
    gan_train: Command, gan_export: Command, gan_sample: Command
) -> None:
    done = gan_train(
        *SHORT, *TINY, "train.steps=4", "train.checkpoint_every=2", "train.sample_every=4", "hydra.run.dir=run"
    )
    assert done.status == 0, done.err
    assert gan_export("run", "--format", "hub", "--out", "early", "--checkpoint", 2).status == 0
    assert gan_export("run", "--format", "hub", "--out", "late").status == 0
    early, late = (Path(name, "README.md").read_text() for name in ("early", "late"))
    assert "- Checkpoint: that of step 2 (`--checkpoint 2`)." in early
    assert "- Checkpoint: that of step 4 (`--checkpoint last`)." in late
    assert [described(Path(name))["stored_model"]["checkpoint"] for name in ("early", "late")] == ["2", "last"]
    assert np.array_equal(drawn(gan_sample, "early"), drawn(gan_sample, "run", "--checkpoint", 2))
    assert not np.array_equal(drawn(gan_sample, "early"), drawn(gan_sample, "late"))
    # The run has samples of its steps 0 and 4; those of step 2 are drawn for the card, as gan-sample does.
    assert Path("late/samples.png").read_bytes() != Path("early/samples.png").read_bytes()
    assert "![Samples at step 2 of the run](samples.png)" in early
    assert gan_sample("early", "--out", "grid.png").status == 0
    with Image.open("grid.png") as grid, Image.open("early/samples.png") as picture:
        assert np.array_equal(np.asarray(grid), np.asarray(picture))
    words = refused(gan_sample, "late", "--checkpoint", "best")
    assert words == "--checkpoint: late is an export, which holds the weights of one checkpoint alone"


def test_metrics_are_where_the_hub_looks_for_them(run: Path, gan_eval: Command, gan_export: Command) -> None:
    assert gan_eval("run", "--n", 40, "--backbone", "pixels").status == 0
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    figures = json.loads((run / "evaluation.json").read_text())["figures"]
    text = Path("out/README.md").read_text()
    ((result,),) = (entry["results"] for entry in yaml.safe_load(text.split("---\n")[1])["model-index"])
    assert result["task"] == {"type": "unconditional-image-generation"}
    assert result["dataset"] == {"type": "digits", "name": "digits"}
    assert result["metrics"][0] == {"type": "frechet/pixels", "value": figures["frechet/pixels"]["value"]}
    cards = pytest.importorskip("huggingface_hub.repocard")
    read = cards.ModelCard.load("out/README.md").data
    assert read.model_name == "gan-digits"
    assert read.eval_results[0].metric_value == figures["frechet/pixels"]["value"]
    # Of another step than the exported one, they are not the network's.
    stored = json.loads((run / "evaluation.json").read_text())
    stored["generator"]["step"] = 1
    (run / "evaluation.json").write_text(json.dumps(stored))
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    assert "model-index" not in Path("out/README.md").read_text()


def test_nothing_of_the_machine_goes_along(
    workplace: Path, gan_train: Command, gan_export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_folder(workplace / "my photos", 24)
    monkeypatch.syspath_prepend(str(workplace))
    overrides = ("dataset=image_folder", f"dataset.path={photos}", f"hydra.run.dir={workplace / 'run'}", *SHORT, *TINY)
    assert gan_train(*overrides).status == 0
    run = RunDirectory(workplace / "run")
    config = run.stored_config()
    OmegaConf.update(config, "callback", {"webhook": {"_target_": "gan_cli.x.Y", "url": "https://x.example/secret"}})
    OmegaConf.save(config, run.config_file)
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    for file in Path("out").iterdir():
        content = file.read_bytes()
        assert str(workplace).encode() not in content, file
        assert b"secret" not in content, file
    assert OmegaConf.load("out/training.yaml").dataset.path == "my photos"


def test_names_of_paths_alone_are_left() -> None:
    config = OmegaConf.create(
        {
            "a": ["/home/ada/x.csv", "C:\\Users\\ada\\data", "~/pets", "shards/{000..146}.tar", "/"],
            "b": {"url": "https://x.example/a/b", "c": "${b.url}", "n": 3, "none": None, "home": "~"},
        }
    )
    assert OmegaConf.to_container(without_folders(config)) == {
        "a": ["x.csv", "data", "pets", "shards/{000..146}.tar", "/"],
        "b": {"url": "https://x.example/a/b", "c": "${b.url}", "n": 3, "none": None, "home": "~"},
    }


def test_model_that_is_meant(run: Path, gan_export: Command, gan_sample: Command, gan_eval: Command) -> None:
    for kind in ("hub", "safetensors"):
        assert gan_export("run", "--format", kind).status == 0

    def found(typed: str) -> StoredModel:
        return find_model(Path(typed), "gan-sample ")

    assert found("run") == found("run/checkpoints/last.pt") == RunCheckpoint(RunDirectory(Path("run")))
    assert found("run/export/hub") == found("run/export/hub/config.json") == ExportedModel(Path("run/export/hub"))
    assert found("run/export/safetensors") == RunCheckpoint(RunDirectory(Path("run"))), "a file of the run"
    shutil.copytree("run/export/safetensors", "weights")
    words = refused(gan_sample, "weights")
    assert words == "weights/config.json describes no model that can be loaded: gan-export --format hub writes one"
    done = gan_export("weights", "--push", "ada/digits")
    assert (done.status, done.err) == (2, f"gan-export: {words}\n")
    done = gan_eval("run/export/hub")
    assert done.status == 2
    assert done.err == (
        "gan-eval: run/export/hub is an exported model, without its data: gan-sample run/export/hub --n 10000 --out"
        " samples.npy, then gan-eval RUN_DIR --samples samples.npy with a run on the same data\n"
    )
    assert gan_eval("hub:ada/digits").err.startswith("gan-eval: hub:ada/digits is an exported model")


def test_state_is_that_of_a_checkpoint(run: Path, gan_export: Command) -> None:
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    exported, stored = ExportedModel(Path("out")), RunCheckpoint(RunDirectory(run), NamedCheckpoint.last)
    state, wanted = exported.load_state(), stored.load_state()
    assert (state["step"], state["data"]) == (wanted["step"], wanted["data"])
    average = wanted["algorithm"]["average"]
    for key in ("average", "generator"):
        assert state["algorithm"][key].keys() == average.keys()
        assert all(np.array_equal(state["algorithm"][key][name], average[name]) for name in average)
    assert state["algorithm"]["classes"] == 0
    spec_of(exported).load_sampler(exported, GeneratorWeights.raw)


STRANGE: dict[str, tuple[dict[str, Any], str]] = {
    "version": ({"version": 2}, "expected a model of version 1, got 2: another gan_cli wrote it"),
    "no version": ({"version": None}, "expected a model of version 1, got None"),
    "classes": ({"condition": 10}, "does not fit the configuration of its run"),
    "many classes": ({"condition": 10**9}, "it has 1000000000 classes"),
    "no classes": ({"condition": None}, "does not fit the configuration of its run"),
    "step": ({"step": "soon"}, "does not fit the configuration of its run"),
    "data": ({"data": ["digits"]}, "what it has as data is no identity of data"),
}
WILD = {
    "dataset.radius": ("abc", "training.yaml"),
    "architecture.generator_hidden": ([65536, 65536, 65536], "does not fit the configuration of its run"),
    "architecture.latent_dim": (65536, "does not fit the configuration of its run"),
    "architecture._target_": ("os.system", "os.system"),
    "algorithm._target_": ("torch.hub.load", "torch.hub.load"),
    "architecture.generator_hidden.0": ("${oc.env:HOME}", "expected plain values and keys"),
    "train.batch_size": (-1, "train.batch_size"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_description_costs_one_line(name: str, folder: Path, gan_sample: Command) -> None:
    stored, words = STRANGE[name]
    change(folder, **stored)
    assert words in refused(gan_sample, "out")


@pytest.mark.parametrize("key", WILD)
def test_wild_configuration_costs_one_line_and_no_memory(key: str, folder: Path, gan_sample: Command) -> None:
    value, words = WILD[key]
    reconfigure(folder, key, value)
    assert words in refused(gan_sample, "out")


def safetensors(header: dict[str, Any] | bytes, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def one(dtype: str, shape: list[int], length: int) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, length]}}


DAMAGED = {
    "empty": b"",
    "text": b"weights, as it were",
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "long header": struct.pack("<Q", 2**40) + b"{}",
    "header beyond the file": struct.pack("<Q", 2**20) + b"{}",
    "no JSON": safetensors(b"[" * 1000),
    "more than there is": safetensors(one("F32", [2**40], 2**42)),
    "fewer than there are": safetensors(one("F32", [1], 4), bytes(400)),
    "negative": safetensors(one("F32", [-1], 4), bytes(4)),
    "overflow": safetensors(one("F32", [2**62, 2**62], 4), bytes(4)),
    "unknown type": safetensors(one("OBJECT", [1], 4), bytes(4)),
    "complex": safetensors(one("C64", [1], 8), bytes(8)),
    "other names": safetensors(one("F32", [1], 4), bytes(4)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_weights_cost_one_line(name: str, folder: Path, gan_sample: Command) -> None:
    (folder / "model.safetensors").write_bytes(DAMAGED[name])
    assert "out/model.safetensors" in refused(gan_sample, "out")


@pytest.mark.parametrize("name", ["config.json", "training.yaml"])
@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"stored_model": 3}', "\0", "[" * 50_000])
def test_damaged_texts_cost_one_line(name: str, content: str, folder: Path, gan_sample: Command) -> None:
    (folder / name).write_text(content)
    assert refused(gan_sample, "out")


def test_files_that_are_not_there(folder: Path, gan_sample: Command) -> None:
    (folder / "training.yaml").unlink()
    assert "out/training.yaml cannot be read: No such file or directory" in refused(gan_sample, "out")
    (folder / "model.safetensors").unlink()
    assert "out is no run directory" in refused(gan_sample, "out")


def test_missing_weights_are_named_to_whoever_loads_them(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"^out/model\.safetensors cannot be read: No such file or directory$"):
        ExportedModel(folder).load_state()
