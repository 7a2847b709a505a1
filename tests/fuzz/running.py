"""One target, fed with so many inputs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.oracle import survives
from tests.fuzz.targets import CANARY, TARGETS


def feed(name: str, examples: int, place: Path, seed: int | None = None) -> int:
    """Feed a target in the folder ``place``; the number of inputs. Without a seed the inputs are always the same.

    Raises:
        Exception: what the smallest input found has raised; see ``oracle.survives``.
    """
    target, count = TARGETS[name], 0

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(target.inputs)
    def fed(value: object) -> None:
        nonlocal count
        count += 1
        survives(lambda: target.read(value), place / CANARY)

    place.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(place) if hasattr(contextlib, "chdir") else _inside(place):
        (fed if seed is None else hypothesis.seed(seed)(fed))()
    return count


@contextlib.contextmanager
def _inside(place: Path):  # type: ignore[no-untyped-def]
    """``contextlib.chdir``, which Python 3.10 has not."""
    import os

    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)
