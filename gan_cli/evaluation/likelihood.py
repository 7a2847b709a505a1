"""How likely a run's model finds samples that it has never seen: bounds in nats per sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_cli.config.validate import checked
from gan_cli.data.samplers import normalise
from gan_cli.data.splits import held_out_rows
from gan_cli.errors import ConfigError
from gan_cli.evaluation.real_data import ORDER_SEED, split_for_testing
from gan_cli.inference.autoencoder import trained_coder
from gan_cli.inference.loading import Weights, learned_dataset
from gan_cli.metrics.importance_sampling import Estimate, bounds, log_weights
from gan_cli.protocols.data import Dataset, Density, Images, Sequences
from gan_cli.runtime.rng import SeededStream, seeded_generator
from gan_cli.storage.run_directory import RunDirectory

# Name of a figure -> draws from the posterior for each sample.
BOUNDS: Mapping[str, int] = MappingProxyType({"elbo": 1, "iwae_50": 50, "iwae_5000": 5000})
USUAL_COUNT = 1000
# Log-weights that there are at a time.
BLOCK = 100


@dataclass(frozen=True)
class Evaluated:
    """Bounds on the mean log-likelihood.

    Attributes:
        figures: those of :data:`BOUNDS`, in nats per sample.
        provenance: what they depend on, as plain values.
    """

    figures: Mapping[str, Estimate]
    provenance: Mapping[str, Any]


def bounded_likelihood(
    directory: RunDirectory, weights: Weights = Weights.average, count: int = USUAL_COUNT, seed: int = 0
) -> Evaluated:
    """ELBO and importance-weighted bounds (Burda et al. 2016) of a run's latest checkpoint.

    Args:
        directory: of the run.
        weights: the moving average, or the networks as training left them.
        count: samples, at most; they are a random choice from the test data, the same for all runs.
        seed: of the binarisation, one for the whole of the test data, and of the draws from the posterior.

    Raises:
        ConfigError: no run directory, no checkpoint, a model without a posterior, or no test data.
        DataError: the data cannot be read.
    """
    coder = trained_coder(directory, weights)
    samples, origin = _test_samples(directory, count)
    cpu = torch.device("cpu")
    targets = coder.likelihood.target(samples, SeededStream(seed, "test targets", cpu))[:count]
    generator = seeded_generator(seed, "importance", cpu)
    parts: dict[str, list[Tensor]] = {name: [] for name in BOUNDS}
    for block in torch.split(targets, BLOCK):
        drawn = log_weights(block, coder.posterior, coder.log_likelihood, max(BOUNDS.values()), generator)
        for name, values in zip(BOUNDS, bounds(drawn, tuple(BOUNDS.values())).values(), strict=True):
            parts[name].append(values)
    figures = {name: Estimate.of(torch.cat(values)) for name, values in parts.items()}
    likelihood = checked(directory.stored_config()).algorithm["likelihood"]
    provenance = {
        "samples": len(targets),
        "origin": origin,
        "seed": seed,
        "likelihood": dict(likelihood),
        "step": coder.step,
        "ema": weights is Weights.average,
    }
    return Evaluated(figures, provenance)


def _test_samples(directory: RunDirectory, count: int) -> tuple[Tensor, str]:
    """All samples that were never trained on, ``(N, *shape)``, images in a random order, and where they come from."""
    dataset: Dataset = learned_dataset(directory)
    share = float(checked(directory.stored_config()).train.held_out)
    part = split_for_testing(dataset)
    source = dataset.load() if part is None else part.load()
    assert not isinstance(source, Sequences)  # those have no encoder
    if not isinstance(source, Images):
        return _drawn(source.split(share)[1], count), "fresh draws"
    rows = held_out_rows(len(source.pixels), share)[1] if part is None else np.arange(len(source.pixels))
    if not len(rows):
        raise ConfigError("the likelihood is taken of data that were not trained on: train.held_out was 0")
    order = np.random.default_rng(ORDER_SEED).permutation(rows)
    origin = "test split" if part is not None else f"share {share} of the data that was never trained on"
    return normalise(torch.from_numpy(source.pixels[order])), origin


def _drawn(density: Density, count: int) -> Tensor:
    return density.draw(count, seeded_generator(ORDER_SEED, "held out", torch.device("cpu")))
