"""A hub for the tests of exports: huggingface_hub asks it, with a login and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.fake_hub import TOKEN, FakeHub, fake_hub


@pytest.fixture
def hub(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """An empty hub that this process asks, logged in."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with fake_hub() as served:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # Read from the environment when huggingface_hub is imported, which was before.
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(workplace / "hub_cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(workplace / "no_token"))
        # The fake has the older way to store large files alone.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield served
