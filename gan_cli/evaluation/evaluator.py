"""Generated samples in, figures with their provenance out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from gan_cli import __version__
from gan_cli.data.cache import Store
from gan_cli.errors import ConfigError, DivergedError
from gan_cli.evaluation.backbones.base import Backbone, Samples
from gan_cli.evaluation.measures import Measure, Memorised, Transport
from gan_cli.evaluation.real_data import RealData
from gan_cli.evaluation.reference_features import ReferenceFeatures, cached_metrics, compute_reference
from gan_cli.metrics.catalog import MIN_SAMPLES
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry import images

# Generated samples (N, *shape) in [-1, 1], as many as are asked for.
DrawSamples = Callable[[int], FloatArray]
# What samples are once they are compared.
SamplesT = TypeVar("SamplesT")


@dataclass(frozen=True)
class BackboneMeasures:
    """A backbone and what is measured with it."""

    backbone: Backbone
    measures: Sequence[Measure]


@dataclass(frozen=True)
class Evaluation(Generic[SamplesT]):
    """What was measured.

    Attributes:
        figures: name -> value; ``metrics/catalog.py`` says which are better high and which low.
        provenance: what the figures depend on, as plain values.
        samples: the generated samples, as they were compared.
    """

    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]
    samples: SamplesT


class SampleEvaluator(Protocol):
    """Whatever measures samples; :class:`Evaluator` those of images and points."""

    def __call__(self, draw: Callable[[int], Any]) -> Evaluation[Any]:
        """Draw samples and measure them."""
        ...

    def floor(self) -> dict[str, float]:
        """The same figures for real samples."""
        ...


class Evaluator:
    """Compares generated samples with real ones, again and again; statistics of the real ones are computed once."""

    def __init__(self, data: RealData, backbone_measures: Sequence[BackboneMeasures], count: int, seed: int, store: Store) -> None:
        """Compute what is needed of the real samples, or read it from the store.

        Args:
            data: real samples in their roles.
            judges: backbones, and what is measured with each.
            count: generated samples of an evaluation.
            seed: of whatever is drawn on the way.
            store: where statistics are kept.
        """
        if count < MIN_SAMPLES:
            raise ConfigError(f"expected at least {MIN_SAMPLES} samples to evaluate, got {count}")
        self.data = data
        self.backbone_measures = backbone_measures
        self.count = count
        self.seed = seed
        self._store = store
        self._references = [compute_reference(data, entry.backbone, count, store) for entry in backbone_measures]

    def __call__(self, draw: DrawSamples) -> Evaluation[Samples]:
        """Draw samples and measure them.

        Raises:
            DivergedError: a sample is not finite.
        """
        samples = self.quantize(draw(self.count))
        metrics: dict[str, float] = {}
        for entry, known in zip(self.backbone_measures, self._references, strict=True):
            described = entry.backbone.extract(samples)
            for measure in entry.measures:
                metrics.update(measure(known, described))
        return Evaluation(metrics, self.provenance(len(samples)), samples)

    def floor(self) -> dict[str, float]:
        """The same figures for real samples in the place of generated ones; kept in the store."""
        metrics: dict[str, float] = {}
        for entry, known in zip(self.backbone_measures, self._references, strict=True):
            key = {
                "what": "floor",
                "backbone": [entry.backbone.name, entry.backbone.checksum],
                "reference": known.checksum,
                "data": self.data.fingerprint,
                "counts": [len(known.training), known.num_reference, known.num_matched, len(known.floor_samples.features)],
                "held_out": [len(known.held_out), self.data.held_out_origin],
            }
            for measure in entry.measures:
                compute = partial(measure.floor, known)
                metrics.update(cached_metrics(self._store, {**key, "measure": repr(measure)}, compute))
        return metrics

    def quantize(self, samples: FloatArray) -> Samples:
        """Generated samples as real ones are: images in 256 levels, points as they are.

        Raises:
            DivergedError: a sample is not finite.
        """
        if samples.shape[1:] != self.data.shape:
            raise ConfigError(f"expected samples of shape {self.data.shape}, got {samples.shape[1:]}")
        if not np.isfinite(samples).all():
            broken = int((~np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)).sum())
            raise DivergedError(f"{broken} of {len(samples)} generated samples are not finite")
        return samples if self.data.training.dtype != np.uint8 else images.to_bytes(samples)

    def reference_for(self, index: int) -> ReferenceFeatures:
        """What the samples are compared with in the features of a backbone, by its place in the list."""
        return self._references[index]

    def provenance(self, generated: int) -> dict[str, Any]:
        """What figures of so many generated samples depend on, but for the generator."""
        data = self.data
        return {
            "data": {"fingerprint": data.fingerprint, "held_out": data.held_out_origin, "floor": data.floor_origin},
            "samples": {
                "generated": generated,
                "real_moments": data.num_reference,
                "real_neighbours": min(self.count, data.num_reference),
                "training": len(data.training),
                "held_out": len(data.held_out),
                "floor": len(data.floor_samples),
            },
            "seed": self.seed,
            "rounding": "images to 256 levels",
            "backbones": {
                entry.backbone.name: {
                    "checksum": entry.backbone.checksum,
                    "reference": known.checksum,
                    **entry.backbone.facts,
                    **_limits(entry.measures, known, generated),
                }
                for entry, known in zip(self.backbone_measures, self._references, strict=True)
            },
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """Of what figures are computed with."""
    return {
        "gan_cli": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _limits(measures: Sequence[Measure], known: ReferenceFeatures, generated: int) -> dict[str, Any]:
    """Numbers of samples of the measures that look at fewer than there are."""
    limits: dict[str, Any] = {}
    for measure in measures:
        if isinstance(measure, Transport):
            limits["transport_samples"] = measure.count(known, generated)
        if isinstance(measure, Memorised) and not known.fresh:
            limits["memorisation_samples"] = measure.counts(known, generated)
    return limits
