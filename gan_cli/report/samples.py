"""Sample grids as data URIs that a page can carry: bounded in size, whatever they were."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

LONGEST_SIDE = 640
QUALITY = 85


@dataclass(frozen=True)
class Embedded:
    """A picture inside a page.

    Attributes:
        uri: ``data:image/webp;base64,...``.
        width: in pixels.
        height: in pixels.
        name: of the file it was made from.
    """

    uri: str
    width: int
    height: int
    name: str


def first_whole(files: Sequence[Path]) -> Embedded | None:
    """The first of the pictures that is whole; the last one of a run that was killed may be cut short."""
    return next((found for file in files if (found := embedded(file)) is not None), None)


def embedded(file: Path) -> Embedded | None:
    """A picture for a page, no side longer than :data:`LONGEST_SIDE`; None where the file is no whole picture."""
    try:
        with Image.open(file) as image:
            picture = image.convert("RGB")
    # Pillow's ways to say that this is no picture, not a whole one, or an absurdly large one.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    # A grid of few colours is smaller without loss, and sharp; photographs are not.
    smallest = min((_webp(picture, lossless) for lossless in (True, False)), key=len)
    text = base64.b64encode(smallest).decode()
    return Embedded(f"data:image/webp;base64,{text}", picture.width, picture.height, file.name)


def _webp(picture: Image.Image, lossless: bool) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=lossless, quality=QUALITY)
    return file.getvalue()


MOST_LINES = 8
LONGEST = 160
# More is not read: a file of samples is small, and a damaged one need not be.
MOST_BYTES = 2**16


@dataclass(frozen=True)
class Quote:
    """What a run wrote.

    Attributes:
        lines: sentences, shortened where they are long.
        name: of the file they come from.
    """

    lines: tuple[str, ...]
    name: str


def quoted(file: Path) -> Quote | None:
    """The beginning of a file of sentences; None where it cannot be read or says nothing."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.strip()][:MOST_LINES]
    shortened = (line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\u2026" for line in lines)
    return Quote(tuple(shortened), file.name) if lines else None
