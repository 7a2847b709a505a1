"""Coverage of modes: classes by a classifier, modes of a mixture in the plane, and the modes of stacked digits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gan_cli.errors import InvalidValueError, require
from gan_cli.metrics.registry import MetricInfo, metrics
from gan_cli.protocols.arrays import DoubleArray, FloatArray, IntArray

# Count of a class that is generated but absent from the data: what Jeffreys' prior adds to a count.
PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class ClassShares:
    """Class frequencies of generated samples.

    Attributes:
        shares: ``(K,)``, share of the generated samples in each class; they add up to 1.
        kl: Kullback-Leibler divergence of the generated shares from the data's in nats; >= 0, 0 for equal shares, and
            finite. N samples of the data's own distribution give about ``(K - 1) / 2N``, not 0.
        entropy: of the generated shares in nats; from 0, all in one class, to log K, the same in each.
    """

    shares: DoubleArray
    kl: float
    entropy: float


def class_shares(predicted: IntArray, real: IntArray, classes: int) -> ClassShares:
    """Compare class frequencies of generated samples with those of the data.

    A class missing from the generated samples adds no term of its own to the divergence (``0 log 0 = 0``); its mass
    shows as the excess of the others. A class generated but absent from the data, which would make the divergence
    infinite, is counted as half a sample of the data.

    Args:
        predicted: ``(N,)``, classes of generated samples, 0 to ``classes - 1``.
        real: ``(M,)``, classes of real samples, by the same classifier or by their labels.
        classes: K.

    Raises:
        InvalidValueError: no samples, or a class out of range.
    """
    require(classes >= 1, "classes", classes, "an integer >= 1")
    generated, data = class_counts(predicted, classes, "predicted"), class_counts(real, classes, "real")
    data = np.where((data == 0) & (generated > 0), PSEUDOCOUNT, data)
    shares = generated / generated.sum()
    return ClassShares(shares, kl_divergence(shares, data / data.sum()), entropy(shares))


@metrics(
    MetricInfo("class_kl", "nats", "lower", "divergence of the classes' shares from the data's, in nats"),
    MetricInfo("class_entropy", "nats", "as floor", "entropy of the classes' shares, in nats"),
    needs="classes",
)
def class_balance(predicted: IntArray, labels: IntArray, classes: int) -> dict[str, float]:
    """Compute divergence and entropy of :func:`class_shares` by name."""
    found = class_shares(predicted, labels, classes)
    return {"class_kl": found.kl, "class_entropy": found.entropy}


def class_counts(labels: IntArray, classes: int, key: str) -> DoubleArray:
    """Count the occurrences of each class in ``(N,)`` labels, ``(classes,)``; ``key`` names the labels in messages."""
    require(labels.ndim == 1 and len(labels) > 0, key, labels.shape, "classes of shape (N,), N >= 1")
    require(np.issubdtype(labels.dtype, np.integer), key, str(labels.dtype), "integers")
    outside = labels[(labels < 0) | (labels >= classes)]
    require(len(outside) == 0, key, outside[:1].tolist(), f"classes from 0 to {classes - 1:,}")
    return np.bincount(labels, minlength=classes).astype(np.float64)


def kl_divergence(p: DoubleArray, q: DoubleArray) -> float:
    """Compute ``KL(p || q) = sum p log(p / q)`` in nats of shares ``(K,)``; q > 0 wherever p is."""
    present = p > 0
    return max(0.0, float((p[present] * np.log(p[present] / q[present])).sum()))


def entropy(p: DoubleArray) -> float:
    """Compute ``- sum p log p`` in nats of shares ``(K,)``."""
    present = p[p > 0]
    return abs(float((present * np.log(present)).sum()))


# A sample is of high quality within this many standard deviations of a centre (Lin et al. 2018, section 4.1).
HIGH_QUALITY_RADIUS = 3.0
# Standard deviation of a Gaussian in the plane truncated there, as a share of that of the whole one:
# E[r^2 | r < 3 sigma] / (2 sigma^2) = 1 - (9/2) e^(-9/2) / (1 - e^(-9/2)).
_OUTSIDE = math.exp(-(HIGH_QUALITY_RADIUS**2) / 2)
TRUNCATED_STD = math.sqrt(1 - HIGH_QUALITY_RADIUS**2 / 2 * _OUTSIDE / (1 - _OUTSIDE))


@dataclass(frozen=True)
class Modes:
    """Coverage and quality of samples of a mixture of M equally likely modes.

    Attributes:
        captured: modes with at least one sample of high quality.
        high_quality: share of samples within three deviations of the nearest mode; 0.989 for the mixture itself.
        shares: ``(M,)``, share of all samples whose nearest mode it is, times M: 1 everywhere for the mixture itself.
        spreads: ``(M,)``, standard deviation of a coordinate of each mode's samples of high quality around its centre,
            in true deviations, corrected for the truncation at three of them; NaN for a mode without any.
    """

    captured: int
    high_quality: float
    shares: FloatArray
    spreads: FloatArray

    @property
    def spread(self) -> float:
        """Root mean squared spread over captured modes; 1 for the mixture itself, less for contracted modes."""
        return float(np.sqrt(np.nanmean(np.square(self.spreads))))


def modes(samples: FloatArray, centres: FloatArray, std: float) -> Modes:
    """Compare samples ``(N, 2)`` with modes at ``centres`` ``(M, 2)``, all in the data's own coordinates."""
    nearest, distance = _nearest(samples, centres)
    good = distance <= HIGH_QUALITY_RADIUS * std
    count = len(centres)
    squares = np.bincount(nearest[good], np.square(distance[good]), minlength=count)
    numbers = np.bincount(nearest[good], minlength=count)
    with np.errstate(invalid="ignore"):
        spreads = np.sqrt(squares / numbers / 2) / (std * TRUNCATED_STD)
    shares = np.bincount(nearest, minlength=count) * (count / len(samples))
    return Modes(int((numbers > 0).sum()), float(good.mean()), shares.astype(np.float32), spreads.astype(np.float32))


CAPTURED_MODES = MetricInfo("modes", "", "higher", "modes with a sample", rank=20)


@metrics(
    CAPTURED_MODES,
    MetricInfo("high_quality", "share", "higher", "share of samples within three deviations of a mode", rank=10),
    needs="mixture",
)
def mixture_modes(points: FloatArray, centres: FloatArray, std: float) -> dict[str, float]:
    """Compute captured modes and the share of high quality of :func:`modes` by name."""
    found = modes(points, centres, std)
    return {"modes": float(found.captured), "high_quality": found.high_quality}


def _nearest(samples: FloatArray, centres: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find the nearest centre of each sample and the distance to it, ``(N,)`` each."""
    from sklearn.metrics import pairwise_distances_argmin_min  # slow to import

    index, distance = pairwise_distances_argmin_min(samples, centres)
    return index.astype(np.int64), distance.astype(np.float32)


DIGITS = 10
DIGIT_WEIGHTS = np.array([100, 10, 1])  # of red, green and blue, as in the dataset's labels
MODES = DIGITS**3


@dataclass(frozen=True)
class StackedModes:
    """Coverage of the thousand modes of stacked digits.

    Attributes:
        captured: modes with at least one sample, of 1,000.
        kl: Kullback-Leibler divergence of the samples' shares of the modes from the data's, in nats; >= 0, log 1,000 =
            6.9 if all fall into one of 1,000 even modes. N samples of the data themselves give about 999 / 2N: 0.019
            for the protocol's 26,000.
    """

    captured: int
    kl: float


def stacked_modes(predicted: IntArray, data: DoubleArray | None = None) -> StackedModes:
    """Count modes as VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018, section 4.2) do.

    Args:
        predicted: ``(N, 3)``, the digit that a classifier of MNIST predicts for each channel; N is 26,000 in both
            papers.
        data: ``(1000,)``, the data's shares of the modes ``100 a + 10 b + c``, each > 0; None: all the same.

    Raises:
        InvalidValueError: no samples, a number that is not a digit, or shares that are not a distribution.
    """
    require(predicted.ndim == 2 and predicted.shape[1] == 3, "predicted", predicted.shape, "digits of shape (N, 3)")
    class_counts(predicted.ravel(), DIGITS, "predicted")  # raises for numbers that are not digits
    counts = class_counts(predicted @ DIGIT_WEIGHTS, MODES, "predicted")
    shares = np.full(MODES, 1 / MODES) if data is None else data
    require(shares.shape == (MODES,), "data", shares.shape, f"shares of shape ({MODES},)")
    if not (np.all(shares > 0) and np.isclose(shares.sum(), 1)):
        raise InvalidValueError("data", float(shares.min()), "shares above 0 that add up to 1")
    return StackedModes(int(np.count_nonzero(counts)), kl_divergence(counts / counts.sum(), shares))


@metrics(
    CAPTURED_MODES,
    MetricInfo("modes_kl", "nats", "lower", "divergence of the modes' shares, in nats"),
    needs="channel_classes",
)
def stacked_digit_modes(predicted: IntArray) -> dict[str, float]:
    """Compute the two numbers of :func:`stacked_modes` by name."""
    found = stacked_modes(predicted)
    return {"modes": float(found.captured), "modes_kl": found.kl}
