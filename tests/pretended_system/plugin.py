"""``python -m pytest -p tests.pretended_system.plugin``: tests on the system that lacks these things."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tests.pretended_system import FOLDER, sitecustomize

# Processes that tests start are on the same system.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is tested of Unix itself, or of locks."""
    if item.get_closest_marker("posix"):
        pytest.skip("needs signals, FIFOs, rights or processes of Unix")
    if item.get_closest_marker("locks"):
        pytest.skip("needs locks of files")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip a test that makes a symbolic link or a FIFO itself."""
    try:
        return (yield)
    except sitecustomize.AbsentError:
        pytest.skip("needs a symbolic link or a FIFO")
