"""gan-export --push and gan-sample hub:OWNER/NAME, against a hub on 127.0.0.1 that speaks to huggingface_hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from gan_cli.errors import ConfigError
from gan_cli.inference import hub as hub_module
from gan_cli.inference.hub import ModelName, parse_model_name
from tests.conftest import SHORT, TINY, Command, Finished, FinishedRun, log_messages
from tests.helpers.fake_hub import TOKEN, FakeHub, fake_hub

FILES = {"README.md", "config.json", "model.safetensors", "samples.png", "training.yaml"}


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *SHORT, *TINY)


@pytest.fixture
def pushed(run: Path, hub: FakeHub, gan_export: Command) -> FakeHub:
    done = gan_export("run", "--push", "ada/digits")
    assert done.status == 0, done.err
    return hub


def refused(done: Finished, status: int = 2) -> str:
    """The one line of a command that failed."""
    assert done.status == status, done.err
    assert TOKEN not in done.err + done.out
    return done.err.splitlines()[-1]


def same_samples(gan_sample: Command, *models: str) -> None:
    drawn = []
    for number, model in enumerate(models):
        done = gan_sample(model, "--n", 8, "--seed", 3, "--out", f"{number}.npy")
        assert done.status == 0, done.err
        drawn.append(np.load(f"{number}.npy"))
    assert all(np.array_equal(drawn[0], each) for each in drawn)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hub:ada/digits", ModelName("ada/digits")),
        ("hub:ada/digits@v1", ModelName("ada/digits", "v1")),
        ("hub:a.b/c-d_e@refs/pr/1", ModelName("a.b/c-d_e", "refs/pr/1")),
        ("outputs/run", None),
        ("./hub:ada/digits", None),
    ],
)
def test_names_of_models(text: str, name: ModelName | None) -> None:
    assert parse_model_name(text) == name
    assert name is None or str(name) == text


@pytest.mark.parametrize(
    "text", ["hub:", "hub:ada", "hub:ada/", "hub:/digits", "hub:ada/digits@", "hub:a/b/c", "hub:../x", "hub:a/b@ x"]
)
def test_names_of_no_model(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^expected hub:OWNER/NAME or hub:OWNER/NAME@REVISION, got '"):
        parse_model_name(text)


def test_what_is_pushed_is_sampled_from_as_the_run_is(
    pushed: FakeHub, run: Path, gan_sample: Command, gan_export: Command
) -> None:
    ((_, files),) = pushed.repositories["ada/digits"].commits
    assert files.keys() == FILES
    for name, content in files.items():
        assert (run / "export" / "hub" / name).read_bytes() == content
    assert len(pushed.objects) == 2, "weights and picture are large files for a hub"
    assert not pushed.repositories["ada/digits"].private
    card = files["README.md"].decode()
    assert "gan-sample hub:ada/digits --n 64 --seed 0 --out grid.png" in card
    assert yaml.safe_load(card.split("---\n")[1])["library_name"] == "gan-cli"
    same_samples(gan_sample, "run", "hub:ada/digits", "run/export/hub")


def test_folder_is_pushed_as_it_is(run: Path, hub: FakeHub, gan_export: Command, gan_sample: Command) -> None:
    """What its author has written into the card since goes along."""
    assert gan_export("run", "--format", "hub", "--out", "out").status == 0
    card = Path("out/README.md").read_text().replace("license: cc-by-4.0", "license: mit")
    Path("out/README.md").write_text(card)
    Path("out/notes.txt").write_text("mine")
    done = gan_export("out", "--push", "ada/digits")
    assert (done.status, done.out) == (0, f"{hub.address}/ada/digits\n"), done.err
    ((_, files),) = hub.repositories["ada/digits"].commits
    assert files.keys() == FILES
    assert files["README.md"].decode() == card
    same_samples(gan_sample, "run", "hub:ada/digits")
    assert refused(gan_export("out", "--format", "hub")) == (
        "gan-export: out is an export already; --push OWNER/NAME pushes it as it is"
    )
    line = refused(gan_export("out", "--push", "ada/digits", "--out", "other"))
    assert line == "gan-export: --out: expected with a run; out is an export already"


def test_command_says_where_it_has_pushed(run: Path, hub: FakeHub, gan_export: Command) -> None:
    done = gan_export("run", "--push", "ada/digits", "--private", "--out", "out")
    assert (done.status, done.out) == (0, f"out\n{hub.address}/ada/digits\n"), done.err
    assert done.err == ("generator of step 2: README.md, model.safetensors, config.json, training.yaml, samples.png\n")
    assert hub.repositories["ada/digits"].private
    assert gan_export("run", "--push", "ada/digits", "--private", "--out", "out").status == 0


def test_revision_is_sampled_from(
    pushed: FakeHub, finished_run: FinishedRun, gan_export: Command, gan_sample: Command
) -> None:
    finished_run("later", *SHORT, *TINY, "seed=1")
    assert gan_export("later", "--push", "ada/digits").status == 0
    first, second = (number for number, _ in pushed.repositories["ada/digits"].commits)
    same_samples(gan_sample, "run", f"hub:ada/digits@{first}")
    same_samples(gan_sample, "later", "hub:ada/digits", f"hub:ada/digits@{second}")


def test_nothing_is_downloaded_twice_nor_without_a_network(
    pushed: FakeHub, gan_sample: Command, caplog: pytest.LogCaptureFixture
) -> None:
    same_samples(gan_sample, "run", "hub:ada/digits")
    pushed.requests.clear()
    same_samples(gan_sample, "run", "hub:ada/digits")
    assert not [request for request in pushed.requests if request.startswith("GET /ada")]
    pushed.failing = {"/": 503}
    same_samples(gan_sample, "run", "hub:ada/digits")
    words = "hub:ada/digits: the Hub fails (503); another time it may not; what was downloaded before is used"
    assert words in log_messages(caplog)


def test_commands_of_a_process_of_their_own(run: Path, workplace: Path) -> None:
    """Without anything replaced: the environment is what huggingface_hub reads."""
    pytest.importorskip("huggingface_hub")
    with fake_hub() as served:
        settings = {"HF_ENDPOINT": served.address, "HF_TOKEN": TOKEN, "HF_HOME": str(workplace / "home"),
                    "HF_HUB_DISABLE_XET": "1"}  # fmt: skip

        def command(name: str, *arguments: str) -> str:
            done = subprocess.run([sys.executable, "-m", f"gan_cli.cli.{name}", *arguments], text=True, check=False,
                                  capture_output=True, env=os.environ | settings)  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert command("export", "run", "--push", "ada/digits") == f"run/export/hub\n{served.address}/ada/digits\n"
        for model, name in (("run", "own.npy"), ("hub:ada/digits", "hub.npy")):
            command("sample", model, "--n", "4", "--out", name)
    assert np.array_equal(np.load("own.npy"), np.load("hub.npy"))


MISTAKES = {
    "no owner": (("--push", "digits"), "--push: expected OWNER/NAME, the owner being a user or an organization"),
    "other format": (("--push", "a/b", "--format", "onnx"), "--push: expected with --format hub, got --format onnx"),
    "private alone": (("--format", "hub", "--private"), "--private: expected with --push OWNER/NAME"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_the_command(name: str, run: Path, hub: FakeHub, gan_export: Command) -> None:
    arguments, words = MISTAKES[name]
    assert words in refused(gan_export("run", *arguments))
    assert not hub.requests
    assert not (run / "export").exists()


def test_without_a_login_nothing_is_written_or_asked(
    run: Path, hub: FakeHub, gan_export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    line = refused(gan_export("run", "--push", "ada/digits"))
    assert line == ("gan-export: --push: not logged in to the Hugging Face Hub: `hf auth login` logs in, and"
                    " HF_TOKEN=... is a login, too")  # fmt: skip
    assert not hub.requests
    assert not (run / "export").exists()


def test_without_the_extra(
    run: Path, gan_export: Command, gan_sample: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_cli.config.extras.find_spec", lambda package: None)
    words = "this takes huggingface-hub and safetensors, not installed here: pip install 'gan-cli[hub]'"
    assert refused(gan_export("run", "--format", "hub")).startswith("gan-export: --format hub: this takes safetensors")
    assert words in refused(gan_sample("hub:ada/digits"))


def test_public_repository_is_not_pushed_to_as_private(pushed: FakeHub, gan_export: Command) -> None:
    line = refused(gan_export("run", "--push", "ada/digits", "--private"))
    assert line == "gan-export: --private: ada/digits is on the Hub already, and public; nothing was pushed"
    assert len(pushed.repositories["ada/digits"].commits) == 1


ANSWERS = {
    "login": ("/create", 401, 2, "the Hub refuses this (401): no such login, one without the right to it"),
    "right": ("/create", 403, 2, "the Hub refuses this (403): no such login, one without the right to it"),
    "name": ("/create", 400, 2, "the Hub refuses this (400): "),
    "failure": ("/create", 500, 3, "the Hub fails (500); another time it may not"),
    "commit": ("/commit/", 403, 2, "the Hub refuses this (403)"),
    "conflict": ("/commit/", 412, 2, "the Hub refuses this (412): "),
    "large files": ("/objects/", 403, 2, "the Hub refuses this (403)"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_hub_that_refuses_costs_one_line_without_the_token(
    name: str, run: Path, hub: FakeHub, gan_export: Command
) -> None:
    path, status, left_with, words = ANSWERS[name]
    hub.failing, hub.answer = {path: status}, "you sent {authorization}\nand more"
    done = gan_export("run", "--push", "ada/digits")
    assert refused(done, left_with).startswith(f"gan-export: --push ada/digits: {words}")
    assert len(done.err.splitlines()) == 2
    assert not (hub.repositories and hub.repositories["ada/digits"].commits)
    assert {file.name for file in (run / "export" / "hub").iterdir()} == FILES, "the folder is there all the same"


def test_without_a_network(
    run: Path, hub: FakeHub, gan_export: Command, gan_sample: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    line = refused(gan_export("run", "--push", "ada/digits"), 3)
    assert line.startswith("gan-export: --push ada/digits: http://127.0.0.1:9 cannot be reached (")
    line = refused(gan_sample("hub:ada/digits"), 3)
    assert line.startswith("gan-sample: hub:ada/digits: http://127.0.0.1:9 cannot be reached (")


def test_offline_setting(run: Path, hub: FakeHub, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)
    assert "cannot be reached (" in refused(gan_sample("hub:ada/digits"), 3)
    assert not hub.requests


def test_models_that_are_not_there(pushed: FakeHub, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hub:ada/none: the Hub has none of that name, or it is private" in refused(gan_sample("hub:ada/none"))
    assert "hub:ada/digits@v9: there is no such revision" in refused(gan_sample("hub:ada/digits@v9"))
    pushed.repositories["ada/digits"].private = True
    monkeypatch.delenv("HF_TOKEN")
    assert "hub:ada/digits: the Hub refuses this (401)" in refused(gan_sample("hub:ada/digits"))
    pushed.failing = {"/api/": 429}
    assert "the Hub fails (429)" in refused(gan_sample("hub:ada/digits"), 3)


def test_models_that_are_none_of_ours(pushed: FakeHub, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed.sizes["model.safetensors"] = hub_module.MAX_WEIGHTS_BYTES + 1
    assert "its files have more than 17,179,869,184 bytes" in refused(gan_sample("hub:ada/digits"))
    pushed.sizes.clear()
    del pushed.repositories["ada/digits"].commits[0][1]["training.yaml"]
    line = refused(gan_sample("hub:ada/digits"))
    assert "hub:ada/digits has no training.yaml: gan-export --format hub writes what can be loaded" in line
    assert not [request for request in pushed.requests if "/resolve/" in request], "before anything is downloaded"
