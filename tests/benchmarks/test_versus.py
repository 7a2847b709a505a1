"""GAN, VAE and diffusion model with one budget: recipes, cost of a sample, and the page with its figures."""

from __future__ import annotations

import string
from typing import Any, cast

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from benchmarks.claims.harness import Job
from benchmarks.versus import changes, results, tables
from benchmarks.versus.cost import measure_cost
from benchmarks.versus.models import ARMS, DATASETS, FEWER_STEPS, MODELS, change_steps, with_steps
from benchmarks.versus.page import page
from benchmarks.versus.pairs import CHANGES
from benchmarks.versus.scores import SCORES
from benchmarks.versus.text import TEXT
from gan_cli.algorithms.diffusion.inference import TrainedDenoiser
from gan_cli.evaluation import subjects
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from gan_cli.training.planning import plan
from tests.conftest import SHORT, FinishedRun

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
    subject = subjects.from_run(RunCheckpoint(RunDirectory(run)), GeneratorWeights.average)
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
