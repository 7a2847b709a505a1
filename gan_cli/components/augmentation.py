"""Differentiable augmentation of D's images, real and generated alike, so that few data go a longer way.

G learns through the augmentation, and its samples stay clean (Zhao et al. 2020; Karras et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gan_cli.errors import require
from gan_cli.protocols.rng import Stream


@dataclass(kw_only=True)
class DiffAugment:
    """Colour, translation and cutout, drawn for each image apart (Zhao et al. 2020, section 3.2).

    Attributes:
        colour: change brightness, saturation and contrast; grey images have no saturation to change.
        translation: largest shift as a share of the side; what comes in is grey. 0: none.
        cutout: side of the grey square as a share of the image's. 0: none.
        probability: of each of the three for each image.
    """

    colour: bool = True
    translation: float = 0.125
    cutout: float = 0.5
    probability: float = 1.0
    _p: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require(0 <= self.translation <= 0.5, "translation", self.translation, "a number in [0, 0.5]")
        require(0 <= self.cutout < 1, "cutout", self.cutout, "a number in [0, 1)")
        require(0 <= self.probability <= 1, "probability", self.probability, "a number in [0, 1]")
        self._p = torch.tensor(self.probability)

    def place(self, device: torch.device) -> None:
        """Move the probability to the device."""
        self._p = self._p.to(device)

    def __call__(self, images: Tensor, random: Stream) -> Tensor:
        """``(N, C, H, W)`` in about [-1, 1], the same out; differentiable with respect to ``images``."""
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
        """Nothing to learn: the probability is fixed."""

    def adaptive_tensors(self) -> list[Tensor]:
        """What :meth:`observe` changes: nothing."""
        return []

    def metrics(self) -> dict[str, Tensor]:
        """Nothing to tell."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The probability in force."""
        return {"p": self._p.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._p.copy_(state["p"])


@dataclass(kw_only=True)
class Adaptive(DiffAugment):
    """The same transformations with a probability that follows D's overfitting (Karras et al. 2020, section 3.1).

    The measure is ``r_t = E[sign(margin)]`` over real samples: 0 where D knows nothing, 1 where it is sure of all it
    has seen. Every ``every`` D updates the probability goes up where ``r_t`` is above ``target``, else down. All of it
    happens on the device.

    Attributes:
        target: the ``r_t`` to hold; 0.6 in the paper.
        every: D updates between two changes; 4 in the paper.
        images: real samples that it takes from probability 0 to 1 at the fastest; 500,000 in the paper.
    """

    probability: float = 0.0
    target: float = 0.6
    every: int = 4
    images: int = 500_000
    _seen: Tensor = field(init=False, repr=False)
    _measure: Tensor = field(init=False, repr=False)
    _observed: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(-1 < self.target < 1, "target", self.target, "a number in (-1, 1)")
        require(self.every >= 1, "every", self.every, "an integer >= 1")
        require(self.images >= 1, "images", self.images, "an integer >= 1")
        self._seen, self._measure, self._observed = torch.zeros(()), torch.zeros(()), torch.zeros(())

    def place(self, device: torch.device) -> None:
        """Move the controller to the device."""
        super().place(device)
        self._seen, self._measure, self._observed = (
            counter.to(device) for counter in (self._seen, self._measure, self._observed)
        )

    @torch.no_grad()
    def observe(self, margins: Tensor) -> None:
        """Take in how far D's logits of real samples lie above its boundary, ``(N,)``; adapt when it is time."""
        self._seen += margins.sign().mean()
        self._observed += 1
        # Whether it is time is the device's to know, so that a replayed step counts on.
        due = self._observed == self.every
        self._measure.copy_(torch.where(due, self._seen / self.every, self._measure))
        step = len(margins) * self.every / self.images
        self._p.add_((self._measure - self.target).sign() * due, alpha=step).clamp_(0.0, 1.0)
        self._seen *= ~due
        self._observed *= ~due

    def adaptive_tensors(self) -> list[Tensor]:
        """What :meth:`observe` changes."""
        return [self._p, self._seen, self._measure, self._observed]

    def metrics(self) -> dict[str, Tensor]:
        """The probability in force, and the measure that it follows."""
        return {"augment/p": self._p, "augment/overfitting": self._measure}

    def state_dict(self) -> dict[str, Any]:
        """Probability, measure and what is gathered for the next one."""
        state = super().state_dict()
        gathered = {"seen": self._seen, "measure": self._measure, "observed": self._observed}
        return state | {name: counter.clone() for name, counter in gathered.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        super().load_state_dict(state)
        self._seen.copy_(state["seen"])
        self._measure.copy_(state["measure"])
        self._observed.copy_(state["observed"])


def _uniform(images: Tensor, random: Stream) -> Tensor:
    """One number from [0, 1) an image, ``(N, 1, 1, 1)``."""
    return random.uniform(len(images), 1, 1, 1).to(images.dtype)


def _color_jittered(images: Tensor, random: Stream) -> Tensor:
    """Brightness moved by up to 0.5, saturation scaled by 0 to 2, contrast by 0.5 to 1.5."""
    brighter = images + _uniform(images, random) - 0.5
    grey = brighter.mean(1, keepdim=True)
    saturated = torch.lerp(grey, brighter, 2 * _uniform(images, random))
    level = saturated.mean((1, 2, 3), keepdim=True)
    return torch.lerp(level, saturated, 0.5 + _uniform(images, random))


def _translated(images: Tensor, share: float, random: Stream) -> Tensor:
    """Moved by whole pixels along both axes; what comes in is 0."""
    count, _, height, width = images.shape
    rows = _source_indices(count, height, share, images.device, random)
    columns = _source_indices(count, width, share, images.device, random)
    which = torch.arange(count, device=images.device)[:, None, None]
    # Index 0 and the last one are the border of zeros.
    bordered = pad(images, [1, 1, 1, 1]).permute(0, 2, 3, 1)
    return bordered[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _source_indices(count: int, side: int, share: float, device: torch.device, random: Stream) -> Tensor:
    """Where each row of a shifted image comes from in the bordered one, ``(count, side)``."""
    reach = int(side * share + 0.5)
    shift = random.integers(2 * reach + 1, count)[:, None] - reach
    return (torch.arange(1, side + 1, device=device) + shift).clamp(0, side + 1)


def _cutout(images: Tensor, share: float, random: Stream) -> Tensor:
    """A grey rectangle around a random place, half of it outside at most."""
    inside = _cutout_mask(images.shape[2], images, share, random)[:, None, :, None]
    inside = inside & _cutout_mask(images.shape[3], images, share, random)[:, None, None, :]
    return images.masked_fill(inside, 0.0)


def _cutout_mask(side: int, images: Tensor, share: float, random: Stream) -> Tensor:
    """Which rows (or columns) the rectangle covers, ``(N, side)``."""
    length = int(side * share + 0.5)
    centre = random.integers(side + (1 - length % 2), len(images))[:, None]
    distance = torch.arange(side, device=images.device) - centre + length // 2
    return (distance >= 0) & (distance < length)
