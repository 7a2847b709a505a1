"""What a run came to: every logged number as a hexadecimal float, and a digest of every tensor of its checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

RECORDED = Path(__file__).parent / "recorded"
CLOCKED = ("time", "speed/")  # what depends on the clock
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Recording:
    """A run, or the runs that are trained as one.

    Attributes:
        numbers: ``<run>/<step>/<tag>`` -> hexadecimal float.
        state: ``<run>/<path in the checkpoint>`` -> shape, type and digest of a tensor; a plain value as it is.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)


def record(folder: Path) -> Recording:
    """Read the run directories at and below ``folder``."""
    recording = Recording()
    for metrics in sorted(folder.rglob("metrics.jsonl")):
        run = metrics.parent
        prefix = run.relative_to(folder).as_posix()
        recording.numbers.update(_numbers(run, prefix))
        checkpoint = run / "checkpoints" / "last.pt"
        if checkpoint.is_file():
            stored = torch.load(checkpoint, weights_only=True)
            recording.state.update((f"{prefix}{path}", text) for path, text in _leaves(stored["algorithm"], ""))
    return recording


def load(name: str) -> Recording:
    """The recording of a recipe that is kept in this folder."""
    return Recording(**json.loads((RECORDED / f"{name}.json").read_text()))


def store(name: str, recording: Recording) -> None:
    """Keep a recording in this folder."""
    RECORDED.mkdir(exist_ok=True)
    (RECORDED / f"{name}.json").write_text(f"{json.dumps(asdict(recording), indent=0)}\n")


def differences(before: Recording, after: Recording) -> list[str]:
    """One line for each number and tensor that is not bitwise the same."""
    found = []
    for old, new in ((before.numbers, after.numbers), (before.state, after.state)):
        found += [f"{key}: gone" for key in old.keys() - new.keys()]
        found += [f"{key}: new" for key in new.keys() - old.keys()]
        found += [f"{key}: {old[key]} -> {new[key]}" for key in old.keys() & new.keys() if old[key] != new[key]]
    return sorted(found)


def _numbers(run: Path, prefix: str) -> Iterator[tuple[str, str]]:
    for line in (run / "metrics.jsonl").read_text().splitlines():
        logged = json.loads(line)
        for tag, value in logged.items():
            if tag != "step" and not tag.startswith(CLOCKED):
                yield f"{prefix}/{logged['step']}/{tag}", float(value).hex()


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}/{key}")
    elif isinstance(value, (list, tuple)):
        for place, each in enumerate(value):
            yield from _leaves(each, f"{path}/{place}")
    elif isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
        yield path, f"{tuple(plain.shape)} {plain.dtype} {digest}"
    else:
        yield path, value.hex() if isinstance(value, float) else repr(value)
