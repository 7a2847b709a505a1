"""``gan-train --version --verbose``: what an issue has to say about the machine."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from gan_cli import __version__
from gan_cli.cli import environment
from gan_cli.cli.environment import verbose_version
from tests.conftest import Command


def facts(block: str) -> dict[str, str]:
    pairs = (line.split("  ", 1) for line in block.splitlines())
    return {name: value.strip() for name, value in pairs}


def test_block_names_versions_machine_and_data(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("GAN_DATA", "some/data")
    done = gan_train("--version", "--verbose")
    assert done.status == 0
    block = facts(done.out)
    assert block["gan_cli"] == __version__
    assert block["torch"] == torch.__version__
    assert block["data root"] == "some/data (GAN_DATA)"
    assert block["devices"].startswith("cpu")
    assert all(block[name] for name in ("python", "system", "processor", "cores", "threads", *environment.PACKAGES))


def test_missing_packages_are_facts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAN_DATA", raising=False)
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package",))
    monkeypatch.setitem(sys.modules, "torch", None)
    block = facts(verbose_version())
    assert block["no-such-package"] == "not installed"
    assert block["torch"] == version("torch")
    assert block["devices"].startswith("torch cannot be imported: ")
    assert block["data root"] == "~/.cache/gan_cli (the default; GAN_DATA is not set)"


def test_foreign_text_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DATA", "a\nb\x1b")
    assert facts(verbose_version())["data root"] == "a\\nb\\x1b (GAN_DATA)"
