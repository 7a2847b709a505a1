"""What may come of an input: success, or one clear message; in bounded time, and nothing of the input executed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from gan_cli.errors import UserError

# Of computing, whatever else the machine does; and on the wall, for what waits instead.
SECONDS, WALL_SECONDS = 10, 120
LONGEST_MESSAGE = 2000


class SlowError(AssertionError):
    """The input took longer than it may."""


def _too_slow(number: int, frame: object) -> None:
    raise SlowError(f"took longer than {SECONDS} s")


def survives(work: Callable[[], object], canary: Path) -> None:
    """Run ``work``; anything but success, a refusal by argparse or a short ``UserError`` passes through."""
    before = {number: signal.signal(number, _too_slow) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WALL_SECONDS)
    try:
        work()
    except UserError as error:
        assert 0 < len(str(error)) <= LONGEST_MESSAGE, f"a message of {len(str(error))} characters"
    except SystemExit as left:
        assert left.code in (0, 2)
    except MemoryError:
        pass  # the commands tell of it in one line
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not canary.exists(), "code of the input was executed"
