"""Child processes that train, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.helpers.paths import ROOT
from tests.helpers.preloaded import PreloadedProcess
from tests.soak.sabotage import NOTHING, Sabotage

KILLED = -signal.SIGKILL
# Longer than any of the short runs takes on a busy machine: who waits longer waits in vain.
PATIENCE = 600.0


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: exit status; negative: the signal that ended it.
        err: what it said on stderr.
        seconds: how long it lived.
    """

    status: int
    err: str
    seconds: float

    @property
    def complaint(self) -> str:
        """Its last line, where there is one."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Child:
    """A process that trains."""

    process: subprocess.Popen[str] | PreloadedProcess
    errors: Callable[[], str]
    began: float

    def output(self) -> str:
        """What it has said on stderr so far."""
        return self.errors()

    def ended(self, patience: float = PATIENCE) -> Ended:
        """Wait for its end, which is to come within so many seconds."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end after {patience:.0f} s:\n{self.output()[-2000:]}") from None
        finally:
            if isinstance(self.process, subprocess.Popen):
                for stream in filter(None, (self.process.stdin, self.process.stdout)):
                    stream.close()
        return Ended(status, self.output(), time.monotonic() - self.began)

    def release(self) -> None:
        """Let a child go that waits."""
        assert isinstance(self.process, subprocess.Popen)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None


def start(arguments: tuple[str, ...], data: Path, sabotage: Sabotage = NOTHING) -> Child:
    """``gan-train`` with these arguments, the data root ``data`` and what is done to it."""
    saboteur = ["tests.soak.saboteur", sabotage.as_json(), *arguments]
    environment = {
        **os.environ,
        "GAN_DATA": str(data),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),  # whatever gan_cli is installed, this one is meant
        "NO_PROXY": "*",  # downloads come from this machine
    }
    began = time.monotonic()
    if not (sabotage.waits or sabotage.watch):
        child = PreloadedProcess(saboteur[0], saboteur[1:], environment)
        return Child(child, child.errors, began)
    stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe would make the child wait for its reader
    pipe = subprocess.PIPE if sabotage.waits else None
    silent, command = pipe or subprocess.DEVNULL, [sys.executable, "-m", *saboteur]
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=silent, stderr=stderr, text=True)
    return Child(process, lambda: os.pread(stderr.fileno(), 2**24, 0).decode(), began)


def ready(arguments: tuple[str, ...], data: Path, sabotage: Sabotage = NOTHING) -> Child:
    """The same, with all imports done; it begins when it is released."""
    child = start(arguments, data, replace(sabotage, waits=True))
    assert isinstance(child.process, subprocess.Popen)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == "ready\n", child.ended().err
    return child


def train(arguments: tuple[str, ...], data: Path, sabotage: Sabotage = NOTHING) -> Ended:
    """The same from its beginning to its end."""
    return start(arguments, data, sabotage).ended()


def completed(
    arguments: tuple[str, ...], data: Path, sabotage: Sabotage = NOTHING, patience: float = PATIENCE
) -> Ended:
    """The same, where all is to go well."""
    ended = start(arguments, data, sabotage).ended(patience)
    assert ended.status == 0, f"status {ended.status} of {' '.join(arguments)}:\n{ended.err[-2000:]}"
    return ended


def wait_for(condition: Callable[[], bool], child: Child) -> None:
    """Wait until a condition holds that the child is to bring about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert child.alive(), f"ended before its time:\n{child.ended().err}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
