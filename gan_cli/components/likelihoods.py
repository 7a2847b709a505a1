"""What a decoder's logits say of a sample: one class a likelihood, in nats per sample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_cli.errors import require
from gan_cli.protocols.rng import Stream


class Binarization(Enum):
    """How a pixel in [0, 1] becomes 0 or 1.

    ``none``: not at all. ``threshold``: 1 above a half. ``stochastic``: 1 with the pixel as its probability, drawn anew
    at each look (Salakhutdinov & Murray 2008).
    """

    none = "none"
    threshold = "threshold"
    stochastic = "stochastic"


class Likelihood(nn.Module, ABC):
    """p(x | z) as a function of the decoder's logits. A module, since its deviation may be learned.

    Attributes:
        images_only: whether it takes each number for a pixel in [-1, 1].
    """

    images_only: ClassVar[bool] = False

    def target(self, samples: Tensor, random: Stream) -> Tensor:
        """What stands for samples ``(N, *shape)``: the encoder sees it, and the decoder is to give it back.

        On the scale of the samples: images in [-1, 1].
        """
        return samples

    @abstractmethod
    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """``log p(target | logits)`` of each sample, ``(N,)``, summed over its dimensions.

        Args:
            target: ``(N, *shape)``, as :meth:`target` gives it.
            logits: ``(N, *shape)``, the decoder's; ``logits.samples_from_logits`` makes samples of them.
        """

    def forward(self, target: Tensor, logits: Tensor) -> Tensor:
        """:meth:`log_prob`."""
        return self.log_prob(target, logits)


class Bernoulli(Likelihood):
    """Each pixel is white with a probability of its own; images are taken to [0, 1].

    Of pixels that are not binarised this is a cross-entropy and no density: it does not integrate to 1, and its bounds
    on the likelihood are none (Loaiza-Ganem & Cunningham 2019).
    """

    images_only: ClassVar[bool] = True

    def __init__(self, binarise: Binarization = Binarization.stochastic) -> None:
        """``binarise``: how pixels become 0 or 1."""
        super().__init__()
        self._binarise = binarise

    def target(self, samples: Tensor, random: Stream) -> Tensor:
        """Images of -1 and 1, unless pixels stay as they are."""
        if self._binarise is Binarization.none:
            return samples
        lowest = 2 * random.uniform(*samples.shape) - 1 if self._binarise is Binarization.stochastic else 0.0
        return torch.where(samples > lowest, 1.0, -1.0)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """``sum y log p + (1 - y) log(1 - p)`` with ``p = sigmoid(logits)``, ``y = (target + 1) / 2``."""
        white = (target + 1) / 2
        losses = functional.binary_cross_entropy_with_logits(logits, white, reduction="none")
        return -losses.flatten(1).sum(1)


class _FixedWidth(Likelihood):
    """A density around the decoder's sample, of one width in all dimensions.

    The width's logarithm is a parameter or a buffer, so that it goes into a checkpoint in either case.
    """

    log_width: Tensor

    def __init__(self, name: str, width: float, learned: bool) -> None:
        super().__init__()
        require(0 < width < math.inf, name, width, "a number > 0")
        start = torch.tensor(math.log(width))
        if learned:
            self.log_width = nn.Parameter(start)
        else:
            self.register_buffer("log_width", start)


class Gaussian(_FixedWidth):
    """N(x; decoded sample, sigma^2 I)."""

    def __init__(self, sigma: float = 0.1, learned: bool = False) -> None:
        """Settings.

        Args:
            sigma: deviation of each dimension, on the scale of [-1, 1]; where it starts, if it is learned.
            learned: whether it is learned, one number for all dimensions.
        """
        super().__init__("sigma", sigma, learned)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """``-1/2 sum ((x - mean) / sigma)^2 + log(2 pi sigma^2)``."""
        distance = (target - samples_from_logits(logits)) * (-self.log_width).exp()
        constant = self.log_width + 0.5 * math.log(2 * math.pi)
        return -(0.5 * distance.square() + constant).flatten(1).sum(1)


class Laplace(_FixedWidth):
    """Laplace(x; decoded sample, scale): the distance that it minimises is L1."""

    def __init__(self, scale: float = 0.1, learned: bool = False) -> None:
        """Settings.

        Args:
            scale: mean distance in each dimension, on the scale of [-1, 1]; where it starts, if it is learned.
            learned: whether it is learned, one number for all dimensions.
        """
        super().__init__("scale", scale, learned)

    def log_prob(self, target: Tensor, logits: Tensor) -> Tensor:
        """``-sum |x - mean| / scale + log(2 scale)``."""
        distance = (target - samples_from_logits(logits)).abs() * (-self.log_width).exp()
        return -(distance + self.log_width + math.log(2)).flatten(1).sum(1)


def samples_from_logits(logits: Tensor) -> Tensor:
    """The samples that logits stand for, of the same shape.

    Images, ``(N, C, H, W)``: ``tanh(logits / 2)`` in [-1, 1], which is ``2 p - 1`` where the logits are the log-odds of
    p. Points, ``(N, D)``: the numbers themselves; at the edge of a bound, modes could hardly be reached.
    """
    return torch.tanh(logits / 2) if logits.dim() == 4 else logits


LOG_TWO_PI = math.log(2 * math.pi)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, 1), each coordinate by itself, any shape.

    Kingma & Welling 2014, appendix B, without the sum over coordinates.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


def reparameterize(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mean, exp(log_variance)) as a function of one from N(0, 1) (Kingma & Welling 2014, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def log_normal(values: Tensor, mean: Tensor | float, log_variance: Tensor) -> Tensor:
    """``log N(values; mean, exp(log_variance))`` of each coordinate by itself, any shape."""
    return -0.5 * ((values - mean).square() * (-log_variance).exp() + log_variance + LOG_TWO_PI)


def log_standard_normal(values: Tensor) -> Tensor:
    """``log N(values; 0, 1)`` of each coordinate by itself, any shape."""
    return -0.5 * (values.square() + LOG_TWO_PI)


def cholesky_factor(covariance: Tensor) -> Tensor:
    """A lower triangle L with ``L L^T = covariance``, ``(D, D)`` float64 both.

    A direction without any variance is given a millionth of the widest one's, since codes that do not vary are nothing
    unusual. NaN where the covariance is not finite.
    """
    floor = 1e-6 * covariance.diagonal().max().clamp_min(torch.finfo(torch.float32).tiny)
    lower: Tensor = torch.linalg.cholesky_ex(covariance + floor * torch.eye(len(covariance)).to(covariance)).L
    return lower if bool(covariance.isfinite().all()) else torch.full_like(covariance, torch.nan)
