"""Locks: held by one process, free again once it is dead, a warning where the file system has none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from gan_cli.errors import ConfigError, OutputError
from gan_cli.storage import locks
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import Command, log_messages
from tests.helpers.run_directories import write_run

# Takes a lock, says so, and keeps it until it is killed or its input ends.
HOLDER = """
import sys
from pathlib import Path
from gan_cli.storage import locks
file = locks.try_lock(Path(sys.argv[1]))
print(file is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of the file ``lock``."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.posix
def test_a_lock_is_held_until_its_process_is_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    path = tmp_path / "lock"
    assert locks.is_held(path)
    assert locks.try_lock(path) is None
    holder.kill()
    holder.wait()
    assert not locks.is_held(path)
    taken = locks.try_lock(path)
    assert taken is not None
    with taken:
        assert locks.is_held(path)
    assert not locks.is_held(path)


@pytest.mark.posix
def test_a_lock_is_seen_as_held_without_the_right_to_write_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    (tmp_path / "lock").chmod(0o400)
    assert locks.is_held(tmp_path / "lock")
    assert not locks.is_held(tmp_path / "none")
    assert not (tmp_path / "none").exists(), "a probe makes no file"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_without_support_for_locks_a_warning_says_so_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(descriptor: int, blocking: bool) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filelock, "lock_descriptor", unsupported)
    directory = RunDirectory(tmp_path)
    directory.hydra.mkdir()
    for _ in range(2):
        with directory.locked():
            assert not directory.is_locked
    with locks.lock(tmp_path / ".hydra" / "other"):
        pass
    assert log_messages(caplog) == [
        f"{directory.hydra}: this file system does not support locks ({os.strerror(number)}): nothing stops a second"
        " process from writing here"
    ]


def test_an_error_of_the_disk_is_not_taken_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int, blocking: bool) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(filelock, "lock_descriptor", failing)
    (tmp_path / ".hydra").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*lock: Input/output error"), RunDirectory(tmp_path).locked():
        pass


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "not a regular file"),
        (os.mkdir, "Is a directory"),
        (lambda path: Path(path).symlink_to("/dev/zero"), "not a regular file"),
    ],
    ids=["fifo", "folder", "device"],
)
def test_what_is_no_file_is_one_line(make: type[object], reason: str, tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    make(tmp_path / ".hydra" / "lock")
    with pytest.raises(OutputError, match=f"cannot write .*lock: {reason}"), RunDirectory(tmp_path).locked():
        pass
    assert not RunDirectory(tmp_path).is_locked


@pytest.mark.posix
def test_resume_and_report_do_not_wait_for_a_fifo(gan_train: Command, gan_report: Command, workplace: Path) -> None:
    lock = write_run(workplace / "run") / ".hydra" / "lock"
    os.mkfifo(lock)
    assert gan_report("run").status == 0
    done = gan_train("resume=run", "train.steps=200")
    assert done.status == 2
    assert done.err.count("\n") == 1


@pytest.mark.posix
def test_a_second_process_is_rejected(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    directory = RunDirectory(tmp_path)
    rejected = pytest.raises(ConfigError, match="another process is training in this directory")
    with directory.locked(), rejected, directory.locked():
        pass
