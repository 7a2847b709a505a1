"""Evaluation of generated images and points: metrics with their provenance."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import torch

from gan_cli import __version__
from gan_cli.data.cache import Store
from gan_cli.errors import ConfigError, DivergedError
from gan_cli.evaluation.backbones.base import Backbone, Samples
from gan_cli.evaluation.measures import Measure
from gan_cli.evaluation.real_data import RealData
from gan_cli.evaluation.reference_features import ReferenceFeatures, cached_metrics, compute_reference
from gan_cli.metrics.registry import MIN_SAMPLES
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry import images

# Generated samples (N, *shape) in [-1, 1], as many as are asked for.
DrawSamples = Callable[[int], FloatArray]
# Called with a few words on what is about to be computed.
OnStage: TypeAlias = Callable[[str], None]
# Type of samples as they are compared: images as bytes, points or tokens.
SamplesT = TypeVar("SamplesT")


def ignore_stage(stage: str) -> None:
    """Show nothing of the stages of an evaluation."""


@dataclass(frozen=True)
class BackboneMeasures:
    """A backbone and the measures that use its features."""

    backbone: Backbone
    measures: Sequence[Measure]


@dataclass(frozen=True)
class Evaluation(Generic[SamplesT]):
    """Result of evaluating a generator's samples.

    Attributes:
        metrics: name -> value; ``metrics/registry.py`` says which are better high and which low.
        provenance: all that the metrics depend on, as plain values.
        samples: the generated samples, as they were compared.
        errors: name -> standard error of those metrics whose error was asked for.
    """

    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]
    samples: SamplesT
    errors: Mapping[str, float] = field(default_factory=dict)


class SampleEvaluator(Protocol):
    """Interface of evaluators of samples; :class:`Evaluator` is that of images and points.

    Attributes:
        count: number of generated samples of an evaluation.
    """

    count: int

    def __call__(self, draw: Callable[[int], Any], *, errors_of: Collection[str] = ()) -> Evaluation[Any]:
        """Draw samples and measure them, and estimate the standard errors of the metrics that are named."""
        ...

    def floor(self) -> dict[str, float]:
        """Return the same metrics for real samples."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics, those among them that may turn out not to apply to the data."""
        ...


class Evaluator:
    """Evaluator of images and points against real ones, whose features and statistics are computed once."""

    def __init__(
        self,
        data: RealData,
        backbone_measures: Sequence[BackboneMeasures],
        count: int,
        seed: int,
        store: Store,
        on_stage: OnStage = ignore_stage,
    ) -> None:
        """Compute features and statistics of the real samples, or read them from the store.

        Args:
            data: real samples by their role.
            backbone_measures: backbones, and the measures to take with each.
            count: number of generated samples of an evaluation.
            seed: seed recorded in the provenance.
            store: cache of features and statistics.
            on_stage: called with what is about to be computed.
        """
        if count < MIN_SAMPLES:
            raise ConfigError(f"expected at least {MIN_SAMPLES} samples to evaluate, got {count}")
        self.data = data
        self.backbone_measures = backbone_measures
        self.count = count
        self.seed = seed
        self._store = store
        self._on_stage = on_stage
        self._references = [self._reference(entry.backbone) for entry in backbone_measures]

    def __call__(self, draw: DrawSamples, *, errors_of: Collection[str] = ()) -> Evaluation[Samples]:
        """Draw samples and measure them.

        Args:
            draw: generates samples.
            errors_of: names of the metrics whose standard errors are estimated.

        Raises:
            DivergedError: a sample is not finite.
        """
        self._on_stage(f"drawing {self.count:,} samples")
        samples = self.quantize(draw(self.count))
        metrics: dict[str, float] = {}
        errors: dict[str, float] = {}
        provenance = self.provenance(len(samples))
        for entry, reference in zip(self.backbone_measures, self._references, strict=True):
            self._on_stage(f"features of {len(samples):,} generated samples by {entry.backbone.name}")
            generated = entry.backbone.extract(samples)
            for measure in entry.measures:
                self._on_stage(", ".join(measure.tags(entry.backbone.name).values()))
                metrics.update(measure(reference, generated))
                if not set(errors_of).isdisjoint(measure.tags(entry.backbone.name).values()):
                    errors.update(measure.errors(reference, generated))
                provenance["backbones"][entry.backbone.name].update(measure.inputs.remarks(reference, generated))
        return Evaluation(metrics, provenance, samples, {name: errors[name] for name in errors if name in errors_of})

    def floor(self) -> dict[str, float]:
        """Return the same metrics for real samples in the place of generated ones; cached in the store."""
        metrics: dict[str, float] = {}
        for entry, reference in zip(self.backbone_measures, self._references, strict=True):
            key = {
                "what": "floor",
                "backbone": [entry.backbone.name, entry.backbone.checksum],
                "reference": reference.checksum,
                "data": self.data.fingerprint,
                "counts": [
                    len(reference.training),
                    reference.num_reference,
                    reference.num_matched,
                    len(reference.floor_samples.features),
                ],
                "held_out": [len(reference.held_out), self.data.held_out_origin],
            }
            for measure in entry.measures:
                compute = partial(measure.floor, reference)
                names = measure.tags(entry.backbone.name).values()
                self._on_stage(f"{', '.join(names)} of real samples")
                metrics.update(cached_metrics(self._store, {**key, "measure": measure.cache_key}, names, compute))
        return metrics

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics, those among them that may turn out not to apply to the data."""
        return tuple(
            name
            for entry in self.backbone_measures
            for measure in entry.measures
            for name in measure.tags(entry.backbone.name).values()
        )

    def quantize(self, samples: FloatArray) -> Samples:
        """Quantize generated images to 256 levels where real ones are bytes; return others, and points, unchanged.

        Raises:
            DivergedError: a sample is not finite.
        """
        if samples.shape[1:] != self.data.shape:
            raise ConfigError(f"expected samples of shape {self.data.shape}, got {samples.shape[1:]}")
        if not np.isfinite(samples).all():
            nonfinite = int((~np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)).sum())
            raise DivergedError(f"{nonfinite} of {len(samples)} generated samples are not finite")
        return samples if self.data.training.dtype != np.uint8 else images.to_bytes(samples)

    def reference_for(self, index: int) -> ReferenceFeatures:
        """Return the real samples' features by the backbone with that index in the list."""
        return self._references[index]

    def _reference(self, backbone: Backbone) -> ReferenceFeatures:
        self._on_stage(f"features of {len(self.data.training):,} real samples by {backbone.name}")
        return compute_reference(self.data, backbone, self.count, self._store)

    def provenance(self, generated: int) -> dict[str, Any]:
        """Return all that the metrics of that many generated samples depend on, apart from the generator."""
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
            "rounding": "none" if _is_deep(data.training) else "images to 256 levels",
            "backbones": {
                entry.backbone.name: {
                    "checksum": entry.backbone.checksum,
                    "reference": reference.checksum,
                    **entry.backbone.facts,
                    **_limits(entry.measures, reference, generated),
                }
                for entry, reference in zip(self.backbone_measures, self._references, strict=True)
            },
            "versions": versions(),
        }


def _is_deep(samples: Samples) -> bool:
    """Return True for images of more than 8 bits."""
    return samples.ndim == 4 and samples.dtype != np.uint8


def versions() -> dict[str, str]:
    """Return the versions of the software that computes metrics."""
    return {
        "gan_cli": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _limits(measures: Sequence[Measure], reference: ReferenceFeatures, generated: int) -> dict[str, Any]:
    """Return numbers of samples of those measures that use only a part of them."""
    return {key: value for measure in measures for key, value in measure.inputs.counts(reference, generated).items()}
