"""Single pictures of the shape of a run's samples."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_cli.data.image_decoding import (
    FORMATS,
    MODES,
    TURNED,
    Target,
    UnreadImageError,
    decode,
    max_file_bytes,
    read_image_file,
    upright_turn,
)
from gan_cli.data.image_fit import Fit
from gan_cli.errors import ConfigError
from gan_cli.protocols.arrays import FloatArray
from gan_cli.storage.deep_pixels import Depth


def read_picture(option: str, file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Read a picture ``(C, H, W)`` that has the height and width of a run's samples; grey and color are converted.

    Args:
        option: the option that names the file, for messages.
        file: of any format that image datasets take.
        shape: ``(C, H, W)`` of the run's samples.
        dtype: type of the pixels of their pictures, uint8 or uint16: black is -1, white is 1.

    Raises:
        ConfigError: it cannot be read, or has another size.
    """
    channels, height, width = shape
    if channels not in MODES:
        raise ConfigError(f"{option}: samples of {channels} channels are no single picture; FILE.npy holds such ones")
    target = Target((height, width), channels, Fit.stretch, depth=Depth[dtype.name])
    try:
        content = read_image_file(file, max_file_bytes(target.max_pixels))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, and of many pixels, which are counted here
            size = _upright_size(content)
            pixels = decode(content, target) if size == (width, height) else None
    except (UnreadImageError, ValueError) as error:
        raise ConfigError(f"{option}: {file} cannot be read ({error})") from error
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise ConfigError(f"{option}: {file} is no picture of {', '.join(FORMATS)} that can be decoded") from error
    if pixels is None:
        raise ConfigError(
            f"{option}: expected a picture of {width} x {height} pixels, as this run's samples are, got"
            f" {size[0]} x {size[1]} in {file}; Pillow fits one: ImageOps.fit(picture, ({width}, {height}))"
        )
    values: FloatArray = (pixels / np.float64(np.iinfo(dtype).max) * 2 - 1).astype(np.float32)
    return values


def _upright_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture when it is turned upright; its pixels are not decoded."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        width, height = opened.size
        return (height, width) if upright_turn(opened) in TURNED else (width, height)
