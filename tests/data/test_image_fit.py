"""Pictures of any shape in a height and width: geometry in closed form, and JPEGs at a reduced scale."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.image_decoding import MAX_PIXELS, Encoded, Target, decode, decode_all
from gan_cli.data.image_fit import Fit
from tests.helpers.image_trees import picture

RED, GREY = (255, 0, 0), (90, 90, 90)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def bands(width: int, height: int) -> Image.Image:
    """Three bands of equal width: red, green, blue."""
    colours = np.repeat(np.eye(3, dtype=np.uint8) * 255, width // 3, axis=0)
    return Image.fromarray(np.broadcast_to(colours, (height, width, 3)).copy())


@pytest.mark.parametrize("size", [(8, 8), (6, 12), (12, 6), (5, 9)])
@pytest.mark.parametrize("extent", [(24, 24), (48, 24), (24, 48), (30, 17)])
def test_crop_shows_the_largest_centred_box(size: tuple[int, int], extent: tuple[int, int]) -> None:
    image = picture(0, *extent)
    (height, width), (columns, rows) = size, extent
    scale = min(columns / width, rows / height)
    box = (round(scale * width), round(scale * height))
    left, top = (columns - box[0]) // 2, (rows - box[1]) // 2
    expected = image.crop((left, top, left + box[0], top + box[1])).resize((width, height), Image.Resampling.LANCZOS)
    pixels = decode(encoded(image), Target(size, 3))
    assert np.array_equal(pixels.transpose(1, 2, 0), np.asarray(expected))


def test_stretch_shows_all_in_another_shape() -> None:
    pixels = decode(encoded(bands(48, 9)), Target((8, 6), 3, Fit.stretch))
    assert np.array_equal(pixels[:, 4].argmax(0), [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(("extent", "rows", "columns"), [((48, 24), (4, 12), (0, 16)), ((24, 48), (0, 16), (4, 12))])
def test_pad_shows_all_on_the_background(
    extent: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    pixels = decode(encoded(Image.new("RGB", extent, RED)), Target((16, 16), 3, Fit.pad, GREY))
    expected = np.full((16, 16, 3), GREY, np.uint8)
    expected[slice(*rows), slice(*columns)] = RED
    assert np.array_equal(pixels.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("extent", [(1, 1), (1, 999), (999, 1), (16, 9)])
def test_every_picture_fits(fit: Fit, channels: int, extent: tuple[int, int]) -> None:
    for mode in ("L", "LA", "RGB", "RGBA", "1", "P"):
        pixels = decode(encoded(Image.new(mode, extent)), Target((9, 16), channels, fit))
        assert pixels.shape == (channels, 9, 16)
        assert pixels.dtype == np.uint8


def test_alpha_is_a_channel_or_laid_on_the_background() -> None:
    content = encoded(Image.new("RGBA", (8, 8), (*RED, 51)))
    assert decode(content, Target((8, 8), 4))[:, 0, 0].tolist() == [*RED, 51]
    laid = decode(content, Target((8, 8), 3, background=GREY))[:, 0, 0]
    np.testing.assert_allclose(laid, [90 + 0.2 * (255 - 90), 72, 72], atol=1)
    assert decode(encoded(Image.new("RGB", (8, 8), RED)), Target((8, 8), 4))[3].min() == 255
    padded = decode(content, Target((8, 4), 4, Fit.pad))
    assert padded[3, :, 0].tolist() == [0, 0, 51, 51, 51, 51, 0, 0]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("fit", list(Fit))
def test_large_jpegs_are_the_same_at_a_reduced_scale(orientation: int, fit: Fit) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture(3, 1600, 1200)
    small, whole = (
        decode(encoded(image, form, exif=exif, **options), Target((24, 32), 3, fit)).astype(float)
        for form, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}))
    )
    assert np.abs(small - whole).max() <= 3
    assert np.abs(small - whole).mean() <= 0.5


def test_jpegs_are_decoded_at_a_reduced_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def recorded(image: Image.Image, *rest: object) -> Image.Image:
        decoded.append(image.size)
        return resize(image, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", recorded)
    content = encoded(Image.new("RGB", (1600, 1200)), "JPEG")
    for side in (32, 300, 301, 800):
        decode(content, Target((side, side), 3))
    # An eighth would leave 150 pixels for 32 of them; the sides of 300 need 600, of 301 more.
    assert [height for _, height in decoded] == [150, 600, 1200, 1200]


@pytest.mark.parametrize("limit", [MAX_PIXELS, 10**9])
def test_limit_of_pixels_can_be_raised(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (20_000, 10_000)).save(path)
    (batch,) = decode_all([Encoded("large", path)], Target((8, 8), 1, max_pixels=limit), workers=1)
    if limit == MAX_PIXELS:
        ((_, reason),) = batch.failures
        assert reason == "20000x10000 pixels, more than 89478485; dataset.max_pixels allows more"
    else:
        assert batch.kept == (0,)
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS
