"""Generated rows of a table beside real ones: each column by itself, and how columns go together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gan_cli.metrics.features import check_feature_pair
from gan_cli.metrics.registry import MetricInfo, metrics
from gan_cli.protocols.arrays import DoubleArray, Features

DEVIATIONS = "standard deviations"


def column_distances(real: Features, generated: Features) -> DoubleArray:
    """Compute the exact 1-Wasserstein distance of each column, in standard deviations of the real one.

    In one dimension it is the area between the two distribution functions. That of a constant column is in its own
    units.

    Args:
        real: ``(N, D)``, N >= 2.
        generated: ``(M, D)``, M >= 1.

    Returns:
        ``(D,)``, >= 0.

    Raises:
        InvalidValueError: too few rows, different D, numbers that are not finite.
    """
    check_feature_pair(real, generated, ("real", "generated"), 1)
    real, generated = real.astype(np.float64), generated.astype(np.float64)
    areas = [_area(*pair) for pair in zip(real.T, generated.T, strict=True)]
    distances: DoubleArray = np.array(areas) / _deviations(real)
    return distances


@metrics(
    MetricInfo("marginal_wasserstein", DEVIATIONS, description="Wasserstein distance of a column, mean over columns"),
    MetricInfo("marginal_wasserstein_max", DEVIATIONS, description="Wasserstein distance of the column that is worst"),
    needs="table",
)
def marginal_wasserstein(training: Features, generated: Features) -> Mapping[str, float]:
    """Compute mean and maximum of :func:`column_distances`; raises ``InvalidValueError`` as that does."""
    distances = column_distances(training, generated)
    return {
        "marginal_wasserstein": float(distances.mean()),
        "marginal_wasserstein_max": float(distances.max()),
    }


@metrics(
    MetricInfo("correlation_error", description="difference of the correlation of two columns, mean over pairs"),
    MetricInfo("correlation_error_max", description="difference of the correlation of two columns, worst pair"),
    needs="table",
)
def correlation_error(training: Features, generated: Features) -> Mapping[str, float]:
    """Compute mean and maximum of the absolute differences of correlations over all pairs of columns, in [0, 2].

    Where a generated column is constant, its correlations are 0. Pairs with a constant real column do not count; empty
    where there is no other pair.

    Args:
        training: ``(N, D)``, N >= 2.
        generated: ``(M, D)``, M >= 2.

    Raises:
        InvalidValueError: too few rows, different D, numbers that are not finite.
    """
    check_feature_pair(training, generated, ("training", "generated"), 2)
    varies = (training != training[0]).any(axis=0)
    count = int(varies.sum())
    if count < 2:
        return {}
    pairs = np.triu_indices(count, 1)
    differences = np.abs(_correlations(training[:, varies]) - _correlations(generated[:, varies]))[pairs]
    return {"correlation_error": float(differences.mean()), "correlation_error_max": float(differences.max())}


def _area(first: DoubleArray, second: DoubleArray) -> float:
    """Compute the area between the distribution functions of ``(N,)`` and ``(M,)`` numbers."""
    ends = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(np.sort(each), ends[:-1], side="right") / len(each) for each in (first, second)]
    return float((np.abs(below[0] - below[1]) * np.diff(ends)).sum())


def _deviations(values: DoubleArray) -> DoubleArray:
    """Return the standard deviation of each column; 1 for constant ones."""
    return np.where((values == values[0]).all(axis=0), 1.0, values.std(axis=0))


def _correlations(values: Features) -> DoubleArray:
    """Compute the correlation matrix ``(D, D)`` of columns; 0 for constant ones."""
    centered = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    norms = np.sqrt((centered**2).sum(axis=0))
    normalized = np.divide(centered, norms, out=np.zeros_like(centered), where=norms > 0)
    correlations: DoubleArray = normalized.T @ normalized
    return correlations
