"""docs/python.md works as it is written: its blocks are one program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import gan_cli
from gan_cli.interface import functions, training
from tests.conftest import TINY
from tests.helpers.paths import ROOT

TEXT = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_blocks_are_python() -> None:
    for block in BLOCKS:
        compile(block, "block", "exec")


@pytest.mark.slow
def test_blocks_are_one_program(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With smaller networks."""

    def train(overrides: Sequence[str], *others: Any) -> Any:
        return training.train_in_process([*overrides, *TINY, "train.batch_size=8"], *others)

    monkeypatch.setattr(functions, "train_in_process", train)
    program: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"block {number}", "exec"), program)
    assert program["points"].shape == (1000, 2)
    assert program["first"].shape == (4, 2)
    assert program["same"].checkpoints == [200, 300]
    assert program["samples"].shape == (8, 2)
    assert program["way"].shape == (8, 2)
    assert program["found"].distances.shape == (2,)
    assert program["run"].status == "stopped"
    assert len(program["figures"]) == 3


def test_table_has_the_public_names() -> None:
    names = re.findall(r"^\| `gan_cli\.(\w+)", TEXT, flags=re.MULTILINE)
    assert sorted(names) == [name for name in dir(gan_cli) if not name.startswith("_")]
