"""Figures of one seed: samples of both models beside real ones, and what each model says of changed digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.claims.harness import Run
from benchmarks.versus.pairs import PAIRS, WHOLE, Changed, changed, each_pixel, whole_steps
from benchmarks.versus.scores import CODE, ELBO, LOGIT, Judges, preferences, scored
from gan_cli.config.schema import BackboneKind
from gan_cli.data.samplers import normalise
from gan_cli.evaluation import subjects
from gan_cli.evaluation.backbones.base import to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.real_data import ORDER_SEED, split_for_testing
from gan_cli.inference.loading import Weights
from gan_cli.metrics.importance_sampling import Estimate, bounds, log_weights
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import Images
from gan_cli.runtime.rng import seeded_generator

# Latents that no run draws its previews from.
SEED = 1
BOUNDED, DRAWS = 1000, 50
# Draws of a bound where there is one for each pixel of an image.
FEW_DRAWS = 8
BACKBONES = (BackboneKind.classifier, BackboneKind.pixels)
Figures = dict[str, float]


@dataclass(frozen=True)
class Test:
    """The test split in a random order, the same for all seeds.

    Attributes:
        images: ``(N, 1, H, W)`` in [-1, 1].
        labels: ``(N,)``.
        pairs: some of them, changed by one distance.
        whole: some of them, moved by one pixel, or with stray ones.
    """

    images: FloatArray
    labels: IntArray
    pairs: Changed
    whole: Changed

    @classmethod
    def of(cls, run: Run, count: int) -> Test:
        """Of a run's dataset, with ``count`` digits changed."""
        part = split_for_testing(run.plan.dataset)
        assert part is not None
        source = part.load()
        assert isinstance(source, Images)
        assert source.labels is not None
        order = np.random.default_rng(ORDER_SEED).permutation(len(source.pixels))
        images: FloatArray = normalise(torch.from_numpy(source.pixels[order])).numpy()
        return cls(images, source.labels[order], changed(images, count, SEED), whole_steps(images, count, SEED))

    @property
    def one_of_each(self) -> IntArray:
        """The first of each class among the changed digits: their places there."""
        return np.unique(self.labels[self.pairs.rows], return_index=True)[1]


def evaluator_of(run: Run, count: int) -> Evaluator:
    """What judges the samples of all runs."""
    return subjects.generator(run.directory, Weights.average).evaluator(BACKBONES, count, 0, None)


def of_samples(run: Run, evaluator: Evaluator) -> tuple[Figures, ByteArray]:
    """Figures of a run's generator or decoder, and its samples as bytes, ``(N, 1, H, W)``."""
    drawn = subjects.generator(run.directory, Weights.average)
    found = evaluator(lambda count: drawn.draw(count, SEED))
    return dict(found.figures), np.asarray(found.samples, np.uint8)


def of_likelihood(judges: Judges, test: Test) -> Figures:
    """Bounds of the VAE on test digits, in nats, and its deviation."""
    images = torch.from_numpy(test.images[:BOUNDED])
    random = seeded_generator(SEED, "bounds", torch.device("cpu"))
    weights = log_weights(images, judges.coder.posterior, judges.coder.log_likelihood, DRAWS, random)
    found = bounds(weights, (1, DRAWS))
    return {
        "elbo": Estimate.of(found[1]).mean,
        f"iwae_{DRAWS}": Estimate.of(found[DRAWS]).mean,
        "sigma": judges.sigma,
    }


def of_pairs(judges: Judges, test: Test, samples: ByteArray) -> dict[str, Any]:
    """What the models say of changed digits, as plain values: levels, preferences."""
    scores = scored(judges, test.pairs)
    whole = preferences(scored(judges, test.whole), (WHOLE,))
    levels = {score: {name: float(values.mean()) for name, values in of.items()} for score, of in scores.items()}
    levels[LOGIT]["own samples"] = float(judges.logit(to_floats(samples)).mean())
    above = {
        score: {name: float((values > of["x"]).mean()) for name, values in of.items() if name != "x"}
        for score, of in scores.items()
    }
    preferred = {
        score: {pair: asdict(each) for pair, each in (*of.items(), *whole[score].items())}
        for score, of in preferences(scores, PAIRS).items()
    }
    return {"levels": levels, "above": above, "preferences": preferred}


def of_places(judges: Judges, test: Test) -> dict[str, float]:
    """Score -> how much the price of a moved pixel depends on its place: deviation / mean size, over ten digits."""
    found = [spread(prices(judges, test.pairs.originals[place])) for place in test.one_of_each]
    return {score: float(np.mean([each[score] for each in found])) for score in found[0]}


def prices(judges: Judges, image: FloatArray) -> Mapping[str, FloatArray]:
    """Score -> what it changes by when a pixel of ``(1, H, W)`` is moved, for each pixel, ``(H, W)``."""
    moved, whole = each_pixel(image), image[None]
    beside = np.repeat(whole, len(moved), axis=0)
    found = {
        CODE: judges.at_code(beside, moved) - judges.at_code(whole, whole),
        ELBO: judges.elbo(moved, FEW_DRAWS) - judges.elbo(whole, FEW_DRAWS),
        LOGIT: judges.logit(moved) - judges.logit(whole),
    }
    return {score: values.reshape(image.shape[1:]) for score, values in found.items()}


def spread(maps: Mapping[str, FloatArray]) -> dict[str, float]:
    """Deviation over the places, divided by the mean of the absolute values."""
    return {score: float(values.std() / np.abs(values).mean()) for score, values in maps.items()}


def seconds(runs: Sequence[Run]) -> list[float]:
    """Of training alone."""
    return [float(run.summary["seconds"]) for run in runs]
