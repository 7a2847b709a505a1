"""Whether two runs are bitwise equal: states, figures, pictures and TensorBoard's curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CLOCKED = ("time", "speed/")  # what depends on the clock


def same_run(run: Path, other: Path) -> None:
    """Raise AssertionError, which names the first difference, unless both runs ended in the same way."""
    states = [torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (run, other)]
    same(states[0]["step"], states[1]["step"], "step")
    same(states[0]["algorithm"], states[1]["algorithm"], "algorithm")
    same(figures(run), figures(other), "metrics.jsonl")
    same(pictures(run), pictures(other), "samples")
    assert pictures(run), "no samples"
    same(curves(run), curves(other), "TensorBoard")
    partial = [path for path in run.rglob("*") if path.name.endswith((".tmp", ".part"))]
    assert not partial, f"left behind: {partial}"
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


def same(one: Any, two: Any, path: str) -> None:
    """Raise AssertionError, which names the path of the first difference, unless both are equal all the way down."""
    if isinstance(one, dict):
        assert one.keys() == two.keys(), f"{path}: {sorted(set(one) ^ set(two))}"
        for key in one:
            same(one[key], two[key], f"{path}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), f"{path}: {len(one)} and {len(two)} entries"
        for place, (left, right) in enumerate(zip(one, two, strict=True)):
            same(left, right, f"{path}[{place}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two), f"{path}: other numbers"
    else:
        assert one == two, f"{path}: {str(one)[:80]} and {str(two)[:80]}"


def figures(run: Path) -> list[dict[str, float]]:
    """The lines of ``metrics.jsonl`` without what the clock says."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not key.startswith(CLOCKED)} for line in lines]


def pictures(run: Path) -> dict[str, bytes]:
    """The sample pictures, or files of sentences, by name."""
    return {path.name: path.read_bytes() for path in sorted((run / "samples").glob("*step_*"))}


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own reader makes of the directory; of speeds, only the steps. Pictures by their bytes."""
    board = EventAccumulator(str(run), size_guidance={"images": 0, "scalars": 0, "tensors": 0}).Reload()
    found: dict[str, list[tuple[int, float]]] = {}
    for tag in board.Tags()["scalars"]:
        clocked = tag.startswith(CLOCKED)
        found[tag] = [(event.step, 0.0 if clocked else event.value) for event in board.Scalars(tag)]
        steps = [step for step, _ in found[tag]]
        assert steps == sorted(set(steps)), f"{tag}: steps {steps}"
    for tag in board.Tags()["images"]:
        found[tag] = [(event.step, hash(event.encoded_image_string)) for event in board.Images(tag)]
    sentences = "samples/text_summary"
    if sentences in board.Tags()["tensors"]:
        # TensorBoard forgets no text of steps that a resume has dropped: the latest of each step that has a file.
        latest = {event.step: hash(event.tensor_proto.string_val[0]) for event in board.Tensors(sentences)}
        kept = {int(file.stem.removeprefix("step_")) for file in (run / "samples").glob("step_*.txt")}
        found["samples"] = sorted((step, text) for step, text in latest.items() if step in kept)
    return found
