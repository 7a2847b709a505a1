"""Runs that are trained once for all tests of the interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import gan_cli
from tests.conftest import SHORT, TINY, FinishedRun
from tests.helpers.families import CADENCE, FAMILIES, TEXT

KINDS = {
    "digits": (*SHORT, *TINY, "train.checkpoint_every=1"),
    "points": (*SHORT, *TINY, "dataset=ring8"),
    "classes": (*SHORT, *TINY, "conditional=true"),
    "text": (*FAMILIES["text"], *CADENCE, "train.steps=2"),
    "diffusion": (*FAMILIES["diffusion"], *CADENCE, "train.steps=2"),
}


@pytest.fixture
def trained(finished_run: FinishedRun, workplace: Path) -> Callable[[str], gan_cli.Run]:
    """``trained(KIND)``: a run of its own, in the folder of that name."""

    def run(kind: str) -> gan_cli.Run:
        (workplace / "lines.txt").write_text(TEXT * 5)
        return gan_cli.open(finished_run(kind, *KINDS[kind]))

    return run
