"""Short runs for tests of loggers, and what they have written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch

from tests.conftest import SHORT, TINY

RUN = (*TINY, *SHORT, "train.steps=6", "train.sample_every=2", "train.checkpoint_every=2", "hydra.run.dir=run")


def lines(folder: str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]


def rows(folder: str = "run") -> list[dict[str, str]]:
    with Path(folder, "metrics.csv").open(newline="") as table:
        return list(csv.DictReader(table))


def assert_table_has_all_lines() -> None:
    assert [int(row["step"]) for row in rows()] == [line["step"] for line in lines()]
    for row, line in zip(rows(), lines(), strict=True):
        assert {tag: float(cell) for tag, cell in row.items() if cell and tag != "time"} == {
            tag: value for tag, value in line.items() if value is not None and tag != "time"
        }


def weights(folder: str) -> torch.Tensor:
    state = torch.load(Path(folder, "checkpoints", "last.pt"), weights_only=True)["algorithm"]
    return torch.cat([tensor.flatten() for tensor in state["generator"].values()])
