"""Features of real samples by a backbone, cached below the data root so that they are computed once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.data.cache import Arrays, Store
from gan_cli.evaluation.backbones.base import Backbone, BackboneOutput, Samples
from gan_cli.evaluation.real_data import RealData
from gan_cli.metrics.frechet import GaussianMoments, gaussian_moments
from gan_cli.metrics.registry import registered
from gan_cli.protocols.arrays import FloatArray, IntArray

logger = logging.getLogger(__name__)

FOLDER = "references"
# Part of every key: raise it when features or statistics change.
FORMAT = 1
# Covariances of more dimensions take minutes and gigabytes, and say little of so few samples.
MAX_FEATURE_DIM = 4096


@dataclass(frozen=True)
class ReferenceFeatures:
    """Features of real samples that generated samples are compared with.

    Attributes:
        backbone: name of the backbone.
        gaussian_moments: moments of the samples that are compared with; None where features are too wide.
        training: ``(M, D)``, features of all training samples.
        num_reference: number of them, from the first on, that are the reference to compare with.
        num_matched: number of generated samples, but at most ``num_reference``.
        floor_samples: real samples apart from the reference, whose score is the noise floor.
        held_out: ``(H, D)``, features of samples that were not trained on.
        labels: ``(M,)``, labels of the training samples, or None.
        fresh: True if each sample is drawn anew.
        checksum: SHA-256 of the features and moments of the reference.
    """

    backbone: str
    gaussian_moments: GaussianMoments | None
    training: FloatArray
    num_reference: int
    num_matched: int
    floor_samples: BackboneOutput
    held_out: FloatArray
    labels: IntArray | None
    fresh: bool
    checksum: str

    @property
    def matched(self) -> FloatArray:
        """First ``(num_matched, D)`` features, for metrics that depend on the number of real samples."""
        return self.training[: self.num_matched]


def compute_reference(data: RealData, backbone: Backbone, count: int, store: Store) -> ReferenceFeatures:
    """Return features and statistics of real samples for ``count`` generated ones, cached in the store."""
    cache = _ReferenceStore(data, backbone, store)
    training = cache.features("training", data.training)
    moments = cache.moments(training.features[: data.num_reference])
    num_matched = min(count, data.num_reference)
    return ReferenceFeatures(
        backbone=backbone.name,
        gaussian_moments=moments,
        training=training.features,
        num_reference=data.num_reference,
        num_matched=num_matched,
        floor_samples=cache.features("spare", data.floor_samples),
        held_out=cache.features("held out", data.held_out).features,
        labels=data.labels,
        fresh=data.fresh,
        checksum=_checksum(training.features[:num_matched], moments),
    )


def cached_metrics(store: Store, key: dict[str, Any], compute: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Return metrics by name, computed once for a key."""

    def arrays() -> Arrays:
        metrics = compute()
        return {"names": np.array(list(metrics), dtype=np.str_), "values": np.array(list(metrics.values()), np.float64)}

    stored = store.load_or_compute(FOLDER, {**key, "format": FORMAT}, arrays)
    return {str(name): float(value) for name, value in zip(stored["names"], stored["values"], strict=True)}


@dataclass(frozen=True)
class _ReferenceStore:
    """Features and moments of real samples, computed where they are not in the store yet."""

    data: RealData
    backbone: Backbone
    store: Store

    def features(self, role: str, samples: Samples) -> BackboneOutput:
        if not self.backbone.cacheable or not len(samples):
            return _extract(self.backbone, samples)

        def arrays() -> Arrays:
            if len(samples) > 10_000:
                logger.info("features of %d real samples by %s: computed once", len(samples), self.backbone.name)
            output = self.backbone.extract(samples)
            predicted = {} if output.predicted is None else {"predicted": output.predicted}
            return {"features": output.features, **predicted}

        # The digest of the samples covers how they were chosen.
        stored = self.store.load_or_compute(FOLDER, self._key(role, digest=_digest(samples)), arrays)
        return BackboneOutput(stored["features"], stored.get("predicted"))

    def moments(self, features: FloatArray) -> GaussianMoments | None:
        width = features.shape[1]
        if width > MAX_FEATURE_DIM:
            logger.info(
                "%s left out: its covariance would have %d dimensions, more than %d",
                ", ".join(info.tag(self.backbone.name) for each in registered("moments") for info in each.numbers),
                width,
                MAX_FEATURE_DIM,
            )
            return None

        def arrays() -> Arrays:
            found = gaussian_moments(features)
            return {"mean": found.mean, "covariance": found.covariance, "count": np.array(found.count)}

        stored = self.store.load_or_compute(FOLDER, self._key("moments", digest=_digest(features)), arrays)
        return GaussianMoments(stored["mean"], stored["covariance"], int(stored["count"]))

    def _key(self, what: str, digest: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "what": what,
            "data": self.data.fingerprint,
            "samples": digest,
            "backbone": [self.backbone.name, self.backbone.checksum],
        }


def _extract(backbone: Backbone, samples: Samples) -> BackboneOutput:
    """Extract features of samples, of which there may be none."""
    if len(samples):
        return backbone.extract(samples)
    return BackboneOutput(np.empty((0, 1), np.float32))


def _digest(values: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _checksum(features: FloatArray, moments: GaussianMoments | None) -> str:
    digest = hashlib.sha256(_digest(features).encode())
    if moments is not None:
        digest.update(_digest(moments.mean).encode() + _digest(moments.covariance).encode())
    return digest.hexdigest()
