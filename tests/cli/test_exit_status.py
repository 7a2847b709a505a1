"""The end of a command as its caller sees it: output that goes away, any encoding, Ctrl-C, few descriptors."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_cli.cli import exit_status
from gan_cli.errors import OutputError, as_user_error
from gan_cli.runtime import keyboard_interrupt
from tests.conftest import TINY

DRY = ("gan_cli", *TINY, "dry_run=true")
HELPS = [("gan_cli.cli.sample", "--help"), ("gan_cli.cli.report", "--help"), ("gan_cli", "--version")]
FULL = Path("/dev/full")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", *arguments], stderr=subprocess.PIPE, text=True, timeout=120, **options
    )


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [pytest.param(DRY, marks=pytest.mark.slow), *HELPS])
def test_full_disk_behind_the_output_costs_one_line(command: tuple[str, ...], workplace: Path) -> None:
    with FULL.open("w") as full:
        done = run(*command, stdout=full)
    # argparse drops what it cannot print of its help.
    assert done.returncode == (0 if "--help" in command else 2)
    assert "--help" in command or done.stderr.splitlines()[-1].endswith("No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", HELPS)
def test_closed_pipe_behind_the_output_is_quiet(command: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*command, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def status_of(work: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as left:
        exit_status.exit_with_status("gan-x", work)
    return left.value.code, capsys.readouterr().err


def failing(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), "gan-x: Permission denied: 'a\\nb'\n"),
        (OSError(errno.EMFILE, "Too many open files", "f"), "gan-x: Too many open files: 'f'\n"),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), "gan-x: Too many open files\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "gan-x: cannot write: No space left on device\n"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "gan-x: the working directory is gone\n"),
    ],
)
def test_what_the_machine_denies_costs_one_line(
    error: BaseException, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(failing(error), capsys) == (2, line)
    assert isinstance(as_user_error(error), OutputError)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "No such file", "x"), KeyError("x"), ImportError("x")]
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        exit_status.exit_with_status("gan-x", failing(error))


def test_interrupt_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(failing(KeyboardInterrupt()), capsys) == (130, "gan-x: interrupted\n")


def test_text_that_the_encoding_lacks_is_escaped() -> None:
    code = (
        "from gan_cli.cli.exit_status import exit_with_status\n"
        "exit_with_status('gan-x', lambda: print('größe \\udcff 你') or 0)"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"gr\\xf6\\xdfe \\udcff \\u4f60\n")


def test_interrupt_inside_an_import_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    with pytest.raises(KeyboardInterrupt):
        keyboard_interrupt.raise_or_leave(signal.SIGINT, sys._getframe())
    assert left == []
    inside = types.ModuleType("inside")
    code = "import signal, sys\nfrom gan_cli.runtime import keyboard_interrupt\nframe = sys._getframe()"
    exec(compile(code, "<frozen importlib._bootstrap>", "exec"), inside.__dict__)
    with pytest.raises(KeyboardInterrupt):  # `os._exit` does not end this process here
        keyboard_interrupt.raise_or_leave(signal.SIGINT, inside.frame)
    assert left == [130]


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["gan_train", "gan_sample", "gan_eval", "gan_report", "gan_export", "gan_bench"])
def test_interrupt_in_the_first_moment_is_quiet(entry: str, workplace: Path) -> None:
    code = (
        "from gan_cli import cli\nfrom gan_cli.runtime import keyboard_interrupt\n"
        f"keyboard_interrupt.leave_on_interrupt()\nprint('entered', flush=True)\ncli.{entry}()"
    )
    for delay in (0.0, 0.02, 0.1, 0.3):
        with subprocess.Popen(
            [sys.executable, "-c", code, "nowhere"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "entered\n"
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            _, message = process.communicate(timeout=60)
        assert process.returncode in (130, 2, -signal.SIGINT)
        assert "Traceback" not in message


@pytest.mark.slow
@pytest.mark.parametrize("descriptors", [5, 6, 8, 12, 20])
def test_few_descriptors_cost_one_line(descriptors: int, workplace: Path) -> None:
    limit = (descriptors, descriptors)
    done = run(*DRY, stdout=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
