"""Processes forked from one that has imported torch and gan_cli already: real ones, that start seconds earlier.

Signals, files, exit statuses and working directories are those of any process; what is not tested with them is the
start itself (imports, ``atexit``).
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# All that a run imports, so that every process finds it in memory.
PRELOAD = ("gan_cli.cli.train", "gan_cli.training.single", "gan_cli.training.replicas", "gan_cli.sweeps.job")

# Windows cannot fork: there each process imports all of it.
_forks = "forkserver" in multiprocessing.get_all_start_methods()
_context = multiprocessing.get_context("forkserver" if _forks else "spawn")
if _forks:
    _context.set_forkserver_preload([__name__, *PRELOAD])


class PreloadedProcess:
    """``python -m MODULE ARGUMENTS``; used as a ``Popen`` is.

    Args:
        module: what is run as ``__main__``.
        arguments: of its command line.
        environment: all of its variables; None: the present ones.
        new_session: whether it leads a process group of its own.
        folder: its working directory; None: the present one.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[object],
        environment: Mapping[str, str] | None = None,
        new_session: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.args = [module, *map(str, arguments)]
        self._streams = [tempfile.NamedTemporaryFile("w+", errors="replace") for _ in range(2)]  # noqa: SIM115
        variables = dict(os.environ if environment is None else environment)
        names = [stream.name for stream in self._streams]
        self._process = _context.Process(
            target=_run_module, args=(self.args, str(folder or Path.cwd()), variables, names, new_session)
        )
        self._process.start()
        atexit.register(self.kill)  # what a failed test leaves running ends with the tests
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for the signal that ended the process; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; what was written to stdout and to stderr."""
        self.wait(timeout)
        atexit.unregister(self.kill)
        out, err = self.output(), self.errors()
        for stream in self._streams:
            stream.close()
        return out, err

    def output(self) -> str:
        """What has been written to stdout so far."""
        return Path(self._streams[0].name).read_text(errors="replace")

    def errors(self) -> str:
        """What has been written to stderr so far."""
        return Path(self._streams[1].name).read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class PreloadedGroup:
    """Several processes that train one run, with the environment that ``torchrun`` would give them, but no agent."""

    def __init__(self, count: int, module: str, *arguments: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = {
            "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_WORLD_SIZE": 1, "GROUP_RANK": 0,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }  # fmt: skip
        ranks = [{**shared, "RANK": rank, "LOCAL_RANK": rank} for rank in range(count)]
        self.processes = [
            PreloadedProcess(module, arguments, {**os.environ, **{key: str(value) for key, value in rank.items()}})
            for rank in ranks
        ]

    def send_signal(self, number: int) -> None:
        """Send a signal to each, as torchrun's agent hands on its own."""
        for process in self.processes:
            process.send_signal(number)

    def communicate(self, timeout: float) -> tuple[list[int], str]:
        """Wait for the end of all; their exit statuses, and all that was printed."""
        try:
            printed = ["".join(process.communicate(timeout)) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        return [process.wait() for process in self.processes], "".join(printed)


def _run_module(
    arguments: list[str], folder: str, environment: dict[str, str], files: list[str], new_session: bool
) -> None:
    """Become ``python -m`` in the forked process."""
    if new_session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in enumerate(files, start=1):
        descriptor = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv[1:] = arguments[1:]
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
