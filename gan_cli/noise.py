"""Instance noise: the same Gaussian noise on real and on generated samples, so that their supports overlap.

Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3. Knows nothing of time: a schedule says how much.
"""

from __future__ import annotations

import torch
from torch import Tensor


def add_noise(samples: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """``samples + sigma * N(0, I)``.

    Args:
        samples: any shape, values on the scale of [-1, 1].
        sigma: 0-dimensional, on the samples' device, so that a replayed graph reads its present value.
        generator: of the samples' device.
    """
    noise = torch.empty_like(samples).normal_(generator=generator)
    return torch.addcmul(samples, noise, sigma)
