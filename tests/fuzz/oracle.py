"""What may come of an input: success, or one clear message; in bounded time, and nothing of the input executed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from gan_cli.errors import UserError

# Of computing, whatever else the machine does; and on the wall, for what waits instead.
SECONDS, WALL_SECONDS = 20, 60
# Of memory, above what the process has before.
MEBIBYTES = 1024
LONGEST_MESSAGE = 2000


class SlowError(AssertionError):
    """The input took longer than it may."""


class HungryError(AssertionError):
    """The input took more memory than it may."""


def _too_slow(number: int, frame: object) -> None:
    raise SlowError(f"took longer than {SECONDS} s")


def survives(work: Callable[[], object], canary: Path) -> None:
    """Run ``work``; anything but success, a refusal by argparse or a short ``UserError`` passes through.

    Raises:
        SlowError, HungryError: it took more time or memory than it may.
        AssertionError: its message is too long, or code of the input was executed.
    """
    resident = _status("VmRSS")
    with contextlib.suppress(OSError):  # resets the peak, where there is /proc
        Path("/proc/self/clear_refs").write_text("5")
    before = {number: signal.signal(number, _too_slow) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WALL_SECONDS)
    try:
        work()
    except UserError as error:
        assert 0 < len(str(error)) <= LONGEST_MESSAGE, f"a message of {len(str(error))} characters"
    except SystemExit as left:
        assert left.code in (0, 2)
    except MemoryError as error:
        raise HungryError("asked for more memory than there is") from error
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not canary.exists(), "code of the input was executed"
    if (taken := _status("VmHWM") - resident) > MEBIBYTES:
        raise HungryError(f"took {taken:,} MiB")


def _status(name: str) -> int:
    """Return a figure of this process in MiB; 0 where there is no /proc."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) // 1024
    return 0
