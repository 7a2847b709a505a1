"""Instance noise: the same Gaussian noise on real and on generated samples, so that their supports overlap.

Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3. Knows nothing of time: a schedule says how much.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.protocols.rng import Stream


def add_noise(samples: Tensor, sigma: Tensor, stream: Stream) -> Tensor:
    """``samples + sigma * N(0, I)``.

    Args:
        samples: ``(N, *shape)``, values on the scale of [-1, 1].
        sigma: 0-dimensional, on the samples' device, so that a replayed graph reads its present value.
        stream: of the samples' device.
    """
    return torch.addcmul(samples, stream.normal_like(samples), sigma)
