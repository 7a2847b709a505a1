"""Faults that a run has to survive, in short; ``python -m tests.soak all`` is the long form (docs/reliability.md)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.cache import Store
from gan_cli.data.download import download
from tests.soak import changed_data, clock, disk_full, kills, memory, recipes, shared_cache
from tests.soak.sabotage import Aim, Jump, Sabotage

DAY = 24 * 60 * 60


def aimed(phase: str) -> kills.Moment:
    (moment,) = (moment for moment in kills.AIMED if moment.phase == phase)
    return moment


@pytest.mark.slow
def test_kill_in_the_middle_of_a_checkpoint(tmp_path: Path) -> None:
    output = kills.soak(tmp_path, [aimed("checkpoint, half written")])
    assert output.startswith("1 of 1 kills end bitwise equal")


@pytest.mark.long
def test_kills_at_random_and_at_the_worst_moments(tmp_path: Path) -> None:
    assert kills.soak(tmp_path, kills.mixture(2 * len(kills.AIMED)), seed=int(time.time()))


@pytest.mark.slow
@pytest.mark.parametrize("sink", disk_full.SINKS, ids=lambda sink: sink.output)
def test_full_disk(sink: disk_full.Sink, tmp_path: Path) -> None:
    try:
        disk_full.soak(tmp_path, (sink,))
    except disk_full.NotPermittedError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_runs_at_once_over_one_cache(tmp_path: Path) -> None:
    shared_cache.soak(tmp_path, processes=4)


@pytest.mark.slow
def test_clocks_that_jump(tmp_path: Path) -> None:
    clock.soak(tmp_path)


@pytest.mark.slow
def test_data_that_change(tmp_path: Path) -> None:
    changed_data.soak(tmp_path)


@pytest.mark.slow
def test_no_growth(tmp_path: Path) -> None:
    memory.soak(tmp_path)


@pytest.mark.gpu
def test_no_growth_on_a_gpu(tmp_path: Path) -> None:
    # The driver of the GPU holds memory of the host for itself, and more of it as it is used.
    memory.soak(tmp_path, most=20.0, arguments=("device.kind=cuda",))


def test_sabotage_survives_its_way_to_the_child() -> None:
    sabotage = Sabotage(Aim("*.pt", 3), Aim("last.pt"), (Jump(-1.0, 5),), "watch", {"name": "digest"}, waits=True)
    assert Sabotage.of_json(sabotage.as_json()) == sabotage


@pytest.fixture
def leftovers(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """What two killed processes left: two days ago, and just now."""
    old, new = tmp_path / "here" / ".a.npz.1.part", tmp_path / "here" / ".a.npz.2.part"
    old.parent.mkdir()
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * DAY,) * 2)
    yield old, new
    assert not old.exists()
    assert new.exists(), "its process may well be alive"


def test_store_removes_what_killed_processes_left(leftovers: tuple[Path, Path], tmp_path: Path) -> None:
    Store(tmp_path).load_or_compute("here", {"key": 1}, lambda: {"numbers": np.arange(3)})


def test_download_removes_what_killed_processes_left(
    leftovers: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with recipes.mirror({"file": b"content"}) as mirror:
        download("file.gz", [mirror], tmp_path / "here", lambda path: None, 1000)
