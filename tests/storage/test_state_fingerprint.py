"""The fingerprint of a checkpoint's content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gan_cli.storage import checkpoints
from gan_cli.storage.state_fingerprint import state_fingerprint


def state(value: float = 1.0) -> dict[str, Any]:
    return {"step": 3, "algorithm": {"g": {"w": torch.full((2, 3), value)}, "words": ["a", 2]}, "sinks": {"x": value}}


def test_it_is_that_of_the_algorithm(tmp_path: Path) -> None:
    first = state_fingerprint(state())
    assert first == state_fingerprint({**state(), "sinks": {}})
    changed = [{**state(), "step": 4}, state(2.0)]
    transposed = state()
    transposed["algorithm"]["g"]["w"] = transposed["algorithm"]["g"]["w"].reshape(3, 2)
    assert len({first, *map(state_fingerprint, [*changed, transposed])}) == 4
    checkpoints.save(tmp_path, 3, state(), keep=1)
    assert state_fingerprint(checkpoints.load_latest(tmp_path)) == first
    empty = state()
    empty["algorithm"]["g"]["w"] = torch.zeros(0, 4)
    empty["algorithm"]["scalar"] = torch.tensor(2)
    assert len(state_fingerprint(empty)) == 64
