"""What is read of an evaluation's document, and how few samples make one quick."""

from __future__ import annotations

import json

FEW = ("--n", 40)


def figures(text: str) -> dict[str, float]:
    return {name: figure["value"] for name, figure in json.loads(text)["figures"].items()}


def floors(text: str) -> dict[str, float]:
    return {name: figure["floor"] for name, figure in json.loads(text)["figures"].items()}
