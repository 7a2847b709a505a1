"""Measure the runs of one seed, in a process of its own, and draw the pictures of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims.harness import Run
from benchmarks.versus import album, measure
from benchmarks.versus.scores import TrainedModels

Runs = Mapping[str, Mapping[str, Run]]


@dataclass(frozen=True)
class Seed:
    """What is measured of one seed.

    Attributes:
        runs: dataset -> model -> its run.
        samples: of an evaluation.
        pairs: number of test digits that are changed.
        pictures: folder of the pictures; None: none are drawn.
    """

    runs: Runs
    samples: int
    pairs: int
    pictures: Path | None


def measure_seed(seed: Seed) -> dict[str, Any]:
    """Return the results of one seed as plain values; see ``results.Results``."""
    evaluators = {dataset: measure.make_evaluator(of["gan"], seed.samples) for dataset, of in seed.runs.items()}
    measured = {dataset: measure.measure_samples(of, evaluators[dataset]) for dataset, of in seed.runs.items()}
    gan, vae = seed.runs["mnist"]["gan"], seed.runs["mnist"]["vae"]
    models, test = TrainedModels.of(gan, vae), measure.TestDigits.of(vae, seed.pairs)
    digits, points = measured["mnist"].samples, measured["ring8"].samples
    if seed.pictures is not None:
        drawn = {
            "samples": album.samples(digits, test),
            "neighbours": album.neighbours(digits, evaluators["mnist"]),
            "ring8": album.scatter(points, evaluators["ring8"]),
            "pairs": album.pairs(models, test),
            "places": album.places(models, test),
        }
        for name, image in drawn.items():
            album.save(image, seed.pictures / f"versus_{name}.webp")
    return {
        "quality": {dataset: found.metrics for dataset, found in measured.items()},
        "cost": {dataset: found.costs for dataset, found in measured.items()},
        "training": {
            dataset: {model: run.processor_seconds for model, run in of.items()} for dataset, of in seed.runs.items()
        },
        "likelihood": measure.likelihood_metrics(models, test),
        **measure.pair_scores(models, test, digits["gan"]),
        "places": measure.place_dependence(models, test),
    }
