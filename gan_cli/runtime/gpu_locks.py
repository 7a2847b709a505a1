"""Choice of a GPU (``device.index``): one that no other run of this project has claimed, where there is one.

A claim is a lock on a file, which the system releases when the process that holds it ends. Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gan_cli.errors import ConfigError
from gan_cli.runtime import torchrun
from gan_cli.storage import locks
from gan_cli.storage.files import writing

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """Claim of a process on a GPU, for as long as the process lives or keeps this object.

    Attributes:
        index: of the GPU in the list of those that are visible.
        others: number of other claims on it.
        lock: the open file that holds the claim.
    """

    index: int
    others: int
    lock: BinaryIO


def locks_folder() -> Path:
    """Return the folder of this user's locks on this machine; not in the home directory, which machines may share."""
    user = os.getuid() if hasattr(os, "getuid") else "user"  # Windows has a folder for temporary files per user
    return Path(tempfile.gettempdir()) / f"gan_cli-gpus-{user}"


def choose(wanted: int | str, gpus: Sequence[str], folder: Path) -> int:
    """Return the GPU to compute on, as an index into ``gpus``.

    Args:
        wanted: ``device.index``: a number, or ``auto``.
        gpus: an identifier of each visible GPU that is unique on the machine, such as its UUID.
        folder: of the locks.

    Raises:
        ConfigError: there is no GPU of that number.
        OutputError: the locks cannot be written.
    """
    if isinstance(wanted, int):
        if wanted >= len(gpus):
            raise ConfigError(f"device.index: expected auto or {_numbered(gpus)}, got {wanted}")
        return wanted
    rank = torchrun.local_rank()
    if rank is not None:  # torchrun has assigned the processes already
        if rank >= len(gpus):
            raise ConfigError(
                f"device.index: this is process {rank} of this machine, which has {len(gpus)} GPUs, one for each:"
                f" torchrun --nproc-per-node={len(gpus)}, or device=cpu"
            )
        return rank
    return _process_claim(tuple(gpus), folder).index


@functools.cache
def _process_claim(gpus: tuple[str, ...], folder: Path) -> Claim:
    """Return the one claim of this process, which its runs share one after another."""
    claimed = claim(gpus, folder)
    if claimed.others and len(gpus) > 1:
        logger.info(
            "device: all %d GPUs are taken; sharing number %d with %d other runs",
            len(gpus),
            claimed.index,
            claimed.others,
        )
    elif claimed.others:
        logger.info("device: sharing the only GPU with %d other runs", claimed.others)
    return claimed


def claim(gpus: Sequence[str], folder: Path) -> Claim:
    """Claim the GPU with the fewest claims on it; the first of several.

    Each claim on a GPU is a lock on a file of its own. One process at a time counts and claims, so that no two
    take the same GPU for free.

    Raises:
        OutputError: the locks cannot be written.
    """
    with writing(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        with locks.lock(folder / "counting"):  # waits, but only while others count
            claims = [_count_claims(folder, gpu) for gpu in gpus]
            index = min(range(len(gpus)), key=claims.__getitem__)
            return Claim(index, claims[index], _take_free_lock(folder, gpus[index]))


def _count_claims(folder: Path, gpu: str) -> int:
    """Return the number of locks on a GPU that any process holds."""
    held = 0
    for file in folder.glob(f"{_name(gpu)}.*"):
        lock = locks.try_lock(file)
        if lock is None:
            held += 1
        else:
            lock.close()
    return held


def _take_free_lock(folder: Path, gpu: str) -> BinaryIO:
    """Take the first lock on the GPU that no process holds."""
    number = 0
    while (lock := locks.try_lock(folder / f"{_name(gpu)}.{number}")) is None:
        number += 1
    return lock


def _name(gpu: str) -> str:
    return hashlib.sha256(gpu.encode()).hexdigest()[:16]


def _numbered(gpus: Sequence[str]) -> str:
    return "0, the only one" if len(gpus) == 1 else f"0 to {len(gpus) - 1}"
