"""Pictures of runs: what their words say, and where they stand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.signal import fftconvolve

from gan_cli.protocols.algorithm import Panel, Plane, PlaneAxes, Preview, Surface
from gan_cli.telemetry import figures, images, sheets
from gan_cli.telemetry.figures import LEFT, SIDE
from gan_cli.telemetry.images import EMPTY, FAKE, GAP, HIGHEST, REAL
from gan_cli.telemetry.lettering import cut_to_width, text_pixels
from gan_cli.telemetry.sheets import LINE

DIGITS = np.random.default_rng(0).uniform(-1, 1, (6, 1, 8, 8)).astype(np.float32)
NOTHING = np.zeros((0, 2), np.float32)
PLANE = Plane(np.array([[0.5, 0.5]], np.float32), 1.0, Surface(np.zeros((4, 4), np.float32), "probability", (0.0, 1.0)))


def contains(picture: Image.Image, text: str) -> bool:
    """Return whether a picture holds a text, as the font draws it, anywhere: dark on light."""
    dark = (np.asarray(picture.convert("L")) < 100).astype(np.float64)
    pixels = text_pixels(text)
    rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink, ground = ((mask[::-1, ::-1]).astype(np.float64) for mask in (pixels > 200, pixels == 0))
    if any(size < needed for size, needed in zip(dark.shape, ink.shape, strict=True)):
        return False
    covered, beside = (fftconvolve(dark, mask, mode="valid").round() for mask in (ink, ground))
    return bool(((covered == ink.sum()) & (beside == 0)).any())


def scatter(plane: Plane | None = PLANE, fake: np.ndarray = NOTHING, step: int = 1000) -> Image.Image:
    return figures.preview_figure(Preview(fake, plane), step)


# ---- Points


@pytest.mark.parametrize("text", ["step 1,000", "real", "generated", "D(x): probability", "0.5", "-1"])
def test_scatter_says_step_legend_scale_and_what_the_colours_mean(text: str) -> None:
    assert contains(scatter(), text)
    assert not contains(scatter(step=2000), "step 1,000")


def test_axes_have_the_data_s_own_coordinates_not_those_of_the_networks() -> None:
    own = replace(PLANE, axes=PlaneAxes((100.0, 100.0), (1000.0, 0.0)))
    assert contains(scatter(own), "1050")
    assert contains(scatter(own), "-50")
    assert not contains(scatter(), "1050")


def test_ticks_stand_where_their_numbers_are() -> None:
    # unit 2 and origin (1, 0): the middle of the plane is at x = 1, its right edge at x = 3.
    sheet = np.asarray(scatter(replace(PLANE, axes=PlaneAxes((2.0, 2.0), (1.0, 0.0)))))
    below, beside = sheet[LINE + SIDE + 2], sheet[:, LEFT - 3]
    assert (np.flatnonzero(below == REAL) - LEFT).tolist() == [
        round(share * (SIDE - 1)) for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert (np.flatnonzero(beside == REAL) - LINE).tolist() == [
        round(share * (SIDE - 1)) for share in (0, 0.25, 0.5, 0.75, 1)
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.15, 1.15, [-1, -0.5, 0, 0.5, 1]),
        (-0.29, 0.29, [-0.2, -0.1, 0, 0.1, 0.2]),
        (-2.4, 2.4, [-2, -1, 0, 1, 2]),
        (985.0, 1015.0, [985, 990, 995, 1000, 1005, 1010, 1015]),
        (0.0, 0.0, []),
        (float("nan"), 1.0, []),
        (-1e30, 1e30, [-1e30, -5e29, 0, 5e29, 1e30]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low: float, high: float, expected: list[float]) -> None:
    assert sheets.ticks(low, high) == pytest.approx(expected)


def test_points_are_where_they_are_in_the_plain_picture() -> None:
    fake = np.array([[0.2, -0.7], [-0.5, 0.9]], np.float32)
    sheet = np.asarray(scatter(fake=fake))
    np.testing.assert_array_equal(sheet[LINE : LINE + SIDE, LEFT : LEFT + SIDE], images.scatter(fake, PLANE, SIDE))


def test_bar_runs_from_the_highest_score_at_the_top_to_the_lowest() -> None:
    sheet = np.asarray(scatter())
    bar = sheet[LINE : LINE + SIDE, LEFT + SIDE + 10]
    assert (bar[0], bar[-1]) == (HIGHEST, 0)
    assert (np.diff(bar.astype(int)) <= 0).all()


def test_colours_of_probabilities_are_the_same_in_every_picture_and_those_of_a_critic_span_its_values() -> None:
    scores = np.full((4, 4), 0.75, np.float32)
    certain = np.asarray(scatter(replace(PLANE, surface=Surface(scores, "probability", (0.0, 1.0)))))
    assert certain[LINE + SIDE // 2, LEFT + 5] == pytest.approx(0.75 * HIGHEST, abs=1)
    scores[0] = -20.0
    critic = scatter(replace(PLANE, surface=Surface(scores, "critic value")))
    assert contains(critic, "D(x): critic value")
    assert contains(critic, "-20")
    assert contains(critic, "0.75")
    assert np.asarray(critic)[LINE + SIDE - 1, LEFT + 5] == HIGHEST


def test_scatter_without_a_discriminator_has_axes_and_no_bar() -> None:
    alone = scatter(replace(PLANE, surface=None))
    assert alone.width < scatter().width
    assert contains(alone, "real")
    assert not contains(alone, "D(x)")
    assert scatter(None, np.ones((3, 2), np.float32)).size == alone.size


@pytest.mark.parametrize(
    "scores", [np.full((2, 2), np.nan, np.float32), np.array([[np.inf, 0], [-np.inf, 1]], np.float32)]
)
def test_scatter_survives_scores_and_extents_that_are_no_numbers(scores: np.ndarray) -> None:
    surface = Surface(np.array(scores, np.float32), "critic value")
    for extent in (1.0, 1e30, float("inf")):
        picture = scatter(Plane(PLANE.real, extent, surface), np.ones((3, 2), np.float32))
        assert contains(picture, "generated")


def test_all_pictures_of_a_run_have_one_size_and_the_same_one_twice_the_same_bytes() -> None:
    steps = (0, 999, 1_000_000)
    assert len({scatter(step=step).size for step in steps}) == 1
    assert len({figures.preview_figure(Preview(DIGITS[:1]), step).size for step in steps}) == 1
    assert images.png(scatter(step=7)) == images.png(scatter(step=7))


# ---- Images


def test_grid_below_its_caption_is_the_plain_grid_and_dark_words_stand_on_white() -> None:
    plain = np.asarray(images.grid(DIGITS, 3))
    picture = figures.preview_figure(Preview(DIGITS, columns=3), 3600)
    shown = np.asarray(picture)
    np.testing.assert_array_equal(shown[LINE:, : plain.shape[1]], plain)
    assert contains(picture, "step 3,600: samples")
    assert picture.mode == "L", "opaque: a dark page does not shine through"
    assert shown[0, 0] == 255


def test_captions_of_coloured_grids_are_grey_and_the_picture_keeps_its_colours() -> None:
    samples = np.full((1, 3, 64, 64), -1.0, np.float32)
    samples[:, 0] = 1.0
    picture = figures.preview_figure(Preview(samples), 5)
    assert picture.mode == "RGB"
    assert picture.getpixel((GAP, LINE + GAP)) == (255, 0, 0)
    assert contains(picture, "step 5: samples")


def test_rows_are_named_by_their_classes_and_by_their_numbers_where_the_font_lacks_the_name() -> None:
    names = ["cat", "\u732b", "a name that is much too long for a margin"]
    samples = np.tile(DIGITS, (3, 1, 1, 1))
    picture = figures.preview_figure(Preview(samples, columns=6, row_names=names), 1)
    for text in ("cat", "class 1", "samples, a class in each row"):
        assert contains(picture, text), text
    assert not contains(picture, "too long for a margin")
    shown = np.asarray(picture)
    tile = 56 + GAP
    for row, name in enumerate(("cat", "class 1")):  # beside its own row
        strip = Image.fromarray(shown[LINE + row * tile : LINE + (row + 1) * tile + GAP])
        assert contains(strip, name)
    plain = np.asarray(images.grid(samples, 6))
    np.testing.assert_array_equal(shown[LINE:, -plain.shape[1] :], plain)


def test_panels_say_what_they_show_and_which_row_is_the_original() -> None:
    panel = Panel(DIGITS, 3, "held-out images, encoded and decoded", ["original", "decoded"])
    picture = figures.panel_figure(panel, "reconstructions", 20)
    for text in ("step 20: held-out images, encoded and decoded", "original", "decoded"):
        assert contains(picture, text), text
    assert contains(figures.panel_figure(Panel(DIGITS), "reverse", 20), "step 20: reverse")
    points = np.zeros((5, 2), np.float32)
    assert contains(figures.panel_figure(Panel(points, caption="from noise"), "reverse", 20), "step 20: from noise")


def test_columns_have_their_names_above_them() -> None:
    picture = figures.grid_figure(DIGITS, 6, ["two lines", "of words"], column_names={0: "generated", 2: "nearest"})
    strip = np.asarray(picture)[2 * LINE : 3 * LINE]
    assert contains(Image.fromarray(strip[:, 2 * (56 + GAP) :]), "nearest")
    assert contains(Image.fromarray(strip[:, : 2 * (56 + GAP)]), "generated")


def test_a_text_is_cut_to_a_width() -> None:
    assert cut_to_width("short", 100) == "short"
    cut = cut_to_width("a rather long name of a class", 60)
    assert cut.endswith("\u2026")
    assert text_pixels(cut).shape[1] <= 61


def test_png_keeps_the_picture() -> None:
    picture = scatter(fake=np.zeros((1, 2), np.float32))
    with Image.open(io.BytesIO(images.png(picture))) as read:
        np.testing.assert_array_equal(np.asarray(read), np.asarray(picture))
    assert {FAKE, REAL, EMPTY} <= set(np.unique(np.asarray(picture)).tolist())
