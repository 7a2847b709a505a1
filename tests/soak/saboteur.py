"""A process that is ``gan-train`` but for what its first argument does to it: see ``sabotage.py``.

Files are watched below Python's buffers, where bytes go to the system: a kill in a write leaves half of them behind, as
a real one would that comes at the worst moment.
"""

from __future__ import annotations

import builtins
import fnmatch
import functools
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.soak.sabotage import Aim, Jump, Sabotage


def main() -> None:
    """``python -m tests.soak.saboteur SABOTAGE [arguments of gan-train]``."""
    sabotage = Sabotage.of_json(sys.argv.pop(1))
    if sabotage.kill_in_write is not None:
        _watch_writes(_Turns(sabotage.kill_in_write))
    if sabotage.kill_in_rename is not None:
        _watch_renames(_Turns(sabotage.kill_in_rename))
    for jump in sabotage.jumps:
        if not jump.step:
            _set_step(jump)
    late = [jump for jump in sabotage.jumps if jump.step]
    if late or sabotage.watch:
        _watch_reports(late, Path(sabotage.watch) if sabotage.watch else None)
    if sabotage.checksums:
        from gan_cli.datasets.mnist import Mnist

        Mnist.checksums = sabotage.checksums
    if sabotage.waits:
        import gan_cli.training.single  # noqa: F401 - what takes long

        print("ready", flush=True)
        sys.stdin.read()

    from gan_cli.cli import train

    train.main()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Turns:
    """Counts the calls on files that an aim means."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._left = aim.turn
        self._lock = threading.Lock()

    def meant(self, path: str) -> bool:
        return fnmatch.fnmatch(path, self._aim.file)

    def come(self) -> bool:
        """Whether this call is the one."""
        with self._lock:
            self._left -= 1
            return self._left == 0


class _DeadlyFile(io.FileIO):
    """A file whose write number so-and-so is cut in half by the death of the process."""

    turns: _Turns

    def write(self, data: Any) -> int:
        if self.turns.come():
            view = memoryview(data).cast("B")
            super().write(view[: len(view) // 2])
            _die()
        return super().write(data)


def _watch_writes(turns: _Turns) -> None:
    plain = io.open

    @functools.wraps(plain)
    def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> IO[Any]:
        name = Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(os.fsdecode(file)).absolute()
        if not set(mode) & set("wax") or not turns.meant(str(name)):
            return plain(file, mode, buffering, *rest, **more)
        raw = _DeadlyFile(file, mode.replace("b", "").replace("t", ""))
        raw.turns = turns
        if buffering == 0:
            return raw  # type: ignore[return-value]
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, more.get("encoding"))

    io.open = builtins.open = opened  # type: ignore[assignment]


def _watch_renames(turns: _Turns) -> None:
    def deadly(plain: Callable[..., None]) -> Callable[..., None]:
        def rename(source: Any, target: Any, **more: Any) -> None:
            if turns.meant(str(Path(source).absolute())) and turns.come():
                _die()
            plain(source, target, **more)

        return rename

    os.rename, os.replace = deadly(os.rename), deadly(os.replace)


def _set_step(jump: Jump) -> None:
    before = time.time
    time.time = lambda: before() + jump.seconds


def _watch_reports(jumps: list[Jump], watch: Path | None) -> None:
    from gan_cli.protocols.callbacks import ReportEvent
    from gan_cli.training.monitoring import ActOnAlarms

    plain = ActOnAlarms.on_report

    def on_report(self: ActOnAlarms, event: ReportEvent) -> ReportEvent:
        returned = plain(self, event)
        for jump in [jump for jump in jumps if jump.step <= event.step]:
            jumps.remove(jump)
            _set_step(jump)
        if watch is not None:
            with watch.open("a") as file:
                file.write(json.dumps({"step": event.step, **_held()}) + "\n")
        return returned

    ActOnAlarms.on_report = on_report  # type: ignore[method-assign]


def _held() -> dict[str, int]:
    """Bytes in memory and on the GPU, open files and threads of this process."""
    import torch

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "allocated": torch.cuda.memory_allocated() if torch.cuda.is_available() else 0,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


if __name__ == "__main__":
    main()
