"""Pictures of 16 bits, which Pillow writes in grey alone, as PNG files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.storage.deep_pixels import Depth, depth_of, read_numbers
from gan_cli.storage.reading import open_regular

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Channels -> PNG's type of color.
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
BITS = 16


@dataclass(frozen=True)
class DeepImage:
    """A picture of 16 bits.

    Attributes:
        pixels: ``(H, W, C)``, grey, RGB or RGBA.
    """

    pixels: npt.NDArray[np.uint16]

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as Pillow has them."""
        return self.width, self.height

    def png(self, texts: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """Encode as PNG, with rows that stand as they are, of which an enlarged picture repeats many.

        Args:
            texts: keyword -> text, for chunks of international text.
        """
        height, width, channels = self.pixels.shape
        header = struct.pack(">IIBBBBB", width, height, BITS, COLOR_TYPES[channels], 0, 0, 0)
        rows = np.ascontiguousarray(self.pixels, ">u2").view(np.uint8).reshape(height, -1)
        filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
        compressed = zlib.compress(filtered.tobytes(), level=1)
        chunks = [(b"IHDR", header), *((b"iTXt", _text(*each)) for each in texts.items()), (b"IDAT", compressed)]
        return SIGNATURE + b"".join(_chunk(*each) for each in (*chunks, (b"IEND", b"")))


def read_deep_png(file: Path, max_side: int) -> DeepImage | None:
    """Read a PNG of 16 bits; None where it is none, is damaged, or has a side of more pixels."""
    try:
        with open_regular(file) as opened, Image.open(opened, formats=("PNG",)) as image:
            if max(image.size) > max_side or depth_of(image) is not Depth.uint16:
                return None
            return DeepImage(read_numbers(image, Depth.uint16).astype(np.uint16))
    except Exception:  # Pillow raises nearly anything on damaged files
        return None


def _text(keyword: str, text: str) -> bytes:
    """Return the content of a chunk of text that is not compressed, of no language."""
    return keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8", "replace")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
