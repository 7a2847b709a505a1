"""Differentiable augmentation of D's images, real and generated alike, for training on few data.

G is trained through the augmentation, which does not show in its samples (Zhao et al. 2020; Karras et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gan_cli.components.adaptive_probability import AdaptiveProbability
from gan_cli.components.ranges import Range, Share, check_ranges
from gan_cli.protocols.rng import Stream


@dataclass(kw_only=True)
class DiffAugment:
    """Colour, translation and cutout, drawn independently for each image (Zhao et al. 2020, section 3.2).

    Attributes:
        colour: change brightness, saturation and contrast; grey images have no saturation to change.
        translation: largest shift as a share of the side; the image is padded with grey. 0: none.
        cutout: side of the grey square as a share of the image's. 0: none.
        probability: of each of the three for each image.
    """

    colour: bool = True
    translation: Annotated[float, Range(0, 0.5)] = 0.125
    cutout: Annotated[float, Range(0, 1, below=True)] = 0.5
    probability: Share = 1.0
    _p: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_ranges(self)
        self._p = torch.tensor(self.probability)

    def place(self, device: torch.device) -> None:
        self._p = self._p.to(device)

    def __call__(self, images: Tensor, random: Stream) -> Tensor:
        """Augment images ``(N, C, H, W)``, about in [-1, 1]; differentiable with respect to ``images``."""
        if self.colour:
            images = self._apply_randomly(images, _color_jittered(images, random), random)
        if self.translation:
            images = self._apply_randomly(images, _translated(images, self.translation, random), random)
        if self.cutout:
            images = self._apply_randomly(images, _cutout(images, self.cutout, random), random)
        return images

    def _apply_randomly(self, plain: Tensor, changed: Tensor, random: Stream) -> Tensor:
        return torch.where(_uniform(plain, random) < self._p, changed, plain)

    def observe(self, margins: Tensor) -> None:
        """Ignore the margins: the probability is fixed."""

    def adaptive_tensors(self) -> list[Tensor]:
        return []

    def metrics(self) -> dict[str, Tensor]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"p": self._p.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._p.copy_(state["p"])


@dataclass(kw_only=True)
class Adaptive(AdaptiveProbability, DiffAugment):
    """The same transformations with a probability that adapts to D's overfitting."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self)


def _uniform(images: Tensor, random: Stream) -> Tensor:
    """Draw one number from [0, 1) per image, ``(N, 1, 1, 1)``."""
    return random.uniform(len(images), 1, 1, 1).to(images.dtype)


def _color_jittered(images: Tensor, random: Stream) -> Tensor:
    """Shift brightness by up to 0.5, scale saturation by 0 to 2 and contrast by 0.5 to 1.5."""
    brightened = images + _uniform(images, random) - 0.5
    grey = brightened.mean(1, keepdim=True)
    saturated = torch.lerp(grey, brightened, 2 * _uniform(images, random))
    mean = saturated.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, saturated, 0.5 + _uniform(images, random))


def _translated(images: Tensor, share: float, random: Stream) -> Tensor:
    """Translate images by whole pixels along both axes, padding with 0."""
    count, _, height, width = images.shape
    rows = _source_indices(count, height, share, images.device, random)
    columns = _source_indices(count, width, share, images.device, random)
    image_index = torch.arange(count, device=images.device)[:, None, None]
    # Index 0 and the last one are the padding.
    padded = pad(images, [1, 1, 1, 1]).permute(0, 2, 3, 1)
    return padded[image_index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _source_indices(count: int, side: int, share: float, device: torch.device, random: Stream) -> Tensor:
    """Draw translations, and return the index in the padded image of each row of the result, ``(count, side)``."""
    max_shift = int(side * share + 0.5)
    shift = random.integers(2 * max_shift + 1, count)[:, None] - max_shift
    return (torch.arange(1, side + 1, device=device) + shift).clamp(0, side + 1)


def _cutout(images: Tensor, share: float, random: Stream) -> Tensor:
    """Fill a square around a random centre with grey; at most half of it along each axis lies outside the image."""
    inside = _cutout_mask(images.shape[2], images, share, random)[:, None, :, None]
    inside = inside & _cutout_mask(images.shape[3], images, share, random)[:, None, None, :]
    return images.masked_fill(inside, 0.0)


def _cutout_mask(side: int, images: Tensor, share: float, random: Stream) -> Tensor:
    """Draw centres, and return a mask of the rows (or columns) that the square covers, ``(N, side)``."""
    length = int(side * share + 0.5)
    centre = random.integers(side + (1 - length % 2), len(images))[:, None]
    distance = torch.arange(side, device=images.device) - centre + length // 2
    return (distance >= 0) & (distance < length)
