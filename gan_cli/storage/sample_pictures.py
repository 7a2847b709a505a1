"""Reading of the pictures in ``samples/`` of a run, which may be of unknown origin. Imports no torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.storage.reading import open_regular

# In RGB such a picture takes 200 MB; a grid of 64 samples of 1,024 x 1,024 pixels has as many.
MAX_PIXELS = 2**26


def read_sample_picture(file: Path) -> Image.Image:
    """Read a PNG as RGB; no other format is tried, and nothing is decoded that claims too many pixels.

    Raises:
        OSError: it cannot be read, is no complete picture, or is too large.
    """
    with open_regular(file) as opened, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(opened, formats=("PNG",)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise OSError(f"{image.width} x {image.height} pixels are too many")
                if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
                    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
                picture: Image.Image = image.convert("RGB")
                return picture
        except OSError:
            raise
        except Exception as error:  # Pillow raises nearly anything on damaged files
            raise OSError(str(error) or type(error).__name__) from error
