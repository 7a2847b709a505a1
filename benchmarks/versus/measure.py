"""Measure one seed: samples of all models against real ones, and the scores of changed digits by GAN and VAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.claims.harness import Run
from benchmarks.versus.cost import BATCH, measure_cost
from benchmarks.versus.models import trained_subjects
from benchmarks.versus.pairs import (
    PAIRS,
    WHOLE_PIXEL_PAIR,
    ChangedDigits,
    change_digits,
    move_each_pixel,
    move_whole_pixels,
)
from benchmarks.versus.scores import CODE, ELBO, LOGIT, TrainedModels, preferences, score_digits
from gan_cli.config.schema import BackboneKind
from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.evaluation import subjects
from gan_cli.evaluation.backbones.base import Samples, to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.factory import EvaluationOptions
from gan_cli.evaluation.real_data import ORDER_SEED, find_test_split
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.metrics.importance_sampling import Estimate, iwae_bounds, log_weights
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import Images
from gan_cli.runtime.rng import seeded_generator
from gan_cli.storage.stored_model import RunCheckpoint

# Seed of latents that no run draws its previews from.
SEED = 1
BOUND_IMAGES, DRAWS = 1000, 50
# Draws of a bound where there is one for each pixel of an image.
PIXEL_DRAWS = 8
Metrics = dict[str, float]


@dataclass(frozen=True)
class TestDigits:
    """The test split in a random order, the same for all seeds.

    Attributes:
        images: ``(N, 1, H, W)`` in [-1, 1].
        labels: ``(N,)``.
        pairs: a subset, changed by one distance.
        whole: a subset, moved by one pixel, or with stray ones.
    """

    images: FloatArray
    labels: IntArray
    pairs: ChangedDigits
    whole: ChangedDigits

    @classmethod
    def of(cls, run: Run, count: int) -> TestDigits:
        """Load the test split of a run's dataset, and change ``count`` digits."""
        part = find_test_split(run.plan.dataset)
        assert part is not None
        source = part.load()
        assert isinstance(source, Images)
        assert source.labels is not None
        order = np.random.default_rng(ORDER_SEED).permutation(len(source.array))
        images: FloatArray = Normalization(source.levels)(stored_tensor(source.array[order])).numpy()
        return cls(
            images, source.labels[order], change_digits(images, count, SEED), move_whole_pixels(images, count, SEED)
        )

    @property
    def one_of_each(self) -> IntArray:
        """Indices of the first digit of each class among the changed digits."""
        return np.unique(self.labels[self.pairs.rows], return_index=True)[1]


@dataclass(frozen=True)
class MeasuredSamples:
    """Samples of all models of one dataset, by their names, and those of a diffusion model by their steps as well.

    Attributes:
        metrics: of the samples.
        costs: of one sample, ``evaluations`` and ``seconds``.
        samples: of each model, as they were compared: images as bytes, points.
    """

    metrics: Mapping[str, Metrics]
    costs: Mapping[str, Metrics]
    samples: Mapping[str, Samples]


def measure_samples(runs: Mapping[str, Run], evaluator: Evaluator) -> MeasuredSamples:
    """Draw samples of all models, with as many steps as are tried, and measure their quality and their cost."""
    metrics, costs, samples = {}, {}, {}
    for model, run in runs.items():
        for name, subject in trained_subjects(model, run).items():
            found = evaluator(partial(subject.draw, seed=SEED))
            metrics[name], samples[name] = dict(found.metrics), found.samples
            costs[name] = asdict(measure_cost(subject.trained, min(BATCH, evaluator.count)))
    return MeasuredSamples(metrics, costs, samples)


def make_evaluator(run: Run, count: int) -> Evaluator:
    """Return the evaluator for the samples of all runs with a run's dataset."""
    subject = subjects.from_run(RunCheckpoint(run.directory), GeneratorWeights.average)
    return subject.evaluator(EvaluationOptions((BackboneKind.auto,), count))


def likelihood_metrics(models: TrainedModels, test: TestDigits) -> Metrics:
    """Return likelihood bounds of the VAE on test digits, in nats, and its sigma."""
    images = torch.from_numpy(test.images[:BOUND_IMAGES])
    random = seeded_generator(SEED, "bounds", torch.device("cpu"))
    weights = log_weights(images, models.vae.posterior, models.vae.log_likelihood, DRAWS, random)
    found = iwae_bounds(weights, (1, DRAWS))
    return {
        "elbo": Estimate.from_values(found[1]).mean,
        f"iwae_{DRAWS}": Estimate.from_values(found[DRAWS]).mean,
        "sigma": models.sigma,
    }


def pair_scores(models: TrainedModels, test: TestDigits, samples: ByteArray) -> dict[str, Any]:
    """Return mean scores of changed digits and preferences among pairs, as plain values."""
    scores = score_digits(models, test.pairs)
    whole = preferences(score_digits(models, test.whole), (WHOLE_PIXEL_PAIR,))
    levels = {score: {name: float(values.mean()) for name, values in of.items()} for score, of in scores.items()}
    levels[LOGIT]["own samples"] = float(models.logit(to_floats(samples)).mean())
    above = {
        score: {name: float((values > of["x"]).mean()) for name, values in of.items() if name != "x"}
        for score, of in scores.items()
    }
    preferred = {
        score: {pair: asdict(each) for pair, each in (*of.items(), *whole[score].items())}
        for score, of in preferences(scores, PAIRS).items()
    }
    return {"levels": levels, "above": above, "preferences": preferred}


def place_dependence(models: TrainedModels, test: TestDigits) -> dict[str, float]:
    """Return, for each score, how much the change by a moved pixel depends on its place, as mean over ten digits."""
    found = [variation(score_changes(models, test.pairs.originals[place])) for place in test.one_of_each]
    return {score: float(np.mean([each[score] for each in found])) for score in found[0]}


def score_changes(models: TrainedModels, image: FloatArray) -> Mapping[str, FloatArray]:
    """Return, for each score, its change when a pixel of ``(1, H, W)`` is moved, for each pixel, ``(H, W)``."""
    moved, whole = move_each_pixel(image), image[None]
    beside = np.repeat(whole, len(moved), axis=0)
    found = {
        CODE: models.code_log_likelihood(beside, moved) - models.code_log_likelihood(whole, whole),
        ELBO: models.elbo(moved, PIXEL_DRAWS) - models.elbo(whole, PIXEL_DRAWS),
        LOGIT: models.logit(moved) - models.logit(whole),
    }
    return {score: values.reshape(image.shape[1:]) for score, values in found.items()}


def variation(maps: Mapping[str, FloatArray]) -> dict[str, float]:
    """Return the standard deviation over the pixels, divided by the mean of the absolute values."""
    return {score: float(values.std() / np.abs(values).mean()) for score, values in maps.items()}
