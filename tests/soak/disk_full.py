"""A disk that is full when a checkpoint, a log or a picture is due: told in a line, nothing lost, and no half files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.helpers.run_directories import has_reported
from tests.soak import recipes
from tests.soak.children import Child, completed, start, wait_for
from tests.soak.equality import curves, figures, same, same_run

FULL = "No space left on device"
FULL_FROM = 40
SIZE = "32m"


class NotPermittedError(Exception):
    """This process may not mount file systems."""


@dataclass(frozen=True)
class Sink:
    """What is written to the small disk.

    Attributes:
        said: in words.
        inside: the folder of the run that is on the small disk; ``.``: the run itself.
        outside: folders of the run that are not.
    """

    output: str
    inside: str
    outside: tuple[str, ...] = ()


SINKS = (
    Sink("checkpoint", "checkpoints"),
    Sink("log", ".", outside=("checkpoints", "samples")),
    Sink("picture", "samples"),
)


def soak(place: Path, sinks: tuple[Sink, ...] = SINKS) -> str:
    """Raise AssertionError unless all is as promised, for each sink and both settings of ``train.on_write_error``.

    Raises:
        NotPermittedError: file systems cannot be mounted here.
    """
    arguments, data = recipes.folder_run(recipes.make_pictures(place / "pictures")), place / "data"
    undisturbed = place / "undisturbed"
    completed((*arguments, f"hydra.run.dir={undisturbed}"), data)
    for sink in sinks:
        for policy, check in (("stop", _stops), ("go_on", _goes_on)):
            run = place / f"{sink.output}_{policy}"
            with _small_disk(run, sink) as disk:
                overrides = (*arguments, f"train.on_write_error={policy}", f"hydra.run.dir={run}")
                child = start(overrides, data)
                try:
                    wait_for(has_reported(run, FULL_FROM), child)
                    _fill(disk)
                    check(run, disk, child, data, undisturbed)
                except AssertionError as error:
                    raise AssertionError(f"no space for a {sink.output}, on_write_error={policy}: {error}") from error
                finally:
                    child.process.kill()
    names = ", ".join(sink.output for sink in sinks)
    return f"{names}: stop and go_on as promised; with space again, the runs end bitwise equal"


def _stops(run: Path, disk: Path, child: Child, data: Path, undisturbed: Path) -> None:
    ended = child.ended()
    assert ended.status == 2, f"status {ended.status}:\n{ended.err}"
    assert "Traceback" not in ended.err, ended.err
    assert ended.complaint.startswith("gan-train: cannot write"), ended.err
    assert ended.complaint.endswith(FULL), ended.complaint
    _last_checkpoint_is_good(run)
    _free(disk)
    completed((f"resume={run}",), data)
    same_run(run, undisturbed)


def _goes_on(run: Path, disk: Path, child: Child, data: Path, undisturbed: Path) -> None:
    wait_for(lambda: FULL in child.output(), child)
    _last_checkpoint_is_good(run)
    _free(disk)
    ended = child.ended()
    assert ended.status == 0, f"status {ended.status}:\n{ended.err}"
    assert "Traceback" not in ended.err, ended.err
    states = [torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (run, undisturbed)]
    same(states[0]["algorithm"], states[1]["algorithm"], "algorithm")
    # Some reports may be missing; those that are there are right, and can be read to the last.
    right = figures(undisturbed)
    assert all(line in right for line in figures(run)), "metrics.jsonl: other figures"
    assert figures(run)[-1] == right[-1], "metrics.jsonl: ends too early"
    shown, wanted = curves(run), curves(undisturbed)
    for tag, points in wanted.items():
        assert set(shown[tag]) <= set(points), f"{tag}: other values"
        assert shown[tag][-1] == points[-1], f"{tag}: ends too early"
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


def _last_checkpoint_is_good(run: Path) -> None:
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert state["step"] >= FULL_FROM - 15, state["step"]


@contextlib.contextmanager
def _small_disk(run: Path, sink: Sink) -> Iterator[Path]:
    """A run directory of which the sink's part lies on a small disk; that disk's folder."""
    disk = run / sink.inside
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        raise NotPermittedError(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        for name in sink.outside:
            elsewhere = run.with_name(f"{run.name}_{name}")
            elsewhere.mkdir()
            (run / name).symlink_to(elsewhere)
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk: Path) -> None:
    """Until not a byte goes in."""
    with (disk / ".filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))
    assert shutil.disk_usage(disk).free < os.sysconf("SC_PAGE_SIZE")


def _free(disk: Path) -> None:
    (disk / ".filler").unlink()
