"""Runs of the models beside the GANs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command, FinishedRun
from tests.helpers.families import CADENCE, FAMILIES, TEXT


@pytest.fixture
def lines(workplace: Path) -> None:
    """The sentences that the family ``text`` learns."""
    Path("lines.txt").write_text(TEXT * 5)


@pytest.fixture
def finished(finished_run: FinishedRun, lines: None) -> FinishedRun:
    """``finished(FAMILY, DIRECTORY, STEPS)``: a run of a family, trained once for all tests."""
    return lambda family, directory, steps: finished_run(directory, *FAMILIES[family], *CADENCE, f"train.steps={steps}")


@pytest.fixture
def trained(gan_train: Command, lines: None) -> Command:
    """``gan-train`` of a family, by its name."""

    def run(family: str, *more: object) -> object:
        return gan_train(*FAMILIES[family], *CADENCE, *more)

    return run
