"""Memory that data may take: what they need is added up before anything is allocated."""

from __future__ import annotations

import os

from gan_cli.errors import DataError

# Of the memory of this machine, for data: the rest is the run's own, and other programs'.
MAX_SHARE = 0.5


def data_memory() -> int:
    """Return the bytes of memory that data may take on this machine."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MAX_SHARE)


def require_memory(size: int, contents: str, advice: str) -> None:
    """Check that data fit in memory.

    Args:
        size: bytes that they take.
        contents: the data, in words.
        advice: what would make them smaller, in words.

    Raises:
        DataError: they take more than data may.
    """
    if size > data_memory():
        raise DataError(f"{contents} take {size:,} bytes of memory, more than the {data_memory():,} for data; {advice}")
