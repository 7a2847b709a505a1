"""What tests of the backbones share: a place where classifiers are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.data.cache import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Store(tmp_path / "root")
