"""Sample grids as data URIs for a page, and samples of text, both bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gan_cli.errors import printable
from gan_cli.storage.reading import open_regular
from gan_cli.storage.sample_pictures import read_sample_picture

MAX_SIDE = 640
QUALITY = 85
# Pictures that are tried, the last ones of a run.
MAX_TRIES = 8


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture embedded in a page.

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


def first_readable_image(files: Sequence[Path]) -> EmbeddedImage | None:
    """Embed the first picture that can be read; the last one of a run that was killed may be incomplete."""
    return next((found for file in files[:MAX_TRIES] if (found := embed_image(file)) is not None), None)


def embed_image(file: Path) -> EmbeddedImage | None:
    """Embed a picture with no side longer than :data:`MAX_SIDE` pixels; None where the file is no complete picture."""
    try:
        picture = read_sample_picture(file)
    except OSError:
        return None
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    # A grid of few colours is smaller without loss, and sharp; photographs are not.
    smallest = min((_webp(picture, lossless) for lossless in (True, False)), key=len)
    text = base64.b64encode(smallest).decode()
    return EmbeddedImage(f"data:image/webp;base64,{text}", picture.width, picture.height, file.name)


def _webp(picture: Image.Image, lossless: bool) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=lossless, quality=QUALITY)
    return file.getvalue()


MAX_LINES = 8
MAX_LINE_LENGTH = 160
# Bytes that are read of a file of sentences: an intact one is small, a damaged one may be of any size.
MAX_BYTES = 2**16


@dataclass(frozen=True)
class Quote:
    """Sentences that a run generated.

    Attributes:
        lines: sentences, shortened where they are long.
        name: of the file they come from.
    """

    lines: tuple[str, ...]
    name: str


def read_quote(file: Path) -> Quote | None:
    """Read the beginning of a file of sentences; None where it cannot be read or is empty."""
    try:
        with open_regular(file) as opened:
            text = opened.read(MAX_BYTES).decode(errors="replace")
    except OSError:
        return None
    lines = [printable(line) for line in text.splitlines() if line.strip()][:MAX_LINES]
    shortened = (line if len(line) <= MAX_LINE_LENGTH else f"{line[: MAX_LINE_LENGTH - 1]}\u2026" for line in lines)
    return Quote(tuple(shortened), file.name) if lines else None
