"""What is measured: each class compares generated samples with a reference, and says what real samples would score."""

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
    """One kind of comparison; frozen dataclasses, whose ``repr`` tells them apart."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Figures by name; none where the measure says nothing of such data."""
        ...

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """The same for real samples in place of generated ones: what noise alone makes of the figures."""
        ...


class _FloorFromRealSamples:
    """A measure whose floor is the score of the spare real samples."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """Figures by name."""
        raise NotImplementedError

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Figures of the spare samples."""
        return self(reference, reference.floor_samples)


@dataclass(frozen=True)
class Frechet(_FloorFromRealSamples):
    """Distance of Gaussians fitted to the features (Heusel et al. 2017); to all samples that are compared with."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``frechet/<backbone>``, or ``fid``; nothing where features are too wide."""
        if reference.gaussian_moments is None:
            return {}
        return {reference.tags.frechet: frechet_distance(reference.gaussian_moments, gaussian_moments(generated.features))}


@dataclass(frozen=True)
class Kernel(_FloorFromRealSamples):
    """Unbiased squared kernel distance, and its deviation over subsets (Binkowski et al. 2018).

    Args:
        seed: of the draw of subsets.
        subsets: how many.
        size: samples in each, of half of those there are at most.
    """

    seed: int
    subsets: int = 100
    size: int = 1000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``kernel/<backbone>`` and ``kernel_deviation/<backbone>``, or ``kid`` and ``kid_deviation``."""
        real, fake = reference.matched, generated.features
        size = min(self.size, len(real) // 2, len(fake) // 2)
        found = kernel_distance(real, fake, seed=self.seed, subsets=self.subsets, size=size)
        return {reference.tags.kernel: found.mean, reference.tags.kernel_deviation: found.deviation}


@dataclass(frozen=True)
class Neighbourhoods(_FloorFromRealSamples):
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``precision``, ``recall``, ``density`` and ``coverage``, each with ``/<backbone>``."""
        found, name = manifold(reference.matched, generated.features), reference.backbone
        return {
            f"precision/{name}": found.precision,
            f"recall/{name}": found.recall,
            f"density/{name}": found.density,
            f"coverage/{name}": found.coverage,
        }


@dataclass(frozen=True)
class Memorised:
    """Whether generated samples are nearer to training samples than held-out ones are (Meehan et al. 2020).

    Args:
        most: generated and held-out samples that are looked at.
    """

    most: int = 2000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``memorisation/<backbone>`` and ``copied/<backbone>``; nothing without held-out samples."""
        held_out = reference.held_out[: self.most]
        if reference.fresh or len(held_out) < 2:
            return {}
        found = memorization(reference.training, held_out, generated.features[: self.most])
        return {f"memorisation/{reference.backbone}": found.score, f"copied/{reference.backbone}": found.copied}

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """One half of the held-out samples in the place of generated ones."""
        halves = reference.held_out[::2], reference.held_out[1::2]
        return self(replace(reference, held_out=halves[0]), BackboneOutput(halves[1]))

    def counts(self, reference: ReferenceFeatures, generated: int) -> dict[str, int]:
        """Samples that are looked at, where so many were generated."""
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
        most: samples on each side.
    """

    most: int = 1000

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``wasserstein/<backbone>``; nothing without held-out samples."""
        return self._between(reference, generated.features)

    def floor(self, reference: ReferenceFeatures) -> Metrics:
        """Training samples in the place of generated ones."""
        return self._between(reference, reference.matched)

    def count(self, reference: ReferenceFeatures, generated: int) -> int:
        """Samples on each side, where so many were generated."""
        return min(self.most, len(reference.held_out), generated)

    def _between(self, reference: ReferenceFeatures, features: FloatArray) -> Metrics:
        count = self.count(reference, len(features))
        if not count:
            return {}
        distance = wasserstein_distance(features[:count], reference.held_out[:count])
        return {f"wasserstein/{reference.backbone}": distance}


@dataclass(frozen=True)
class Classes(_FloorFromRealSamples):
    """Shares of the classes as the classifier tells them, beside those of the training data's labels.

    Args:
        classes: how many there are.
    """

    classes: int

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``class_kl/<backbone>`` and ``class_entropy/<backbone>``."""
        assert generated.predicted is not None
        assert reference.labels is not None
        found = class_shares(generated.predicted, reference.labels, self.classes)
        return {f"class_kl/{reference.backbone}": found.kl, f"class_entropy/{reference.backbone}": found.entropy}


@dataclass(frozen=True)
class StackedDigits(_FloorFromRealSamples):
    """Modes of Stacked MNIST among generated samples, and the divergence of their shares (Lin et al. 2018)."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``modes`` and ``modes_kl``."""
        assert generated.predicted is not None
        found = stacked_modes(generated.predicted)
        return {"modes": float(found.captured), "modes_kl": found.kl}


@dataclass(frozen=True)
class Sharpness(_FloorFromRealSamples):
    """How strong the edges of images are; blurred ones have weak edges, noise has strong ones everywhere.

    Args:
        shape: of an image, whose pixels the features are.
    """

    shape: tuple[int, ...]

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Metrics:
        """``sharpness``."""
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
        """``modes`` and ``high_quality``."""
        found = modes(generated.features, np.array(self.centres, np.float32), self.std)
        return {"modes": float(found.captured), "high_quality": found.high_quality}


def sharpness(images: FloatArray) -> float:
    """Mean over images of the variance of their Laplacian (Pech-Pacheco et al. 2000).

    Args:
        images: ``(N, C, H, W)``, on any one scale; the figure goes with its square.
    """
    wide = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    middle = wide[..., 1:-1, 1:-1]
    around = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return float((around - 4 * middle).var(axis=(1, 2, 3)).mean())
