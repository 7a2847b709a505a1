"""Download one file from the first of several mirrors that serves it complete and correct."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from gan_cli.errors import DataError
from gan_cli.storage.files import replacing_durably

logger = logging.getLogger(__name__)

# Seconds to connect, and seconds of silence between two chunks of the response.
TIMEOUT = (10.0, 30.0)
CHUNK_BYTES = 2**16


def download(name: str, mirrors: Sequence[str], folder: Path, check: Callable[[Path], object]) -> Path:
    """Fetch ``name`` from the first mirror that has it, and put it into ``folder``.

    The file gets its name only after it was checked and is safely on disk, so that several processes may fetch it
    at once, and an interrupted download leaves nothing behind under that name.

    pooch transfers the file; its ``retrieve`` would compare the checksum of what was transferred, while mirrors pack
    the same content differently, repeat what fails for good (status 404) after a pause, and leave temporary files
    under names that cannot be told from a user's, and whole ones that others may not read.

    Args:
        name: name of the file, below each mirror's address and in the folder.
        mirrors: addresses of folders, tried in this order.
        folder: where to put the file; made if there is none.
        check: called with the path of what was downloaded; raises ``DataError`` if that is not the right file.

    Returns:
        Path of the file.

    Raises:
        DataError: the folder cannot be written, or no mirror gave the file; names the reason for each mirror.
    """
    attempts = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with replacing_durably(folder / name) as part:
                _fetch(url, part)
                _check(part, check)
        except _MirrorError as error:
            attempts.append(f"{url}: {error}")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
        else:
            return folder / name
    raise DataError(f"{name}: no mirror gave it ({'; '.join(attempts) or 'none is configured'}).")


class _MirrorError(Exception):
    """The failure of a mirror, in a few words."""


def _fetch(url: str, part: Path) -> None:
    from pooch import HTTPDownloader  # slow to import, and rarely needed

    logger.info("downloading %s", url)
    # Shown on terminals alone (disable=None). pooch ignores a bar without a total; it sets the real one.
    with tqdm(desc=url.rpartition("/")[2], total=1, unit="B", unit_scale=True, disable=None) as progress:
        fetch = HTTPDownloader(
            progressbar=progress,
            chunk_size=CHUNK_BYTES,
            timeout=TIMEOUT,
            # Archives must arrive as they are, not compressed once more in transit.
            headers={"Accept-Encoding": "identity"},
        )
        try:
            fetch(url, part, None)
        except (OSError, ValueError) as error:  # ValueError: a malformed answer
            # Errors of the network come as OSErrors of requests, without a number; those of the file have one.
            if getattr(error, "errno", None) is not None:
                raise
            raise _MirrorError(_reason(error)) from error


def _check(part: Path, check: Callable[[Path], object]) -> None:
    try:
        check(part)
    except DataError as error:
        raise _MirrorError(f"sent a wrong file: {str(error).removeprefix(f'{part}: ')}") from error


def _reason(error: BaseException) -> str:
    """Return why a mirror failed, in a few words: its HTTP status, or the first cause in the chain."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(str(text), 120)
