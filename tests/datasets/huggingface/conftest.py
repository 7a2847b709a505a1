"""What tests of Hugging Face datasets share: the library without a network, a folder and a data root."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """The library, kept from looking anything up on the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets", reason="needs gan-cli[huggingface]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "animals"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"
