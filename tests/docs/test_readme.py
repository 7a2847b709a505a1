"""Every command of the README and of the pages works as it is written, at least as a dry run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.recipes import CONF, CONF_DIR, EXPERIMENT_DIR
from gan_cli.cli import sample
from gan_cli.evaluation import factory
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.image_folder import make_folder
from tests.helpers.options import missing_package
from tests.helpers.paths import ROOT

README = (ROOT / "README.md").read_text()
# Pages whose commands are tried elsewhere: with the files that they need (test_extending.py, test_data.py,
# test_sharing.py), as recipes, or as stations of the tour (tests/tour).
OTHERS = ("extending", "claims", "mixtures", "architecture", "tour", "data", "sharing")
PAGES = [page.stem for page in sorted((ROOT / "docs").glob("*.md")) if page.stem not in OTHERS]
DOCS = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in PAGES)
MAX_README_LINES = 150
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", README + DOCS, flags=re.DOTALL))
COMMANDS = [
    # The docs' commands are for the top of a checkout, and are tried in an empty folder.
    [str(CONF_DIR) if word == CONF else word for word in shlex.split(line, comments=True)]
    for line in BLOCKS.splitlines()
    if line.startswith("gan-")
]
ANSWERED = (["--help"], ["--version"])
# Of the generator of `mlp`.
LATENT_DIM = 100
EXAMPLE = "outputs/2026-01-31/12-00-00"
pytestmark = pytest.mark.usefixtures("remembered_entropy")


def fits(tag: str, name: str) -> bool:
    """Whether the tag is one of a kind that is explained as a whole, alarms by their own row."""
    if name == "diagnosis/<alarm>":
        return tag.startswith("diagnosis/") and f"| `{tag.removeprefix('diagnosis/')}` |" in DOCS
    return tag.startswith("divergence/") and tag.endswith("_held_out") and f"`{name}`" in DOCS


def of(name: str) -> list[list[str]]:
    return [words[1:] for words in COMMANDS if words[0] == name]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))])
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_there_are_ten_recipes() -> None:
    recipes = README.split("## Ten recipes")[1].split("```")[1]
    assert len([line for line in recipes.splitlines() if line.startswith("gan-train")]) == 10


@pytest.mark.parametrize("arguments", [words for words in of("gan-train") if words[:1] in ANSWERED], ids=" ".join)
def test_flags_that_are_answered_at_once(arguments: list[str], gan_train: Command) -> None:
    assert gan_train(*arguments).status == 0


@pytest.mark.parametrize("arguments", [words for words in of("gan-train") if words[:1] not in ANSWERED], ids=" ".join)
def test_gan_train(arguments: list[str], gan_train: Command, finished_run: FinishedRun) -> None:
    if {f"{key}={EXAMPLE}" for key in ("resume", "init", "fork")} & set(arguments):
        finished_run(EXAMPLE, *SHORT, *TINY)
    for package in filter(missing_package, arguments):
        pytest.skip(f"needs what {package} takes")
    make_data(arguments)
    done = gan_train(*rehearsed(arguments), "dry_run=true")
    assert done.status == 0, done.err
    assert "parameters" in done.out
    launching = [item for item in arguments if item.startswith(("hydra/launcher=", "hydra.launcher."))]
    assert gan_train(*launching, "--cfg", "hydra").status == 0


def make_data(arguments: list[str]) -> None:
    """Make the files that a command names: a dry run looks for them."""
    paths = [Path(item.partition("=")[2]) for item in arguments if item.startswith("dataset.path=")]
    captions = Path(os.environ["GAN_DATA"], "text", "image_coco.txt")
    for path in [*paths, *([captions] if "experiment=seqgan_coco" in arguments else [])]:
        if path.suffix == ".txt":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            make_folder(path, 8)


def rehearsed(arguments: list[str]) -> list[str]:
    """A command without what a dry run can do without: other processes, an earlier sweep, more than one proposal.

    Nor more than one seed where the sweep is over something else as well: a dry run is the same for all of them.
    """
    others = ("hydra/launcher=", "hydra.launcher.", "sweep.continue=")
    one = ["hydra.sweeper.n_trials=1"] if "hydra/sweeper=optuna" in arguments else []
    swept = "-m" in arguments and any("," in item for item in arguments if not item.startswith("seed="))
    seeds = [re.sub(r"^seed=(range\()?(\d+),.*", r"seed=\2", item) if swept else item for item in arguments]
    kept = [item for item in seeds if not item.startswith(others)]
    # The example has no checkpoint of the step that a fork of a page begins from.
    return [re.sub(r"^step=\d+$", "step=last", item) for item in kept] + one


@pytest.mark.parametrize("arguments", of("gan-bench"), ids=" ".join)
def test_gan_bench(arguments: list[str], gan_bench: Command) -> None:
    done = gan_bench(*arguments, "dry_run=true")
    assert done.status == 0, done.err
    assert "parameters" in done.out


@pytest.mark.parametrize("arguments", of("gan-sample"), ids=" ".join)
def test_gan_sample(arguments: list[str], finished_run: FinishedRun, gan_sample: Command) -> None:
    finished_run(EXAMPLE, *SHORT, *TINY)
    if any(word.endswith(".mp4") for word in arguments):
        pytest.importorskip("imageio_ffmpeg")
    # The user's own files, which some commands read.
    np.save("z.npy", np.zeros((2, LATENT_DIM), np.float32))
    for name in ("photo.png", "other.png"):
        Image.new("L", (8, 8)).save(name)
    done = gan_sample(*arguments)
    assert done.status == 0, done.err
    for written in done.out.splitlines():
        assert Path(written).exists()


@pytest.mark.parametrize("arguments", of("gan-eval"), ids=" ".join)
def test_gan_eval(
    arguments: list[str],
    finished_run: FinishedRun,
    gan_eval: Command,
    digits_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for run in (EXAMPLE, "outputs/multirun/2026-01-31/12-00-00/0"):
        checkpoints = finished_run(run, *SHORT, *TINY) / "checkpoints"
        shutil.copy(checkpoints / "last.pt", checkpoints / "best.pt")
    monkeypatch.setattr(factory, "DEFAULT_SAMPLES", 100)
    monkeypatch.setenv("GAN_DATA", str(shutil.copytree(digits_root, "data")))
    done = gan_eval(*arguments)
    assert done.status == 0, done.err
    assert list(Path("outputs").rglob("evaluation*.json*"))


@pytest.mark.parametrize("arguments", of("gan-report"), ids=" ".join)
def test_gan_report(arguments: list[str], finished_run: FinishedRun, gan_report: Command) -> None:
    for run in (EXAMPLE, "outputs/multirun/2026-01-31/12-00-00/0"):
        finished_run(run, *SHORT, *TINY)
    done = gan_report(*arguments)
    assert done.status == 0, done.err


@pytest.mark.parametrize("arguments", of("gan-export"), ids=" ".join)
def test_gan_export(arguments: list[str], finished_run: FinishedRun, gan_export: Command) -> None:
    pytest.importorskip("onnxscript")
    finished_run(EXAMPLE, *SHORT, *TINY)
    done = gan_export(*arguments)
    assert done.status == 0, done.err
    assert Path(done.out.strip()).is_dir()


@pytest.mark.parametrize("kind", ["torch", "onnx", "safetensors"])
def test_lines_that_load_an_export_are_those_of_the_card(
    kind: str, finished_run: FinishedRun, gan_export: Command
) -> None:
    """The cards' own lines are run without gan_cli in tests/inference/test_export_formats.py."""
    pytest.importorskip({"onnx": "onnxscript", "safetensors": "safetensors"}.get(kind, "torch"))
    (lines,) = re.findall(rf"```python\n# --format {kind}\n(.*?)```", DOCS, flags=re.DOTALL)
    finished_run("run", *SHORT)
    assert gan_export("run", "--format", kind, "--out", "here").status == 0
    assert f"```python\n{lines}```" in Path("here/README.md").read_text()


@pytest.mark.parametrize("name", sorted(file.stem for file in EXPERIMENT_DIR.glob("*.yaml")))
def test_every_recipe_of_the_benchmarks_is_in_the_page_of_its_kind_and_not_in_the_readme(name: str) -> None:
    page = {"claim": "claims", "bench": "performance", "versus": "comparisons"}[name.partition("_")[0]]
    text = (ROOT / "docs" / f"{page}.md").read_text()
    if page == "claims":  # there the command of every recipe is written out
        assert f"gan-train -m --config-dir {CONF} experiment={name} " in text
    assert re.search(rf"\b{name}\b", text)
    assert f"`{name}`" not in README


def test_every_tag_of_a_run_is_explained(finished_run: FinishedRun) -> None:
    finished_run("run", *SHORT, *TINY)
    line = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[0])
    for tag in set(line) - {"step", "time"}:
        head, _, tail = tag.partition("/")
        explained = f"`{tag}`" in README + DOCS or (f"`{head}/`" in DOCS and f"`/{tail}`" in DOCS)
        names = ("diagnosis/<alarm>", "divergence/<name>_held_out")
        assert explained or any(fits(tag, name) for name in names), tag


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", BLOCKS, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_flags_of_gan_sample_are_those_of_the_readme() -> None:
    flags = {flag for words in of("gan-sample") for flag in words if flag.startswith("--")}
    known = {flag for action in sample._parser()._actions for flag in action.option_strings}
    assert flags <= known
