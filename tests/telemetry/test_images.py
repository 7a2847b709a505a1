"""Pictures, to the pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.protocols.algorithm import Plane, Preview, Surface
from gan_cli.telemetry import images
from gan_cli.telemetry.images import FAKE_COLOUR, GAP, REAL_COLOUR, SCATTER


def test_bytes_run_from_0_at_minus_1_to_255_at_1_and_the_rest_is_cut() -> None:
    values = np.array([-1.0, 1.0, -7.0, 7.0, 0.0, 2 * 100 / 255 - 1 + 0.003, 2 * 100 / 255 - 1 - 0.003], np.float32)
    assert images.to_bytes(values).tolist() == [0, 255, 0, 255, 128, 100, 100]


def test_bytes_give_back_every_pixel_of_the_data() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_bytes((pixels / np.float32(127.5) - 1).astype(np.float32)), pixels)


def test_grid_enlarges_small_images_by_a_whole_factor_without_blurring() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8)).astype(np.float32)
    sheet = np.asarray(images.grid(samples))
    tile = 7 * 8 + GAP
    assert sheet.shape == (2 * tile + GAP, 3 * tile + GAP)
    for index, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        top, left = GAP + row * tile, GAP + column * tile
        expected = np.kron(images.to_bytes(samples[index, 0]), np.ones((7, 7), np.uint8))
        np.testing.assert_array_equal(sheet[top : top + 56, left : left + 56], expected)
    # Everything else is white: the gaps, and the place of the sixth image.
    assert (sheet == 255).sum() >= sheet.size - 5 * 56 * 56
    assert (sheet[GAP + tile :, GAP + 2 * tile :] == 255).all()


def test_grid_keeps_colours_and_columns_as_asked_for() -> None:
    samples = np.full((2, 3, 64, 64), -1.0, np.float32)
    samples[0, 0], samples[1, 2] = 1.0, 1.0  # a red image, then a blue one
    image = images.grid(samples, columns=1)
    assert image.mode == "RGB"
    assert image.size == (64 + 2 * GAP, 2 * 64 + 3 * GAP)
    assert image.getpixel((GAP, GAP)) == (255, 0, 0)
    assert image.getpixel((GAP + 63, GAP + 64 + GAP + 63)) == (0, 0, 255)


def test_single_image_has_its_own_size_and_colours() -> None:
    grey = np.zeros((1, 5, 4), np.float32)
    assert (images.to_image(grey).mode, images.to_image(grey).size) == ("L", (4, 5))
    colour = np.full((3, 5, 4), -1.0, np.float32)
    colour[1, 4, 0] = 1.0  # green, in the lower left corner
    assert images.to_image(colour).getpixel((0, 4)) == (0, 255, 0)


def plane(real: list[list[float]], extent: float, scores: np.ndarray | None = None) -> Plane:
    surface = Surface(np.zeros((4, 4), np.float32) if scores is None else scores)
    return Plane(np.array(real, np.float32).reshape(-1, 2), extent, surface)


def drawn(preview: Preview) -> Image.Image:
    return images.preview_image(preview).convert("RGB")


def test_scatter_puts_points_where_they_belong_with_y_upwards() -> None:
    fake = np.array([[1.0, 1.0], [-2.0, 0.0]], np.float32)
    image = drawn(Preview(fake, plane([[0.0, -1.0]], extent=2.0)))
    assert image.size == (SCATTER, SCATTER)
    assert image.getpixel((SCATTER * 3 // 4, SCATTER // 4)) == FAKE_COLOUR
    assert image.getpixel((0, SCATTER // 2)) == FAKE_COLOUR
    assert image.getpixel((SCATTER // 2, SCATTER * 3 // 4)) == REAL_COLOUR
    colours = {colour for _, colour in image.getcolors()}
    assert len(colours) == 3  # the two of the points, and one for a D that says the same everywhere


def test_scatter_shows_where_d_says_real_and_where_fake_with_row_0_on_top() -> None:
    scores = np.array([[1.0, 1.0], [0.0, 0.0]], np.float32)
    image = drawn(Preview(np.zeros((0, 2), np.float32), plane([], 1.0, scores)))
    assert image.getpixel((SCATTER // 2, 0)) == tuple(images.HIGH_COLOUR.astype(int))
    assert image.getpixel((SCATTER // 2, SCATTER - 1)) == tuple(images.LOW_COLOUR.astype(int))


def test_scatter_survives_scores_that_are_no_numbers() -> None:
    scores = np.array([[np.inf, np.inf], [-np.inf, np.nan]], np.float32)
    image = drawn(Preview(np.zeros((0, 2), np.float32), plane([], 1.0, scores)))
    assert image.getpixel((0, 0)) == tuple(images.HIGH_COLOUR.astype(int))
    assert image.getpixel((0, SCATTER - 1)) == tuple(images.LOW_COLOUR.astype(int))


def test_scatter_survives_points_far_outside_and_points_that_are_no_numbers() -> None:
    fake = np.array([[np.nan, 0.0], [np.inf, 0.0], [1e30, -1e30], [0.0, 0.0]], np.float32)
    image = drawn(Preview(fake, plane([], extent=1.0)))
    red = (np.asarray(image) == FAKE_COLOUR).all(axis=-1)
    assert red[SCATTER // 2, SCATTER // 2]
    assert red.sum() < 30


def test_points_are_discs_that_the_borders_of_the_sheet_cut() -> None:
    radius, corner = 2, np.array([[-1.0, 1.0]], np.float32)
    red, black = (np.array(colour) for colour in (FAKE_COLOUR, REAL_COLOUR))
    middle = np.asarray(drawn(Preview(np.zeros((1, 2), np.float32), plane([[0.5, 0.5]], 1.0))))
    assert (middle == red).all(axis=-1).sum() == 21, "5 x 5 without its corners"
    assert (middle == black).all(axis=-1).sum() == 5, "3 x 3 without its corners"
    cut = (np.asarray(drawn(Preview(corner, plane([], 1.0)))) == red).all(axis=-1)
    assert cut[: radius + 1, : radius + 1].sum() == cut.sum() == 8


@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (640, 640, 3), (3, 4, 3)])
def test_png_holds_every_pixel(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (tmp_path / "picture.png").write_bytes(images.png(Image.fromarray(pixels)))
    with Image.open(tmp_path / "picture.png") as image:
        image.verify()
    with Image.open(tmp_path / "picture.png") as image:
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_png_of_a_scatter_is_small_and_holds_every_pixel(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    image = images.preview_image(Preview(points, Plane(points, 1.0, Surface(np.tri(8, dtype=np.float32)))))
    content = images.png(image)
    assert len(content) < SCATTER * SCATTER / 8, "as RGB it would take more than twice as many bytes"
    (tmp_path / "picture.png").write_bytes(content)
    with Image.open(tmp_path / "picture.png") as read:
        np.testing.assert_array_equal(np.asarray(read.convert("RGB")), np.asarray(image.convert("RGB")))


def test_picture_is_a_scatter_for_points_and_a_grid_for_images() -> None:
    assert images.preview_image(Preview(np.ones((3, 2), np.float32))).size == (SCATTER, SCATTER)
    assert images.preview_image(Preview(np.ones((1, 1, 8, 8), np.float32))).size == (56 + 2 * GAP, 56 + 2 * GAP)


def numbered_files(folder: Path, count: int) -> list[Path]:
    """Pictures that are told apart by their one grey value."""
    files = [folder / f"step_{index:08d}.png" for index in range(count)]
    for index, file in enumerate(files):
        Image.new("L", (4, 4), index).save(file)
    return files


def frames_of(path: Path) -> list[int]:
    with Image.open(path) as image:
        shown = []
        for index in range(image.n_frames):
            image.seek(index)
            shown.append(image.convert("RGB").getpixel((0, 0))[0])
        return shown


def test_progress_shows_every_picture_in_order(tmp_path: Path) -> None:
    images.write_progress_animation(numbered_files(tmp_path, 5), tmp_path / "progress.webp")
    assert frames_of(tmp_path / "progress.webp") == [0, 1, 2, 3, 4]
    with Image.open(tmp_path / "progress.webp") as image:
        assert image.info["loop"] == 0


def test_progress_of_very_many_is_an_even_choice_with_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_ANIMATION_FRAMES", 6)
    images.write_progress_animation(numbered_files(tmp_path, 21), tmp_path / "progress.webp")
    assert frames_of(tmp_path / "progress.webp") == [0, 4, 8, 12, 16, 20]


def test_progress_of_nothing_writes_nothing(tmp_path: Path) -> None:
    images.write_progress_animation([], tmp_path / "progress.webp")
    assert list(tmp_path.iterdir()) == []
