"""Reading of one checkpoint file, of whatever origin: checked as an archive, then loaded, then checked as a state.

torch checks neither the checksums of its archives nor what their parts add up to. Nothing in a file is executed.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from gan_cli.errors import ConfigError
from gan_cli.storage.reading import MIB, open_regular

# Fragments of the messages by which torch reports that a file refers to code.
CODE = ("GLOBAL ", "unrecognized function", "unrecognized class")
# The list of parts, and the pickle without its tensors; of 50,000 tensors they take that much.
MAX_STRUCTURE_BYTES = 8 * MIB
# Containers and values of a state, and how deep they are nested; networks of 50,000 tensors have a fifth of them.
MAX_ENTRIES, MAX_DEPTH = 1_000_000, 50
MAX_STEP = 10**12


class DamagedCheckpointError(Exception):
    """A file that is truncated, or not a checkpoint; the message says how."""


def load(path: Path) -> dict[str, Any]:
    """Load tensors and plain values from one file to the CPU; nothing in it is executed.

    Returns:
        The state, a dictionary with the number of updates, at least 0, as ``step``.

    Raises:
        ConfigError: the file refers to code, or there is no right to read it.
        DamagedCheckpointError: it cannot be read, or is not a checkpoint.
    """
    try:
        with open_regular(path) as file:
            if file.read(1) == pickle.PROTO:  # gan_cli writes archives, never a bare pickle
                raise _refers_to_code(path)
            _check_parts(file)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if any(words in str(error) for words in CODE):
            raise _refers_to_code(path) from error
        raise DamagedCheckpointError(first_line(error)) from error
    except (ConfigError, DamagedCheckpointError):
        raise
    except PermissionError as error:  # it may be whole: an earlier one would repeat what the run has done since
        raise ConfigError(f"checkpoint {path} cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged bytes can raise anything
        raise DamagedCheckpointError(first_line(error)) from error
    return _checked(state)


def first_line(error: Exception) -> str:
    """Return the reason that an error gives in one line; the name of its class where it gives none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@dataclass(frozen=True)
class _ShortReads:
    """A file of which no large part is read at once: the list of an archive's parts may claim to be of any length."""

    file: BinaryIO

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(MAX_STRUCTURE_BYTES + 1 if size < 0 else min(size, MAX_STRUCTURE_BYTES + 1))
        if len(content) > MAX_STRUCTURE_BYTES:
            raise DamagedCheckpointError(f"the list of its parts is longer than {MAX_STRUCTURE_BYTES:,} bytes")
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True


def _check_parts(file: BinaryIO) -> None:
    """Raise :class:`DamagedCheckpointError` unless the parts of an archive are whole, as torch writes them."""
    length = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(_ShortReads(file)) as archive:
        parts = archive.infolist()
        # torch does not compress, and a small compressed file could expand to fill the memory.
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise DamagedCheckpointError("its parts are compressed")
        # Parts that share their bytes expand as well.
        if sum(part.file_size for part in parts) > length:
            raise DamagedCheckpointError("its parts overlap")
        if any(part.file_size > MAX_STRUCTURE_BYTES and part.filename.endswith(".pkl") for part in parts):
            raise DamagedCheckpointError(f"it has more than {MAX_STRUCTURE_BYTES:,} bytes beside its tensors")
        if (broken := archive.testzip()) is not None:
            raise DamagedCheckpointError(f"{broken!r} has another checksum than it should")


def _checked(state: object) -> dict[str, Any]:
    """Return a state that can be walked through in little time; raises :class:`DamagedCheckpointError`."""
    if not isinstance(state, dict) or "step" not in state:
        raise DamagedCheckpointError("not a checkpoint of gan_cli")
    step = state["step"]
    if not isinstance(step, int) or not 0 <= step <= MAX_STEP:
        raise DamagedCheckpointError("its step is no number of updates")
    entries, level = 0, [state]
    for _ in range(MAX_DEPTH):
        # A container may stand in many places, and is walked through as often.
        level = list(islice(chain.from_iterable(map(_entries, level)), MAX_ENTRIES))
        entries += len(level)
        if not level:
            return state
        if entries >= MAX_ENTRIES:
            break
    raise DamagedCheckpointError("it has more entries, or deeper ones, than a checkpoint can have")


def _entries(value: object) -> Iterable[Any]:
    """Return what a container holds; raises :class:`DamagedCheckpointError` for a tensor without values of its own."""
    if isinstance(value, Mapping):
        return chain(value.keys(), value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return value
    # Expanded, sparse or without values, a tensor of a few bytes could fill the memory once it is copied.
    if isinstance(value, Tensor):
        dense = value.layout is torch.strided and value.device.type == "cpu"
        if not dense or value.nbytes > value.untyped_storage().nbytes():
            raise DamagedCheckpointError("a tensor in it is no array of numbers that the file holds")
    return ()


def _refers_to_code(path: Path) -> ConfigError:
    return ConfigError(
        f"checkpoint {path} rejected: it holds more than tensors and plain values, and loading that could"
        " run code of its author's choice"
    )
