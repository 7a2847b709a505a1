"""What ``gan-sample`` reads for a latent space: arrays of latents, pictures to invert, lists of seeds."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from gan_cli.cli.numbers import MAX_SEED
from gan_cli.cli.sample_arguments import parse_grid, parse_seeds
from gan_cli.data.picture_targets import read_picture
from gan_cli.datasets.digits import Digits
from gan_cli.errors import ConfigError
from gan_cli.inference.array_files import read_samples_of
from gan_cli.inference.latents import read_latents
from tests.fuzz.evaluation import DTYPES, ODD, array_bytes
from tests.fuzz.strategies import damaged

LATENT_DIM = 3
ARRAYS = st.builds(
    array_bytes,
    st.sampled_from(DTYPES),
    st.sampled_from([(2, LATENT_DIM), (2, 4), (LATENT_DIM,), (), (0, LATENT_DIM), (2, 1, 8, 8)]),
    st.sampled_from([(-3.0, 3.0), (0.0, 1e300)]),
    st.none() | ODD,
    st.sampled_from(["C", "F"]),
).flatmap(lambda content: st.just(content) | damaged(content))


def latents(content: bytes) -> None:
    """Read latents: they are finite, and as wide as they should be; the same array as samples is read or refused."""
    Path("z.npy").write_bytes(content)
    try:
        read = read_samples_of("--invert", Path("z.npy"), Digits())
        assert read.shape[1:] == (1, 8, 8)
        assert np.isfinite(read).all()
    except ConfigError as error:
        assert "\n" not in str(error)
    found = read_latents(Path("z.npy"), LATENT_DIM)
    assert found.dtype == torch.float32
    assert found.shape[1] == LATENT_DIM
    assert bool(found.isfinite().all())


def _picture(kind: str, mode: str, size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 1).save(stream, kind)
    return stream.getvalue()


PICTURES = st.builds(
    _picture,
    st.sampled_from(["PNG", "TIFF"]),
    st.sampled_from(["L", "RGB", "RGBA", "I;16"]),
    st.sampled_from([(8, 8), (8, 9)]),
).flatmap(lambda content: st.just(content) | damaged(content))


def picture(drawn: tuple[bytes, bool, int]) -> None:
    """Read a picture of 8 x 8 pixels, of any channels and depth."""
    content, deep, channels = drawn
    Path("a.png").write_bytes(content)
    read = read_picture("--invert", Path("a.png"), (channels, 8, 8), np.dtype(np.uint16 if deep else np.uint8))
    assert read.shape == (channels, 8, 8)
    assert np.abs(read).max() <= 1


def seeds(text: str) -> None:
    """Parse seeds and a grid: they are in their ranges, and different."""
    try:
        assert 1 <= parse_grid(text).count <= 1_000_000
    except ConfigError as error:
        assert "\n" not in str(error)
    found = parse_seeds(text)
    assert 0 <= min(found) <= max(found) <= MAX_SEED
    assert len(set(found)) == len(found)


WORDS = st.text(max_size=20) | st.lists(st.integers(-1, 2**64) | st.sampled_from(["1-3", "7-2", " 5", "٣", "4x8"])).map(
    lambda parts: ",".join(map(str, parts))
)
KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "latents": (ARRAYS, latents),
    "picture": (st.tuples(PICTURES, st.booleans(), st.sampled_from([1, 3, 4])), picture),
    "seeds": (WORDS, seeds),
}
