"""Features of real samples by a backbone, cached below the data root so that they are computed once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.data.cache import Arrays, DamagedError, Store
from gan_cli.errors import truncated_repr
from gan_cli.evaluation.backbones.base import Backbone, BackboneOutput, Samples
from gan_cli.evaluation.real_data import RealData
from gan_cli.metrics.frechet import GaussianMoments, gaussian_moments
from gan_cli.metrics.registry import registered
from gan_cli.protocols.arrays import FloatArray, IntArray

logger = logging.getLogger(__name__)

FOLDER = "references"
# Part of every key: raise it when features or statistics change.
FORMAT = 1
# The same of moments: 2 holds a factor in place of the covariance.
MOMENTS_FORMAT = 2
# Eigenvectors of more dimensions take many seconds.
SLOW_FEATURE_DIM = 2048
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
        checksum: SHA-256 of the features of the reference.
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
        checksum=_checksum(training.features[:num_matched], training.features[: data.num_reference]),
    )


def cached_metrics(
    store: Store, key: dict[str, Any], names: Collection[str], compute: Callable[[], Mapping[str, float]]
) -> dict[str, float]:
    """Return metrics by name, computed once for a key; ``names`` are those that there may be."""

    def arrays() -> Arrays:
        metrics = compute()
        return {"names": np.array(list(metrics), dtype=np.str_), "values": np.array(list(metrics.values()), np.float64)}

    def check(stored: Arrays) -> None:
        require_array(stored, "values", np.float64, (None,), finite=False)
        require_array(stored, "names", np.str_, stored["values"].shape)
        unknown = [str(name) for name in stored["names"] if str(name) not in names]
        if unknown:
            raise DamagedError(f"it has a metric {truncated_repr(unknown[0])}")

    stored = store.load_or_compute(FOLDER, {**key, "format": FORMAT}, arrays, check)
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
        key, check = self._key(role, digest=_digest(samples)), partial(self._check, samples)
        stored = self.store.load_or_compute(FOLDER, key, arrays, check)
        return BackboneOutput(stored["features"], stored.get("predicted"))

    def _check(self, samples: Samples, stored: Arrays) -> None:
        """Raise ``DamagedError`` unless stored arrays are such as the backbone makes of the samples."""
        example = self.backbone.extract(samples[:1])
        require_array(stored, "features", np.float32, (len(samples), example.features.shape[1]))
        if example.predicted is not None:
            require_array(stored, "predicted", np.int64, (len(samples), *example.predicted.shape[1:]))
            predicted, most = stored["predicted"], 0 if self.data.labels is None else self.data.labels.max()
            if predicted.min() < 0 or predicted.max() > most:
                raise DamagedError(f"its classes are {predicted.min()} to {predicted.max()}")

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
            if SLOW_FEATURE_DIM < width <= len(features):
                logger.info("moments of %d real samples by %s: computed once", len(features), self.backbone.name)
            found = gaussian_moments(features)
            return {"mean": found.mean, "factor": found.factor, "count": np.array(found.count)}

        def check(stored: Arrays) -> None:
            require_array(stored, "mean", np.float64, (width,))
            require_array(stored, "factor", np.float64, (width, None))
            require_array(stored, "count", np.int64, ())

        key = self._key("moments", digest=_digest(features), version=MOMENTS_FORMAT)
        stored = self.store.load_or_compute(FOLDER, key, arrays, check)
        return GaussianMoments(stored["mean"], stored["factor"], int(stored["count"]))

    def _key(self, what: str, digest: str, version: int = FORMAT) -> dict[str, Any]:
        return {
            "format": version,
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


def _checksum(matched: FloatArray, reference: FloatArray) -> str:
    """Return the checksum of the features that as many generated samples are compared with, and of all of them."""
    return hashlib.sha256((_digest(matched) + _digest(reference)).encode()).hexdigest()


def require_array(
    arrays: Arrays, name: str, kind: npt.DTypeLike, shape: tuple[int | None, ...], *, finite: bool = True
) -> None:
    """Check an array that was stored.

    Args:
        arrays: arrays by name.
        name: that of the array.
        kind: its dtype; ``np.str_`` for text of any length.
        shape: its shape, None for an axis of any length.
        finite: whether all numbers have to be finite.

    Raises:
        DamagedError: it is missing, or is another.
    """
    array = arrays.get(name)
    if array is None:
        raise DamagedError(f"it has no {name}")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(array.shape, shape, strict=True)
    )
    if not np.issubdtype(array.dtype, kind) or not fits:
        raise DamagedError(f"its {name} are {array.dtype} of shape {array.shape}")
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DamagedError(f"its {name} are not finite")
