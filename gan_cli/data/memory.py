"""Memory that data may take: what they need is added up before anything is allocated."""

from __future__ import annotations

from gan_cli.errors import DataError
from gan_cli.runtime.memory import available_host_memory

# Of the memory that is there, for data: the rest is the run's own.
MAX_SHARE = 0.8
# Where nothing tells how much there is: more than any machine has.
UNKNOWN = 2**60


def data_memory() -> int:
    """Return the bytes of memory that data may take, on this machine and in this process's container."""
    available = available_host_memory()
    return UNKNOWN if available is None else int(available * MAX_SHARE)


def require_memory(size: int, contents: str, advice: str) -> None:
    """Check that data fit in memory.

    Args:
        size: bytes that they take.
        contents: the data, in words.
        advice: what would make them smaller, in words.

    Raises:
        DataError: they take more than data may.
    """
    limit = data_memory()
    if size > limit:
        raise DataError(f"{contents} take {size:,} bytes of memory, more than the {limit:,} for data; {advice}")
