"""The short form: every target is fed with the same inputs each time; and what was found by the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.config.compose import compose
from gan_cli.config.nodes import Node
from gan_cli.errors import ConfigError
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import Command
from tests.fuzz import run_directories
from tests.fuzz.running import feed
from tests.fuzz.targets import TARGETS

# Each of their inputs takes a whole command.
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in run_directories.KINDS]


@pytest.mark.parametrize("name", [*(name for name in TARGETS if name not in run_directories.KINDS), *SLOW])
def test_broken_input_costs_one_message(name: str, tmp_path: Path) -> None:
    assert feed(name, 16, tmp_path) >= 16


@pytest.mark.parametrize("value", [[], {}, ["a"]])
def test_unhashable_value_of_a_word_is_refused(value: object) -> None:
    node = {"_target_": "gan_cli.architectures.dcgan.DCGAN", "norm_d": value}
    with pytest.raises(ConfigError, match=r"^architecture\.norm_d: expected "):
        Node.parse(node, "architecture", object)
    device = {"_target_": "gan_cli.config.schema.DeviceSection", "precision": value}
    with pytest.raises(ConfigError, match=r"^device\.precision: expected "):
        Node.parse(device, "device", object)


def test_message_does_not_repeat_a_long_value() -> None:
    with pytest.raises(ConfigError) as refused:
        Node.parse("x" * 5000, "algorithm", object)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "seed: ${unique_dir:canary}",
        "seed: ${oc.env:HOME}",
        "dataset: {root: '${oc.env:GAN_DATA,${unique_dir:canary}}'}",
        "seed: ${hydra:run.dir}",
        "a: &a [x]\nb: &b [" + "*a," * 200 + "]\nc: [" + "*b," * 200 + "]",
        "a: " + "[" * 100 + "]" * 100,
        "a: " + "x" * 2**20,
        "a: !!python/object/apply:os.mkdir [canary]",
    ],
)
def test_stored_config_calls_nothing_and_is_bounded(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    with pytest.raises(ConfigError):
        RunDirectory(tmp_path).stored_config()
    assert not (tmp_path / "canary").exists()


def test_stored_data_root_is_still_asked_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("dataset: {root: \"${oc.env:GAN_DATA,'~/.cache/gan_cli'}\"}")
    assert "dataset" in RunDirectory(tmp_path).stored_config()


@pytest.mark.parametrize(
    "override", ["loss=" + "x" * 3000, "loss = " + "9" * 5000, "seed=" + "x" * 5000, "loss@x" + "9" * 5000]
)
def test_long_override_is_not_repeated_whole(override: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose([override])
    assert 0 < len(str(refused.value)) <= 2000


def test_name_that_is_too_long_costs_one_line(gan_sample: Command) -> None:
    done = gan_sample("x" * 5000)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "File name too long" in done.err
