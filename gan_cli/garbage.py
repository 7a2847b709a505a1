"""When Python's garbage collector need not look. Imports no torch."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """For imports: torch's alone make half a million objects, and all of them stay.

    The collector would walk over them again and again, which takes a fifth of the time to the first step. It rests
    inside, and afterwards takes everything there is for good: what is thrown away later goes once nothing refers to
    it, but is not looked for in cycles.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.enable()
