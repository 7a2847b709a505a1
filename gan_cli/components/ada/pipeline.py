"""Adaptive discriminator augmentation: the whole pipeline of Karras et al. (2020), appendix B."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_cli.components.ada import colour, corruption, geometry
from gan_cli.components.ada.wavelets import SYM6, octave_bank
from gan_cli.components.adaptive_probability import AdaptiveProbability
from gan_cli.components.ranges import check_ranges
from gan_cli.protocols.rng import Stream

# Strengths of the paper, appendix B: largest share of the side, or deviations of the binary logarithm of a factor, of a
# share of the side and of a value in [-1, 1]; share of the side.
SHIFT, SCALE, ANISOTROPY, FRACTION = 0.125, 0.2, 0.2, 0.125
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0
GAIN, NOISE, CUTOUT = 1.0, 0.1, 0.5
# Power of natural images in the four octaves, the lowest first.
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


@dataclass(kw_only=True)
class Ada(AdaptiveProbability):
    """Augmentations of D's images, each with the same probability, which adapts to D's overfitting.

    G's samples are not augmented as long as every augmentation leaves most images as they are: up to a probability of
    about 0.8. The first three move pixels without a loss (blit in the paper), those up to ``fractional_shift`` warp the
    image, those up to ``saturation`` change its colors; the last three, which the paper leaves out for its best
    results, corrupt it. Images that are no squares are turned by half turns alone.

    Attributes:
        flip: from left to right.
        quarter_turns: by 0, 90, 180 or 270 degrees.
        shift: by whole pixels, up to an eighth of the side.
        scale: by a factor, log-normal with deviation 0.2 of its binary logarithm.
        rotation: by any angle.
        anisotropy: by a factor along one direction, and by its inverse across it.
        fractional_shift: with a deviation of an eighth of the side.
        brightness: plus a number with deviation 0.2.
        contrast: times a factor with deviation 0.5 of its binary logarithm.
        luma_flip: light and dark exchanged.
        hue: turned by any angle; for images in color.
        saturation: times a factor with deviation 1 of its binary logarithm; for images in color.
        filter: each of four octaves of frequencies amplified or damped.
        noise: of a deviation that is itself random, 0.1 in the root mean square.
        cutout: a square with half the side blanked.
    """

    flip: bool = True
    quarter_turns: bool = True
    shift: bool = True
    scale: bool = True
    rotation: bool = True
    anisotropy: bool = True
    fractional_shift: bool = True
    brightness: bool = True
    contrast: bool = True
    luma_flip: bool = True
    hue: bool = True
    saturation: bool = True
    filter: bool = False
    noise: bool = False
    cutout: bool = False

    BLIT: ClassVar = ("flip", "quarter_turns", "shift")
    GEOMETRY: ClassVar = ("scale", "rotation", "anisotropy", "fractional_shift")
    COLOUR: ClassVar = ("brightness", "contrast", "luma_flip", "hue", "saturation")

    _constants: _Constants = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self)
        self._constants = _Constants(torch.tensor(SYM6), torch.tensor(octave_bank()).float(), torch.tensor(POWER))

    def place(self, device: torch.device) -> None:
        """Move its tensors to the device."""
        super().place(device)
        self._constants = self._constants.to(device)

    def __call__(self, images: Tensor, random: Stream) -> Tensor:
        """Augment images ``(N, C, H, W)``, about in [-1, 1]; differentiable twice with respect to ``images``."""
        draw, constants = _Draws(len(images), random, self._p), self._constants
        if self._has(self.BLIT):
            images = geometry.move_pixels(images, *self._moves(draw, images.shape[2], images.shape[3]))
        if self._has(self.GEOMETRY):
            images = geometry.warp(images, self._sources(draw, images.shape[2], images.shape[3]), constants.taps)
        if self._has(self.COLOUR):
            images = colour.recolour(images, self._colours(draw))
        if self.filter:
            gains = _octave_gains(draw, constants.power)
            images = corruption.amplify_octaves(images, gains, constants.bank)
        if self.noise:
            deviations = draw.where_chosen(draw.normal().abs() * NOISE, 0.0)
            images = corruption.add_noise(images, random.normal_like(images), deviations)
        if self.cutout:
            images = corruption.cut_out(images, draw.uniforms(2), draw.where_chosen(draw.full(CUTOUT), 0.0))
        return images

    def _has(self, names: tuple[str, ...]) -> bool:
        return any(getattr(self, name) for name in names)

    def _moves(self, draw: _Draws, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw flips, quarter turns and shifts in pixels."""
        none = draw.full(0.0)
        flips = draw.where_chosen(draw.uniform().mul(2).floor(), 0.0) if self.flip else none
        turns = draw.where_chosen(draw.uniform().mul(4).floor(), 0.0) if self.quarter_turns else none
        if height != width:
            turns = turns - turns % 2
        shifts = torch.zeros(len(none), 2, device=none.device)
        if self.shift:
            shares = (draw.uniforms(2) * 2 - 1) * SHIFT
            shifts = draw.where_chosen(_in_pixels(shares, height, width), 0.0).round()
        return flips.bool(), turns.long(), shifts.long()

    def _sources(self, draw: _Draws, height: int, width: int) -> Tensor:
        """Draw maps from places in the result to places in the image, ``(N, 2, 3)``."""
        matrix = torch.eye(2, device=draw.device).repeat(draw.count, 1, 1)
        if self.scale:
            matrix = matrix / draw.where_chosen((draw.normal() * SCALE).exp2(), 1.0)[:, None, None]
        # Two rotations make any direction of the anisotropy; one of them or none happens with the others' probability.
        turning = 1 - (1 - self._p).clamp(min=0.0).sqrt()
        if self.rotation:
            matrix = matrix @ _rotation(draw.where_chosen(draw.angle(), 0.0, turning))
        if self.anisotropy:
            factors = draw.where_chosen((draw.normal() * ANISOTROPY).exp2(), 1.0)
            matrix = matrix @ torch.diag_embed(torch.stack([factors, 1 / factors], dim=1))
        if self.rotation:
            matrix = matrix @ _rotation(draw.where_chosen(draw.angle(), 0.0, turning))
        moves = torch.zeros(draw.count, 2, device=draw.device)
        if self.fractional_shift:
            moves = draw.where_chosen(_in_pixels(draw.normals(2) * FRACTION, height, width), 0.0)
        return torch.cat([matrix, moves[:, :, None]], dim=2)

    def _colours(self, draw: _Draws) -> Tensor:
        """Draw maps of colors, ``(N, 4, 4)``, one after the other."""
        matrix = torch.eye(4, device=draw.device).repeat(draw.count, 1, 1)
        if self.brightness:
            matrix = colour.brightness(draw.where_chosen(draw.normal() * BRIGHTNESS, 0.0)) @ matrix
        if self.contrast:
            matrix = colour.contrast(draw.where_chosen((draw.normal() * CONTRAST).exp2(), 1.0)) @ matrix
        if self.luma_flip:
            matrix = colour.luma_flip(draw.where_chosen(draw.uniform().mul(2).floor(), 0.0)) @ matrix
        if self.hue:
            matrix = colour.hue_rotation(draw.where_chosen(draw.angle(), 0.0)) @ matrix
        if self.saturation:
            matrix = colour.saturation(draw.where_chosen((draw.normal() * SATURATION).exp2(), 1.0)) @ matrix
        return matrix


class _Constants(NamedTuple):
    """Tensors that are copied to the device once: in a step a copy would wait for it.

    Attributes:
        taps: of the low-pass filter, ``(12,)``.
        bank: filters of the octaves, ``(4, T)``.
        power: of natural images in the octaves, ``(4,)``.
    """

    taps: Tensor
    bank: Tensor
    power: Tensor

    def to(self, device: torch.device) -> _Constants:
        return _Constants(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True)
class _Draws:
    """Random numbers for a batch, one row an image.

    Attributes:
        count: number of images.
        random: where the numbers come from.
        probability: of each augmentation, 0-dimensional.
    """

    count: int
    random: Stream
    probability: Tensor

    @property
    def device(self) -> torch.device:
        return self.probability.device

    def where_chosen(self, values: Tensor, otherwise: float, probability: Tensor | None = None) -> Tensor:
        """Return values ``(N, ...)`` of the images that an augmentation is chosen for, and of others its identity."""
        chosen = self.uniform() < (self.probability if probability is None else probability)
        return torch.where(chosen.reshape(-1, *(1,) * (values.dim() - 1)), values, otherwise)

    def uniform(self) -> Tensor:
        """Draw ``(N,)`` from [0, 1)."""
        return self.random.uniform(self.count)

    def uniforms(self, width: int) -> Tensor:
        """Draw ``(N, width)`` from [0, 1)."""
        return self.random.uniform(self.count, width)

    def normal(self) -> Tensor:
        """Draw ``(N,)`` from N(0, 1)."""
        return self.random.normal(self.count, 1)[:, 0]

    def normals(self, width: int) -> Tensor:
        """Draw ``(N, width)`` from N(0, 1)."""
        return self.random.normal(self.count, width)

    def angle(self) -> Tensor:
        """Draw ``(N,)`` from [-pi, pi)."""
        return (self.uniform() * 2 - 1) * math.pi

    def full(self, value: float) -> Tensor:
        """Return ``(N,)`` of one value."""
        return torch.full((self.count,), value, device=self.device)


def _rotation(angles: Tensor) -> Tensor:
    """Return the rotations ``(N, 2, 2)`` of places (row, column) by angles ``(N,)`` in radians."""
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)


def _in_pixels(shares: Tensor, height: int, width: int) -> Tensor:
    """Return shares of the two sides, ``(N, 2)``, in pixels."""
    return torch.stack([shares[:, 0] * height, shares[:, 1] * width], dim=1)


def _octave_gains(draw: _Draws, power: Tensor) -> Tensor:
    """Draw gains of the octaves, ``(N, 4)``: each amplified in turn, the power of natural images, ``(4,)``, kept."""
    gains = torch.ones(draw.count, len(power), device=draw.device)
    for octave in range(len(power)):
        one = torch.ones_like(gains)
        one[:, octave] = draw.where_chosen((draw.normal() * GAIN).exp2(), 1.0)
        gains = gains * one / (power * one.square()).sum(1, keepdim=True).sqrt()
    return gains
