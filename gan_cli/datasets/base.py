"""What datasets of images, and those of points in the plane, have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from gan_cli.errors import DataError, InvalidValueError, did_you_mean, require
from gan_cli.protocols.arrays import FloatArray


class ImageDataset:
    """Generated images need no translation: they are already in the data's own coordinates."""

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """``(N, C, H, W)`` in [-1, 1], as they are."""
        return samples


class PlaneDataset:
    """Fresh points in the plane: synthetic, and without labels."""

    licence: ClassVar[str] = "Synthetic points, drawn from a formula: free of rights."

    @property
    def shape(self) -> tuple[int, ...]:
        """``(2,)``."""
        return (2,)

    @property
    def classes(self) -> int:
        """0: points come without labels."""
        return 0


def expand_path(key: str, folder: str) -> Path:
    """A folder as a path, with ``~`` replaced by the home directory.

    Raises:
        InvalidValueError: it is empty, or its ``~name`` has no home directory.
    """
    require(folder != "", key, folder, "a folder")
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise InvalidValueError(key, folder, "a folder below a home directory that exists") from error


def check_mirrors(mirrors: Sequence[str]) -> None:
    """Mirrors are addresses on the web.

    Raises:
        InvalidValueError: one of ``mirrors`` is not.
    """
    for mirror in mirrors:
        require(
            mirror.startswith(("https://", "http://")),
            "mirrors",
            mirror,
            "addresses that begin with https:// or http://",
        )


def require_folder(folder: Path) -> Path:
    """The folder itself.

    Raises:
        DataError: there is no such folder; suggests the name that is most like it.
    """
    try:
        if folder.is_dir():
            return folder
        if folder.exists():
            raise DataError(f"{folder}: a file; expected a folder")
        missing = folder
        while not missing.parent.is_dir():
            missing = missing.parent
        siblings = [path.name for path in missing.parent.iterdir() if path.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    raise DataError(f"{folder}: there is no folder {missing}.{did_you_mean(missing.name, siblings)}")
