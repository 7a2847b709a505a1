"""What datasets of images have in common."""

from __future__ import annotations

from pathlib import Path

from gan_cli.errors import InvalidValueError, require
from gan_cli.protocols import FloatArray


class ImageDataset:
    """Generated images need no translation: they are already in the data's own coordinates."""

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """``(N, C, H, W)`` in [-1, 1], as they are."""
        return samples


def expanded(key: str, folder: str) -> Path:
    """A folder as a path, with ``~`` replaced by the home directory.

    Raises:
        InvalidValueError: it is empty, or its ``~name`` has no home directory.
    """
    require(folder != "", key, folder, "a folder")
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise InvalidValueError(key, folder, "a folder below a home directory that exists") from error
