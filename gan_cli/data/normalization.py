"""Numbers as they are stored, as the numbers that networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """A linear map of stored values to float32, such that two levels are -1 and 1.

    Attributes:
        levels: values that become -1 and 1.
    """

    levels: tuple[float, float]

    def __call__(self, values: Tensor) -> Tensor:
        """Map values of :func:`stored_tensor`, of any shape; values beyond the levels are beyond [-1, 1]."""
        low, high = self.levels
        scale = 2 / (high - low)
        exact = values.int().bitwise_and_(0xFFFF) if values.dtype == torch.int16 else values
        return exact.to(torch.float32, copy=True).mul_(scale).add_(-1.0 - low * scale)

    def inverse(self, samples: Any) -> Any:
        """Map samples in [-1, 1], an array or a tensor, to the values that they stand for."""
        low, high = self.levels
        return (samples + 1) * ((high - low) / 2) + low


def stored_tensor(array: npt.NDArray[Any]) -> Tensor:
    """Return an array that can be written as a tensor of the same memory; see :func:`stored_view`."""
    return torch.from_numpy(stored_view(array))


def stored_view(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array as torch takes it: uint16 as int16 of the same bits, as CUDA has no gather for the former."""
    return array.view(np.int16) if array.dtype == np.uint16 else array
