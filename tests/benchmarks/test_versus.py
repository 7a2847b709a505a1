"""GAN, VAE and diffusion: changed digits are equally far from theirs, budgets are equal, the page has its figures."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import nn

from benchmarks.claims.harness import Job
from benchmarks.versus import album, changes, measure, results, tables
from benchmarks.versus.cost import measure_cost
from benchmarks.versus.measure import variation
from benchmarks.versus.models import ARMS, DATASETS, FEWER_STEPS, MODELS, change_steps, with_steps
from benchmarks.versus.page import page
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
from benchmarks.versus.scores import CODE, ELBO, LOGIT, SCORES, Preference, TrainedModels, preferences, score_digits
from benchmarks.versus.text import TEXT
from gan_cli.algorithms.autoencoders.inference import TrainedAutoencoder
from gan_cli.algorithms.diffusion.inference import TrainedDenoiser
from gan_cli.components.likelihoods import Gaussian
from gan_cli.evaluation import subjects
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.runs.planning import plan
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, FinishedRun


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


# ---- Recipes


def config(model: str, dataset: str) -> DictConfig:
    return Job(ARMS[dataset][model], 0).composition().config


def parameters(model: str, dataset: str) -> dict[str, int]:
    parts = plan(config(model, dataset))
    built = {name: build(parts.architecture, parts.dataset.shape) for name, build in MODELS[model].networks.items()}
    return {name: sum(each.numel() for each in network.parameters()) for name, network in built.items()}


@pytest.mark.parametrize("dataset", DATASETS)
def test_all_models_see_as_many_samples_of_one_dataset(dataset: str) -> None:
    first, *others = (config(model, dataset) for model in MODELS)
    for other in others:
        assert other.dataset == first.dataset
        assert other.ema == first.ema
        for key in ("steps", "batch_size", "held_out"):
            assert other.train[key] == first.train[key]
    assert first.train.steps % first.train.checkpoint_every == 0


def test_on_mnist_generator_and_decoder_are_one_network() -> None:
    assert parameters("gan", "mnist")["generator"] == parameters("vae", "mnist")["decoder"]
    gan, vae = (config(model, "mnist").architecture for model in ("gan", "vae"))
    for key in ("latent_dim", "width", "width_g", "norm_g", "_target_"):
        assert gan[key] == vae[key]


def test_the_diffusion_model_has_no_more_parameters_than_the_larger_of_both_others() -> None:
    gan, vae, diffusion = (sum(parameters(model, "mnist").values()) for model in MODELS)
    assert gan < diffusion < vae
    ring = [sum(parameters(model, "ring8").values()) for model in MODELS]
    assert max(ring) < 1.1 * min(ring)


# ---- Cost


class Halving(nn.Module):
    """A network that is evaluated on a whole batch."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values / 2


class Steps:
    """A sampler that evaluates its network a number of times."""

    def __init__(self, steps: int) -> None:
        self.network, self.steps = Halving(), steps

    def draw(self, count: int, seed: int) -> torch.Tensor:
        values = torch.full((count, 2), float(seed))
        for _ in range(self.steps):
            values = self.network(values)
        return values


@pytest.mark.parametrize("steps", [1, 7])
def test_evaluations_of_a_sample_are_counted_and_the_hook_is_removed(steps: int) -> None:
    trained = Steps(steps)
    cost = measure_cost(cast(TrainedSampler, trained), batch=4, batches=3)
    assert cost.evaluations == steps
    assert cost.seconds >= 0
    assert not trained.network._forward_pre_hooks


def test_fewer_steps_change_the_sampler_and_nothing_else(finished_run: FinishedRun) -> None:
    run = finished_run("run", "algorithm=diffusion", "architecture=denoiser_mlp", "dataset=ring8", *SHORT)
    subject = subjects.from_run(RunDirectory(run), GeneratorWeights.average)
    assert isinstance(subject.trained, TrainedDenoiser)
    fewer = change_steps(subject.trained, 3)
    assert measure_cost(fewer, batch=2, batches=1).evaluations == 3
    assert fewer.network is subject.trained.network
    assert fewer.facts["sampling_steps"] == 3


# ---- Page


def found(seeds: int = 3) -> results.Results:
    def quality(seed: int, dataset: str) -> dict[str, Any]:
        values = {"gan": 0.5 + seed / 100, "vae": 0.9 - seed / 100, "diffusion": 0.7 + seed / 100}
        values |= {with_steps("diffusion", steps): 0.8 for steps in FEWER_STEPS}
        return {model: dict.fromkeys(tables.METRICS[dataset], value) for model, value in values.items()}

    evaluations = {"gan": 1.0, "vae": 1.0, "diffusion": 100.0}
    evaluations |= {with_steps("diffusion", steps): float(steps) for steps in FEWER_STEPS}
    cost = {model: {"evaluations": value, "seconds": value / 1e4} for model, value in evaluations.items()}

    def of_seed(seed: int) -> dict[str, Any]:
        preference = {"share": 0.75 + seed / 100, "share_error": 0.02, "difference": 1.5, "difference_error": 0.1}
        return {
            "quality": {dataset: quality(seed, dataset) for dataset in DATASETS},
            "cost": dict.fromkeys(DATASETS, cost),
            "training": {key: {"gan": 100.0, "vae": 50.0, "diffusion": 300.0 + seed} for key in DATASETS},
            "likelihood": {"elbo": -123.0, "iwae_50": -120.0, "sigma": 0.5},
            "levels": {score: dict.fromkeys(("x", *CHANGES, "own samples"), 1.0) for score in SCORES},
            "above": {score: dict.fromkeys(CHANGES, 0.25) for score in SCORES},
            "preferences": {score: dict.fromkeys(changes.pairs(), preference) for score in SCORES},
            "places": dict.fromkeys(SCORES, 0.125),
        }

    sizes = ("generated", "cost_batch", "cost_batches", "bounded", "pairs", "skipped")
    sizes = (*sizes, "whole", "whole_skipped", "whole_distance")
    return results.Results(
        {str(seed): of_seed(seed) for seed in range(seeds)},
        {dataset: dict.fromkeys(tables.METRICS[dataset], 0.1) for dataset in DATASETS},
        {key: {"gan": {"generator": 1000, "discriminator": 234}, "vae": {}, "diffusion": {}} for key in DATASETS},
        dict.fromkeys(DATASETS, (4000, 64)),
        dict.fromkeys(sizes, 1234),
        "a machine",
    )


def test_the_page_is_filled_from_its_figures() -> None:
    written = page(found(), TEXT, "images")
    assert "{" not in written
    assert "a machine" in written
    row = "| `frechet/classifier` | 0.510 ± 0.0100 | 0.890 ± 0.0100 | 0.710 ± 0.0100 | 0.100 | lower | GAN |"
    assert row in written
    assert "| generator 1,000, discriminator 234 |" in written
    assert "| 1,234 |" in written
    assert "| 256,000: 4,000 steps of 64 |" in written
    assert "| 301 ± 1.00 |" in written
    assert "-123" in written
    assert "76.0% ± 1.0%" in written


def test_the_text_asks_for_nothing_that_is_not_there() -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(TEXT) if name}
    assert {"levels", "preferences", "verdicts", "machine"} <= names
    for dataset in DATASETS:
        assert {f"{part}_{dataset}" for part in ("budget", "figures", "order", "cost")} <= names


def test_the_cheapest_sampler_is_first_in_the_table_of_costs() -> None:
    first_cells = [line.split(" | ")[:2] for line in tables.cost_table("ring8", found()).splitlines()[2:-1]]
    assert [each[1] for each in first_cells] == ["1", "1", "10", "30", "100"]
    assert [each[0].strip("| ") for each in first_cells] == ["GAN", "VAE", *["diffusion model"] * 3]


@pytest.mark.parametrize(
    ("name", "model"), [("frechet/classifier", "GAN"), ("recall/classifier", "VAE"), ("sharpness", "GAN")]
)
def test_a_model_leads_where_every_seed_does(name: str, model: str) -> None:
    assert tables.best_model("mnist", name, found()) == model


def test_seeds_that_overlap_have_no_order() -> None:
    mixed = found()
    mixed.seeds["0"]["quality"]["mnist"]["gan"]["frechet/classifier"] = 0.95
    assert tables.best_model("mnist", "frechet/classifier", mixed) == tables.OVERLAP
    assert "No model is ahead of both others in all seeds by `frechet/classifier`" in tables.order("mnist", mixed)


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ([0.6, 0.7], "the plausible one"),
        ([0.4, 0.3], "the implausible one"),
        ([0.6, 0.4], "neither in all seeds"),
        ([0.53, 0.7], "neither in all seeds"),
    ],
)
def test_a_preference_needs_two_standard_errors_in_every_seed(shares: list[float], text: str) -> None:
    assert changes.preferred_side(shares, [0.02, 0.02]) == text


@pytest.mark.parametrize(("value", "text"), [(1234.4, "1,234"), (12.345, "12.3"), (0.5, "0.500"), (100.0, "100")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert results.number(value) == text


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
