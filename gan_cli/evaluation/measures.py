"""Measures: each class compares generated samples with a reference, and computes the score of real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gan_cli.evaluation.backbones.base import BackboneOutput
from gan_cli.evaluation.reference_features import ReferenceFeatures
from gan_cli.metrics.frechet import frechet_distance, gaussian_moments
from gan_cli.metrics.kernel import kernel_distance
from gan_cli.metrics.memorization import memorization
from gan_cli.metrics.modes import class_shares, modes, stacked_modes
from gan_cli.metrics.precision_recall import manifold
from gan_cli.metrics.wasserstein import wasserstein_distance
from gan_cli.protocols.arrays import FloatArray

Metrics = Mapping[str, float]


class Measure(Protocol):
    """Interface of measures: frozen dataclasses, whose ``repr`` is part of cache keys."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return metrics by name; empty where the measure does not apply to such data."""
        ...

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Return the same metrics for real samples in place of generated ones: their value from noise alone."""
        ...


class _FloorFromRealSamples:
    """Base of measures whose floor is the score of the real samples set aside for it."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return metrics by name; implemented by subclasses."""
        raise NotImplementedError

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Return the metrics of the real samples set aside for the floor."""
        return self(reference, reference.floor_samples)


@dataclass(frozen=True)
class Frechet(_FloorFromRealSamples):
    """Frechet distance of Gaussians fitted to the features (Heusel et al. 2017), to all reference samples."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``frechet/<backbone>``, or ``fid``; empty where features have too many dimensions."""
        if reference.gaussian_moments is None:
            return {}
        return {
            reference.tags.frechet: frechet_distance(reference.gaussian_moments, gaussian_moments(generated.features))
        }


@dataclass(frozen=True)
class Kernel(_FloorFromRealSamples):
    """Unbiased squared kernel distance, and its deviation over subsets (Binkowski et al. 2018).

    Args:
        seed: seed of the draw of subsets.
        subsets: number of subsets.
        size: samples in each subset, at most half of those available.
    """

    seed: int
    subsets: int = 100
    size: int = 1000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``kernel/<backbone>`` and ``kernel_deviation/<backbone>``, or ``kid`` and ``kid_deviation``."""
        real, fake = reference.matched, generated.features
        size = min(self.size, len(real) // 2, len(fake) // 2)
        found = kernel_distance(real, fake, seed=self.seed, subsets=self.subsets, size=size)
        return {reference.tags.kernel: found.mean, reference.tags.kernel_deviation: found.deviation}


@dataclass(frozen=True)
class Neighbourhoods(_FloorFromRealSamples):
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``precision``, ``recall``, ``density`` and ``coverage``, each with ``/<backbone>``."""
        found, name = manifold(reference.matched, generated.features), reference.backbone
        return {
            f"precision/{name}": found.precision,
            f"recall/{name}": found.recall,
            f"density/{name}": found.density,
            f"coverage/{name}": found.coverage,
        }


@dataclass(frozen=True)
class Memorised:
    """Test of whether generated samples are nearer to training samples than held-out ones are (Meehan et al. 2020).

    Args:
        most: maximum number of generated and of held-out samples that are used.
    """

    most: int = 2000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``memorisation/<backbone>`` and ``copied/<backbone>``; empty without held-out samples."""
        held_out = reference.held_out[: self.most]
        if reference.fresh or len(held_out) < 2:
            return {}
        found = memorization(reference.training, held_out, generated.features[: self.most])
        return {f"memorisation/{reference.backbone}": found.score, f"copied/{reference.backbone}": found.copied}

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Return the metrics of one half of the held-out samples against the other half."""
        halves = reference.held_out[::2], reference.held_out[1::2]
        return self(replace(reference, held_out=halves[0]), BackboneOutput(halves[1]))

    def counts(self, reference: ReferenceFeatures, generated: int) -> dict[str, int]:
        """Return the numbers of samples that are used, given how many were generated."""
        held_out = min(self.most, len(reference.held_out))
        return {
            "generated": min(self.most, generated),
            "held_out": held_out,
            "training": len(reference.training),
        }


@dataclass(frozen=True)
class Transport:
    """Exact Wasserstein distance to held-out samples.

    Args:
        most: maximum number of samples on each side.
    """

    most: int = 1000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``wasserstein/<backbone>``; empty without held-out samples."""
        return self._between(reference, generated.features)

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Return the metric of training samples in the place of generated ones."""
        return self._between(reference, reference.matched)

    def count(self, reference: ReferenceFeatures, generated: int) -> int:
        """Return the number of samples on each side, given how many were generated."""
        return min(self.most, len(reference.held_out), generated)

    def _between(self, reference: ReferenceFeatures, features: FloatArray) -> Metrics:
        count = self.count(reference, len(features))
        if not count:
            return {}
        distance = wasserstein_distance(features[:count], reference.held_out[:count])
        return {f"wasserstein/{reference.backbone}": distance}


@dataclass(frozen=True)
class Classes(_FloorFromRealSamples):
    """Shares of the classes that the classifier predicts, compared with those of the training data's labels.

    Args:
        classes: number of classes.
    """

    classes: int

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``class_kl/<backbone>`` and ``class_entropy/<backbone>`` by name."""
        assert generated.predicted is not None
        assert reference.labels is not None
        found = class_shares(generated.predicted, reference.labels, self.classes)
        return {f"class_kl/{reference.backbone}": found.kl, f"class_entropy/{reference.backbone}": found.entropy}


@dataclass(frozen=True)
class StackedDigits(_FloorFromRealSamples):
    """Modes of Stacked MNIST among generated samples, and the divergence of their shares (Lin et al. 2018)."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``modes`` and ``modes_kl`` by name."""
        assert generated.predicted is not None
        found = stacked_modes(generated.predicted)
        return {"modes": float(found.captured), "modes_kl": found.kl}


@dataclass(frozen=True)
class Sharpness(_FloorFromRealSamples):
    """Strength of the edges of images; blurred ones have weak edges, noise has strong ones everywhere.

    Args:
        shape: shape of an image, whose pixels the features are.
    """

    shape: tuple[int, ...]

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``sharpness`` by its name."""
        return {"sharpness": sharpness(generated.features.reshape(-1, *self.shape))}


@dataclass(frozen=True)
class MixtureModes(_FloorFromRealSamples):
    """Modes of a mixture in the plane, and the share of samples near one (Lin et al. 2018).

    Args:
        centres: means of the modes, in the data's own coordinates.
        std: their deviation.
    """

    centres: tuple[tuple[float, ...], ...]
    std: float

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Return ``modes`` and ``high_quality`` by name."""
        found = modes(generated.features, np.array(self.centres, np.float32), self.std)
        return {"modes": float(found.captured), "high_quality": found.high_quality}


def sharpness(images: FloatArray) -> float:
    """Return the mean over images of the variance of their Laplacian (Pech-Pacheco et al. 2000).

    Args:
        images: ``(N, C, H, W)``, on any one scale; the metric is proportional to its square.
    """
    wide = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    middle = wide[..., 1:-1, 1:-1]
    around = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return float((around - 4 * middle).var(axis=(1, 2, 3)).mean())
