"""The Frechet distance between Gaussians fitted to two sets of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.metrics.features import BLOCK_SIZE, blocks, check_features
from gan_cli.metrics.registry import MetricInfo, metric
from gan_cli.protocols.arrays import DoubleArray, Features


@dataclass(frozen=True)
class GaussianMoments:
    """Mean and covariance of features, the latter as a product: ``covariance = factor @ factor.T``.

    Attributes:
        mean: ``(D,)``.
        factor: ``(D, K)``, where K is at least the covariance's rank.
        count: how many samples they come from.
    """

    mean: DoubleArray
    factor: DoubleArray
    count: int

    @classmethod
    def from_covariance(cls, mean: DoubleArray, covariance: DoubleArray, count: int) -> GaussianMoments:
        """Factorize a covariance ``(D, D)`` by its eigenvectors."""
        return cls(mean, _factor(covariance), count)

    @property
    def covariance(self) -> DoubleArray:
        """The covariance ``(D, D)``, unbiased: the sum of squares over ``count - 1``. Computed at each access."""
        product: DoubleArray = self.factor @ self.factor.T
        return product


class MomentAccumulator:
    """Streaming mean and covariance of features in batches; memory is ``D x D`` for any number of samples.

    Batches are merged around their own means (Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm
    for Computing Sample Variances"), so that a mean far from 0 costs no precision.

    Attributes:
        count: samples so far.
    """

    count: int

    def __init__(self) -> None:
        self.count = 0
        self._mean: DoubleArray = np.zeros(0)
        self._scatter: DoubleArray = np.zeros((0, 0))

    def add(self, features: Features) -> None:
        """Accumulate features ``(N, D)``; N may differ from batch to batch.

        Raises:
            InvalidValueError: not a matrix, empty, not finite, or with another D than before.
        """
        check_features(features, "features")
        columns = features.shape[1]
        if self.count == 0:
            self._mean, self._scatter = np.zeros(columns), np.zeros((columns, columns))
        require(columns == len(self._mean), "features", features.shape, f"{len(self._mean):,} columns, as before")
        for block in blocks(len(features), BLOCK_SIZE):
            self._merge(features[block].astype(np.float64))

    def moments(self) -> GaussianMoments:
        """Return mean and covariance of all features so far.

        Raises:
            InvalidValueError: there are fewer than two samples.
        """
        require(self.count >= 2, "features", self.count, "2 or more samples")
        return GaussianMoments.from_covariance(self._mean.copy(), self._scatter / (self.count - 1), self.count)

    def _merge(self, batch: DoubleArray) -> None:
        mean = batch.mean(axis=0)
        batch -= mean
        shift = mean - self._mean
        total = self.count + len(batch)
        self._scatter += batch.T @ batch
        self._scatter += np.outer(shift * (self.count * len(batch) / total), shift)
        self._mean += shift * (len(batch) / total)
        self.count = total


def gaussian_moments(features: Features) -> GaussianMoments:
    """Compute mean and covariance of features ``(N, D)``.

    Fewer samples than dimensions are a factor of their covariance themselves, once they are centred: no matrix
    ``D x D`` is made of them, whose eigenvectors take minutes. Others are read block by block, by a
    :class:`MomentAccumulator`.

    Raises:
        InvalidValueError: not a matrix, fewer than two samples, or not finite.
    """
    check_features(features, "features", least=2)
    count, columns = features.shape
    if count < columns:
        centred = features.astype(np.float64)
        mean = centred.mean(axis=0)
        centred -= mean
        centred /= np.sqrt(count - 1)
        return GaussianMoments(mean, centred.T, count)
    accumulator = MomentAccumulator()
    accumulator.add(features)
    return accumulator.moments()


@metric(
    "frechet",
    needs="moments",
    description="Frechet distance of Gaussians fitted to the features",
    rank=30,
    published={"inception": MetricInfo("fid", description="Frechet Inception distance", rank=40)},
)
def frechet_distance(a: GaussianMoments, b: GaussianMoments) -> float:
    """Compute the squared 2-Wasserstein distance of two Gaussians, >= 0.

    ``|m_a - m_b|^2 + Tr(A + B - 2 (A B)^(1/2))`` (Dowson and Landau 1982); on Inception's features it is the FID of
    Heusel et al. 2017, eq. 6. With ``A = F F^T`` and ``B = G G^T`` the trace of ``(A B)^(1/2)`` is the sum of the
    singular values of ``F^T G``. This needs no root of a non-symmetric matrix, and covariances may be singular, as they
    are whenever there are fewer samples than dimensions: ``F^T G`` is then as small as the samples are few.

    Raises:
        InvalidValueError: the two have different dimensions.
    """
    require(a.mean.shape == b.mean.shape, "features", b.mean.shape, f"a mean of shape {a.mean.shape}, as the other has")
    first, second = a.factor, b.factor
    overlap = np.linalg.svd(first.T @ second, compute_uv=False).sum() if first.size and second.size else 0.0
    distance = np.square(a.mean - b.mean).sum() + np.square(first).sum() + np.square(second).sum() - 2 * overlap
    return max(0.0, float(distance))


def _factor(covariance: DoubleArray) -> DoubleArray:
    """Compute ``F`` of shape ``(D, rank)`` with ``F F^T`` the covariance; eigenvalues of about 0 are dropped."""
    values, vectors = np.linalg.eigh(covariance)
    positive = values > values[-1] * len(values) * np.finfo(np.float64).eps
    result: DoubleArray = vectors[:, positive] * np.sqrt(values[positive])
    return result
