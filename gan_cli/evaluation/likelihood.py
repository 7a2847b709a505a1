"""Bounds on the log-likelihood of test samples under a run's model, in nats per sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_cli.algorithms.spec import spec_of
from gan_cli.config.validate import validate_config
from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.data.splits import split_rows
from gan_cli.errors import ConfigError
from gan_cli.evaluation.real_data import ORDER_SEED, find_test_split
from gan_cli.inference.loading import CPU, GeneratorWeights, run_dataset
from gan_cli.metrics.importance_sampling import Estimate, log_weights
from gan_cli.metrics.likelihood import BOUNDS
from gan_cli.metrics.registry import registered
from gan_cli.protocols.data import Dataset, Density, Sequences, StoredSamples
from gan_cli.runtime.rng import SeededStream, seeded_generator
from gan_cli.storage.stored_model import ConfiguredRun, StoredModel

DEFAULT_COUNT = 1000
# Samples whose log-weights are computed at a time.
BLOCK = 100


@dataclass(frozen=True)
class LikelihoodEvaluation:
    """Bounds on the mean log-likelihood.

    Attributes:
        metrics: the bounds by name, in nats per sample.
        provenance: all that they depend on, as plain values.
    """

    metrics: Mapping[str, Estimate]
    provenance: Mapping[str, Any]


def estimate_likelihood(
    stored: StoredModel,
    weights: GeneratorWeights = GeneratorWeights.average,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    device: torch.device = CPU,
) -> LikelihoodEvaluation:
    """Estimate ELBO and importance-weighted bounds (Burda et al. 2016) of a stored model.

    Args:
        stored: a run's checkpoint, or another stored model.
        weights: the moving average, or the networks as training left them.
        count: maximum number of samples; they are a random choice from the test data, the same for all runs.
        seed: seed of the binarisation, one for the whole of the test data, and of the draws from the posterior.
        device: device on which the networks compute.

    Raises:
        ConfigError: no run directory, no checkpoint, a model without a posterior, or no test data.
        DataError: the data cannot be read.
    """
    model = spec_of(stored).load_likelihood_model(stored, weights)
    model.to(device)
    samples, origin = _test_samples(stored, count)
    targets = model.targets(samples, SeededStream(seed, "test targets", CPU))[:count]
    generator = seeded_generator(seed, "importance", CPU)
    parts: dict[str, list[Tensor]] = {}
    for block in torch.split(targets, BLOCK):
        drawn = log_weights(block, model.posterior, model.log_likelihood, max(BOUNDS.values()), generator)
        for metric in registered("log_weights"):
            for name, values in metric.compute(drawn).items():
                parts.setdefault(name, []).append(torch.as_tensor(values))
    metrics = {name: Estimate.from_values(torch.cat(values)) for name, values in parts.items()}
    provenance = {
        "samples": len(targets),
        "origin": origin,
        "seed": seed,
        **model.facts,
        "device": device.type,
        "step": model.step,
        "ema": weights is GeneratorWeights.average,
    }
    return LikelihoodEvaluation(metrics, provenance)


def _test_samples(run: ConfiguredRun, count: int) -> tuple[Tensor, str]:
    """Return all samples that were never trained on, ``(N, *shape)``, images in random order, and their origin."""
    dataset: Dataset = run_dataset(run)
    share = float(validate_config(run.stored_config()).train.held_out)
    part = find_test_split(dataset)
    source = dataset.load() if part is None else part.load()
    assert not isinstance(source, Sequences)  # those have no encoder
    if not isinstance(source, StoredSamples):
        return _draw(source.split(share)[1], count), "fresh draws"
    rows = split_rows(len(source.array), share)[1] if part is None else np.arange(len(source.array))
    if not len(rows):
        raise ConfigError("the likelihood is taken of data that were not trained on: train.held_out was 0")
    order = np.random.default_rng(ORDER_SEED).permutation(rows)
    origin = "test split" if part is not None else f"share {share} of the data that was never trained on"
    return Normalization(source.levels)(stored_tensor(source.array[order])), origin


def _draw(density: Density, count: int) -> Tensor:
    return density.draw(count, seeded_generator(ORDER_SEED, "held out", torch.device("cpu")))
