"""Likelihoods p(x | z) of samples given a decoder's logits, one class each, in nats per sample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_cli.components.ranges import Positive, check_range
from gan_cli.protocols.rng import Stream


class Binarization(Enum):
    """Rule by which a pixel in [0, 1] is rounded to 0 or 1.

    ``none``: not at all. ``threshold``: 1 above a half. ``stochastic``: 1 with the pixel as its probability, drawn anew
    each time (Salakhutdinov & Murray 2008).
    """

    none = "none"
    threshold = "threshold"
    stochastic = "stochastic"


class Likelihood(nn.Module, ABC):
    """p(x | z) as a function of the decoder's logits; a module, since its deviation may be learned.

    Attributes:
        images_only: whether it is defined only for pixels in [-1, 1].
    """

    images_only: ClassVar[bool] = False

    def target(self, samples: Tensor, random: Stream) -> Tensor:
        """Return what the encoder sees of samples ``(N, *shape)`` and the decoder has to reconstruct, of that shape.

        On the scale of the samples: images in [-1, 1].
        """
        return samples

    @abstractmethod
    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """Compute ``log p(target | logits)`` of each sample, ``(N,)``, summed over its dimensions.

        Args:
            target: ``(N, *shape)``, as :meth:`target` gives it.
            logits: ``(N, *shape)``, the decoder's; ``likelihoods.samples_from_logits`` makes samples of them.
        """

    def forward(self, target: Tensor, logits: Tensor) -> Tensor:
        return self.log_prob(target, logits)


class Bernoulli(Likelihood):
    """Independent Bernoulli pixels: each is white with its own probability; images are mapped to [0, 1].

    For pixels that are not binarised this is a cross-entropy and not a log-density: ``exp`` of it does not integrate to
    1, and the ELBO bounds no likelihood (Loaiza-Ganem & Cunningham 2019).

    Args:
        binarise: rule by which pixels are rounded to 0 or 1.
    """

    images_only: ClassVar[bool] = True

    def __init__(self, binarise: Binarization = Binarization.stochastic) -> None:
        super().__init__()
        self._binarise = binarise

    def target(self, samples: Tensor, random: Stream) -> Tensor:
        """Return binarised images of -1 and 1, of the samples' shape; with ``none``, the samples."""
        if self._binarise is Binarization.none:
            return samples
        threshold = 2 * random.uniform(*samples.shape) - 1 if self._binarise is Binarization.stochastic else 0.0
        return torch.where(samples > threshold, 1.0, -1.0)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """Compute ``sum y log p + (1 - y) log(1 - p)``, ``p = sigmoid(logits)``, ``y = (target + 1) / 2``; ``(N,)``."""
        white = (target + 1) / 2
        losses = functional.binary_cross_entropy_with_logits(logits, white, reduction="none")
        return -losses.flatten(1).sum(1)


class _FixedWidth(Likelihood):
    """A density centred on the decoded sample, with one width for all dimensions.

    The logarithm of the width is a parameter or a buffer, so that it is part of the state dict in either case.
    """

    log_width: Tensor

    def __init__(self, name: str, width: float, learned: bool) -> None:
        super().__init__()
        check_range(name, width, Positive)
        start = torch.tensor(math.log(width))
        if learned:
            self.log_width = nn.Parameter(start)
        else:
            self.register_buffer("log_width", start)


class Gaussian(_FixedWidth):
    """The isotropic Gaussian N(x; decoded sample, sigma^2 I)."""

    def __init__(self, sigma: Positive = 0.1, learned: bool = False) -> None:
        """Set up a standard deviation that is fixed or a parameter.

        Args:
            sigma: standard deviation of each dimension, on the scale of [-1, 1]; its initial value, if it is learned.
            learned: whether it is learned, one number for all dimensions.
        """
        super().__init__("sigma", sigma, learned)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """Compute ``-1/2 sum ((x - mean) / sigma)^2 + log(2 pi sigma^2)``, ``(N,)``."""
        distance = (target - samples_from_logits(logits)) * (-self.log_width).exp()
        constant = self.log_width + 0.5 * math.log(2 * math.pi)
        return -(0.5 * distance.square() + constant).flatten(1).sum(1)


class Laplace(_FixedWidth):
    """The density Laplace(x; decoded sample, scale), whose reconstruction error is the L1 distance."""

    def __init__(self, scale: Positive = 0.1, learned: bool = False) -> None:
        """Set up a scale that is fixed or a parameter.

        Args:
            scale: mean absolute deviation of each dimension, on the scale of [-1, 1]; its initial value, if it is
                learned.
            learned: whether it is learned, one number for all dimensions.
        """
        super().__init__("scale", scale, learned)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """Compute ``-sum |x - mean| / scale + log(2 scale)``, ``(N,)``."""
        distance = (target - samples_from_logits(logits)).abs() * (-self.log_width).exp()
        return -(distance + self.log_width + math.log(2)).flatten(1).sum(1)


def samples_from_logits(logits: Tensor) -> Tensor:
    """Map a decoder's logits to samples of the same shape.

    Images, ``(N, C, H, W)``: ``tanh(logits / 2)`` in [-1, 1], which is ``2 p - 1`` where the logits are the log-odds of
    p. Points, ``(N, D)``: the identity, since modes near the edge of a bounded range would be hard to reach.
    """
    return torch.tanh(logits / 2) if logits.dim() == 4 else logits


LOG_TWO_PI = math.log(2 * math.pi)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute ``KL(N(mean, exp(log_variance)) || N(0, 1))`` per coordinate, for any shape.

    Kingma & Welling 2014, appendix B, without the sum over coordinates.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


def reparameterize(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Turn draws from N(0, 1) into draws from N(mean, exp(log_variance)) (Kingma & Welling 2014, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def log_normal(values: Tensor, mean: Tensor | float, log_variance: Tensor) -> Tensor:
    """Compute ``log N(values; mean, exp(log_variance))`` per coordinate, for any shape."""
    return -0.5 * ((values - mean).square() * (-log_variance).exp() + log_variance + LOG_TWO_PI)


def log_standard_normal(values: Tensor) -> Tensor:
    """Compute ``log N(values; 0, 1)`` per coordinate, for any shape."""
    return -0.5 * (values.square() + LOG_TWO_PI)


def cholesky_factor(covariance: Tensor) -> Tensor:
    """Compute the lower triangular L with ``L L^T = covariance``, both ``(D, D)`` float64; NaN if that is not finite.

    A millionth of the largest variance is added to the diagonal, since constant code dimensions are common and make the
    covariance singular.
    """
    floor = 1e-6 * covariance.diagonal().max().clamp_min(torch.finfo(torch.float32).tiny)
    lower: Tensor = torch.linalg.cholesky_ex(covariance + floor * torch.eye(len(covariance)).to(covariance)).L
    return lower if bool(covariance.isfinite().all()) else torch.full_like(covariance, torch.nan)
