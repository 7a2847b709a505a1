"""What may come of an input: success, or one clear message; in bounded time, and nothing of the input executed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from gan_cli.errors import UserError

SECONDS = 10
LONGEST_MESSAGE = 2000


class SlowError(AssertionError):
    """The input took longer than it may."""


def _too_slow(number: int, frame: object) -> None:
    raise SlowError(f"took longer than {SECONDS} s")


def survives(work: Callable[[], object], canary: Path) -> None:
    """Run ``work``; anything but success, a refusal by argparse or a short ``UserError`` passes through."""
    before = signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(SECONDS)
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
        signal.signal(signal.SIGALRM, before)
    assert not canary.exists(), "code of the input was executed"
