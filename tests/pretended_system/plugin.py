"""``python -m pytest -p tests.pretended_system.plugin``: tests on the system that lacks these things."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from tests.pretended_system import FOLDER, sitecustomize

__all__ = ["sitecustomize"]

# Processes that tests start are on the same system.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))


def _skip(*_: object, **__: object) -> NoReturn:
    pytest.skip("needs a symbolic link")


os.symlink = _skip


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is tested of Unix itself."""
    if item.get_closest_marker("posix"):
        pytest.skip("needs signals, FIFOs, rights or processes of Unix")
