"""Changed digits: all equally far from theirs, scored by VAE and GAN, and drawn with their scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks.versus import album, changes, measure
from benchmarks.versus.measure import variation
from benchmarks.versus.models import MODELS
from benchmarks.versus.pairs import (
    CHANGES,
    DISTANCE,
    PAIRS,
    STRAY_PIXELS,
    WHOLE_PIXEL_PAIR,
    add_stray_pixels,
    break_stroke,
    change_digits,
    move_each_pixel,
    move_whole_pixels,
    pixel_distance,
    shift_digit,
    topology,
    wipe,
)
from benchmarks.versus.scores import CODE, ELBO, LOGIT, Preference, TrainedModels, preferences, score_digits
from gan_cli.algorithms.autoencoders.inference import TrainedAutoencoder
from gan_cli.components.likelihoods import Gaussian
from gan_cli.protocols.arrays import FloatArray


def ring(side: int = 28, radius: float = 8.0, width: float = 2.0) -> FloatArray:
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return 2 * np.clip(width - np.abs(np.hypot(rows, columns) - radius), 0, 1) - 1


def bar() -> FloatArray:
    image = np.full((28, 28), -1.0)
    image[5:23, 13:15] = 1.0
    return image


def digits() -> FloatArray:
    return np.stack([ring(), bar(), ring(radius=6.0)])[:, None]


# ---- Pairs


def test_every_change_has_the_same_distance_and_stays_in_range() -> None:
    made = change_digits(digits(), count=3, seed=0)
    assert list(made.changed) == list(CHANGES)
    assert made.skipped == 0
    for name, distances in made.distances.items():
        np.testing.assert_allclose(distances, DISTANCE, rtol=0, atol=1e-9, err_msg=name)
        assert made.changed[name].min() >= -1
        assert made.changed[name].max() <= 1


@pytest.mark.parametrize("distance", [2.0, 3.7, 5.0])
def test_any_distance_is_met(distance: float) -> None:
    made = change_digits(digits(), count=3, seed=0, distance=distance)
    for distances in made.distances.values():
        np.testing.assert_allclose(distances, distance, rtol=0, atol=1e-9)


def test_stray_pixels_are_eight_white_ones_that_touch_no_stroke() -> None:
    image = ring()
    made = add_stray_pixels(image, DISTANCE, np.random.default_rng(0))
    assert made is not None
    moved = np.argwhere(np.abs(made - image) > 1e-6)
    assert len(moved) == STRAY_PIXELS
    for row, column in moved:
        assert image[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].max() == -1
        assert made[row, column] == pytest.approx(1)


def test_a_broken_ring_is_open_and_a_broken_bar_is_no_shorter_one() -> None:
    assert topology(ring()) == (1, 2)
    for image in (ring(), bar()):
        made = break_stroke(image, DISTANCE, np.random.default_rng(0))
        assert made is not None
        assert topology(made) != topology(image)
        assert (made <= image).all()


def test_a_digit_with_less_ink_than_the_distance_is_skipped() -> None:
    faint = np.full((28, 28), -1.0)
    faint[14, 14] = 1.0
    assert wipe(faint, np.array([14, 14]), DISTANCE) is None
    made = change_digits(np.stack([faint, ring()])[:, None], count=1, seed=0)
    assert made.rows.tolist() == [1]
    assert made.skipped == 1


def test_a_digit_is_changed_alike_whatever_stands_beside_it() -> None:
    all_of_them, first = change_digits(digits(), 3, seed=4), change_digits(digits(), 1, seed=4)
    for name in CHANGES:
        np.testing.assert_array_equal(all_of_them.changed[name][:1], first.changed[name])
    other = shift_digit(ring(), DISTANCE, np.random.default_rng(1))
    assert other is not None
    assert pixel_distance(other, all_of_them.changed["shifted"][0, 0]) > 0.1


def test_a_whole_step_interpolates_nothing_and_has_its_distance_in_stray_pixels() -> None:
    made = move_whole_pixels(digits(), 3, seed=0)
    moved, strays = (made.distances[name] for name in WHOLE_PIXEL_PAIR)
    np.testing.assert_allclose(moved, strays, rtol=0, atol=1e-9)
    for original, image in zip(made.originals, made.changed[WHOLE_PIXEL_PAIR[0]], strict=True):
        np.testing.assert_array_equal(np.sort(original, axis=None), np.sort(image, axis=None))
    step = np.argwhere(made.changed[WHOLE_PIXEL_PAIR[0]][1, 0] > 0).mean(0) - np.argwhere(digits()[1, 0] > 0).mean(0)
    assert np.abs(step).sum() == pytest.approx(1)


def test_each_pixel_is_moved_once_and_by_the_same_amount() -> None:
    image = ring()[None]
    moved = move_each_pixel(image)
    steps = (moved - image).reshape(len(moved), -1)
    np.testing.assert_allclose(np.abs(steps), np.eye(image.size), atol=1e-12)
    assert np.abs(moved).max() <= 1


# ---- Scores


class Still(nn.Module):
    """An encoder of one code for all images, with a posterior that is the prior."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 2, 3)


class ConstantDecoder(nn.Module):
    """A decoder of one image."""

    def __init__(self, image: FloatArray) -> None:
        super().__init__()
        clipped = np.clip(image, -0.999, 0.999)
        self.image = torch.from_numpy(2 * np.arctanh(clipped)).float()

    def logits(self, codes: torch.Tensor) -> torch.Tensor:
        return self.image.expand(len(codes), 1, -1, -1)


class Ink(nn.Module):
    """A discriminator that likes ink."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).sum(1)


def models(image: FloatArray, sigma: float = 0.5) -> TrainedModels:
    return TrainedModels(TrainedAutoencoder(Still(), ConstantDecoder(image), Gaussian(sigma), 0), Ink(), 3)


def test_around_the_digit_itself_the_likelihood_sees_distance_alone() -> None:
    made = change_digits(ring()[None, None], 1, seed=0)
    scores = score_digits(models(ring()), made)
    expected = DISTANCE**2 / (2 * 0.5**2)
    for name in CHANGES:
        for score in (CODE, ELBO):  # a posterior that is the prior, and a decoder of one image only
            assert scores[score]["x"][0] - scores[score][name][0] == pytest.approx(expected, rel=0.01)
    assert scores[LOGIT]["thicker"][0] > scores[LOGIT]["x"][0] > scores[LOGIT]["broken"][0]


def test_preferences_are_shares_with_their_errors() -> None:
    found = Preference.of(np.array([1.0, 2.0, 3.0, 0.0]), np.array([0.0, 0.0, 3.0, 1.0]))
    assert found.share == pytest.approx(2.5 / 4)
    assert found.share_error == pytest.approx(np.sqrt(0.625 * 0.375 / 4))
    assert found.difference == pytest.approx(0.5)
    assert found.difference_error == pytest.approx(np.std([1, 2, 0, -1], ddof=1) / 2)
    values = np.zeros(4)
    made = preferences({"D": dict.fromkeys(CHANGES, values)}, PAIRS)
    assert all(each.share == 0.5 for each in made["D"].values())
    assert list(made["D"]) == changes.pairs()[:-1]


def test_a_price_that_is_the_same_everywhere_has_no_spread() -> None:
    assert variation({"D": np.full((3, 3), -2.0)}) == {"D": 0.0}
    assert variation({"D": np.array([[1.0, 3.0]])}) == {"D": 0.5}


# ---- Pictures


def test_pictures_of_samples_have_a_panel_for_the_data_and_each_model() -> None:
    images = np.zeros((80, 1, 28, 28), np.uint8)
    test = measure.TestDigits(digits(), np.arange(3), change_digits(digits(), 3, 0), move_whole_pixels(digits(), 1, 0))
    titles = [panel.get_title() for panel in album.samples(dict.fromkeys(MODELS, images), test).axes]
    assert titles == ["test digits", "GAN", "VAE", "diffusion model"]


def test_heat_is_white_at_nought_blue_below_and_red_above() -> None:
    _, ((panel,),) = album.table([""], rows=1, width=1, height=1)
    values = np.zeros((20, 20))
    values[0, 0], values[0, 1:9], values[0, 9:19] = -9.0, -1.0, 1.0  # 9: an outlier, which must not set the scale
    album.show_heatmap(panel, values, [])
    (image,) = panel.images
    colors = image.to_rgba(image.get_array(), bytes=True)[0, [19, 1, 9, 0], :3].astype(int)
    white, blue, red, outlier = colors
    assert white.min() >= 254
    assert blue.tolist() == outlier.tolist() == [0, 0, 255]
    assert red.tolist() == [255, 0, 0]


def test_tables_have_a_title_for_every_column_and_their_size() -> None:
    figure, panels = album.table(["a", "b"], rows=3, width=1.5, height=2.0)
    assert [[panel.get_title() for panel in row] for row in panels] == [["a", "b"], ["", ""], ["", ""]]
    assert figure.get_size_inches().tolist() == [3.0, 6.0]


def test_pictures_of_pairs_and_places_show_every_digit_with_its_scores(tmp_path: Path) -> None:
    images = np.concatenate([digits()[:2]] * 8)
    labels = np.arange(16) % 10
    test = measure.TestDigits(images, labels, change_digits(images, 16, seed=0), move_whole_pixels(images, 1, seed=0))
    drawn = {"pairs": album.pairs(models(ring()), test), "places": album.places(models(ring()), test)}
    panels = {name: [panel for panel in figure.axes if panel.images] for name, figure in drawn.items()}
    assert {name: len(each) for name, each in panels.items()} == {"pairs": 5 * (1 + len(CHANGES)), "places": 4 * 4}
    assert all("distance" in panel.get_xlabel() and "ELBO" in panel.get_xlabel() for panel in panels["pairs"])
    album.save(drawn["pairs"], tmp_path / "images" / "pairs.webp")
    with Image.open(tmp_path / "images" / "pairs.webp") as image:
        assert image.size == (700, 1050)
