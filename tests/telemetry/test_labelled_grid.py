"""Grids with words: the samples are those of the plain grid, with ink around them."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.inference.label_text import GridWords
from gan_cli.telemetry import images
from gan_cli.telemetry.labelled_grid import labelled_grid, words_size

SAMPLES = np.random.default_rng(0).uniform(-1, 1, (6, 1, 8, 8)).astype(np.float32)
WORDS = {
    "rows": GridWords(rows=("cat", "a name of a class that is far too long for the margin of a picture")),
    "columns": GridWords(("caption",), columns=("1", "2", "1234567890123")),
    "tiles": GridWords(tiles=tuple("abcdef")),
    "all": GridWords(("one", "two"), ("cat", "dög"), ("1", "2", "3"), tuple("abcdef")),
}


def pixels(words: GridWords, dtype: np.dtype = images.BYTE, samples: np.ndarray = SAMPLES) -> np.ndarray:
    drawn = labelled_grid(samples, 3, words, dtype)
    return drawn.pixels if hasattr(drawn, "pixels") else np.asarray(drawn).reshape(drawn.height, drawn.width, -1)


def test_without_words_it_is_the_plain_grid() -> None:
    assert np.array_equal(pixels(GridWords()), images.grid_pixels(SAMPLES, 3, images.BYTE))


@pytest.mark.parametrize("channels", [1, 3, 4, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("words", WORDS.values(), ids=list(WORDS))
def test_rows_of_the_plain_grid_are_in_it(words: GridWords, dtype: type, channels: int) -> None:
    samples = SAMPLES.repeat(channels, axis=1)
    plain, sheet = images.grid_pixels(samples, 3, np.dtype(dtype)), pixels(words, np.dtype(dtype), samples)
    extra = np.subtract(sheet.shape, plain.shape)
    assert (extra[:2] <= words_size(words, 2)[::-1]).all() or words.caption
    assert sheet.dtype == dtype
    height = plain.shape[0] // 2
    for row in (plain[2:height], plain[height + 2 : -2]):
        windows = [
            (top, left)
            for top in range(sheet.shape[0] - len(row) + 1)
            for left in range(sheet.shape[1] - row.shape[1] + 1)
            if np.array_equal(sheet[top, left : left + row.shape[1]], row[0])
        ]
        assert any(
            np.array_equal(sheet[top : top + len(row), left : left + row.shape[1]], row) for top, left in windows
        )
    assert (sheet < np.iinfo(dtype).max).sum() > (plain < np.iinfo(dtype).max).sum()  # there is ink
