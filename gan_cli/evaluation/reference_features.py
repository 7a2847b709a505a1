"""Real samples as a backbone sees them, kept below the data root so that they are computed once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.data.cache import Arrays, Store
from gan_cli.evaluation.backbones.base import Backbone, Described, Samples, Tags
from gan_cli.evaluation.real_data import RealData
from gan_cli.metrics.frechet import Gaussian, gaussian
from gan_cli.protocols.arrays import FloatArray, IntArray

logger = logging.getLogger(__name__)

FOLDER = "references"
# Part of every key: raise it when features or statistics change.
FORMAT = 1
# Covariances of more dimensions take minutes and gigabytes, and say little of so few samples.
WIDEST = 4096


@dataclass(frozen=True)
class Reference:
    """What generated samples are compared with.

    Attributes:
        backbone: whose features these are.
        tags: what its distances are called.
        gaussian: moments of the samples that are compared with; None where features are too wide.
        training: ``(M, D)``, features of all training samples.
        compared: so many of them, from the first on, are compared with.
        alike: as many of those as there are generated samples, where there are so many.
        spare: real samples apart from these; what they score is the noise floor.
        held_out: ``(H, D)``, features of samples that were not trained on.
        labels: ``(M,)``, of the training samples, or None.
        fresh: whether each sample is drawn anew.
        checksum: SHA-256 of the features and moments that are compared with.
    """

    backbone: str
    tags: Tags
    gaussian: Gaussian | None
    training: FloatArray
    compared: int
    alike: int
    spare: Described
    held_out: FloatArray
    labels: IntArray | None
    fresh: bool
    checksum: str

    @property
    def few(self) -> FloatArray:
        """``(alike, D)``: for figures that grow with the number of real samples."""
        return self.training[: self.alike]


def reference(data: RealData, backbone: Backbone, count: int, store: Store) -> Reference:
    """Features and statistics of real samples for ``count`` generated ones, from the store where they are there."""
    kept = _Kept(data, backbone, store)
    training = kept.described("training", data.training)
    found = kept.moments(training.features[: data.compared])
    alike = min(count, data.compared)
    return Reference(
        backbone=backbone.name,
        tags=backbone.tags,
        gaussian=found,
        training=training.features,
        compared=data.compared,
        alike=alike,
        spare=kept.described("spare", data.spare),
        held_out=kept.described("held out", data.held_out).features,
        labels=data.labels,
        fresh=data.fresh,
        checksum=_checksum(training.features[:alike], found),
    )


def cached_figures(store: Store, key: dict[str, Any], compute: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Figures by name, computed once for a key."""

    def arrays() -> Arrays:
        figures = compute()
        return {"names": np.array(list(figures), dtype=np.str_), "values": np.array(list(figures.values()), np.float64)}

    stored = store.arrays(FOLDER, {**key, "format": FORMAT}, arrays)
    return {str(name): float(value) for name, value in zip(stored["names"], stored["values"], strict=True)}


@dataclass(frozen=True)
class _Kept:
    """Computes what is not in the store yet."""

    data: RealData
    backbone: Backbone
    store: Store

    def described(self, role: str, samples: Samples) -> Described:
        if not self.backbone.costly or not len(samples):
            return _described(self.backbone, samples)

        def arrays() -> Arrays:
            if len(samples) > 10_000:
                logger.info("features of %d real samples by %s: computed once", len(samples), self.backbone.name)
            seen = self.backbone.describe(samples)
            return {"features": seen.features, **({} if seen.predicted is None else {"predicted": seen.predicted})}

        # The digest of the samples stands for how they were chosen.
        stored = self.store.arrays(FOLDER, self._key(role, digest=_digest(samples)), arrays)
        return Described(stored["features"], stored.get("predicted"))

    def moments(self, features: FloatArray) -> Gaussian | None:
        width = features.shape[1]
        if width > WIDEST:
            logger.info(
                "%s left out: its covariance would have %d dimensions, more than %d",
                self.backbone.tags.frechet,
                width,
                WIDEST,
            )
            return None

        def arrays() -> Arrays:
            found = gaussian(features)
            return {"mean": found.mean, "covariance": found.covariance, "count": np.array(found.count)}

        stored = self.store.arrays(FOLDER, self._key("moments", digest=_digest(features)), arrays)
        return Gaussian(stored["mean"], stored["covariance"], int(stored["count"]))

    def _key(self, what: str, digest: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "what": what,
            "data": self.data.fingerprint,
            "samples": digest,
            "backbone": [self.backbone.name, self.backbone.checksum],
        }


def _described(backbone: Backbone, samples: Samples) -> Described:
    """Features of samples, of which there may be none."""
    if len(samples):
        return backbone.describe(samples)
    return Described(np.empty((0, 1), np.float32))


def _digest(values: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _checksum(features: FloatArray, moments: Gaussian | None) -> str:
    digest = hashlib.sha256(_digest(features).encode())
    if moments is not None:
        digest.update(_digest(moments.mean).encode() + _digest(moments.covariance).encode())
    return digest.hexdigest()
