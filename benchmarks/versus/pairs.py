"""Change digits by one and the same pixel distance, plausibly or not: numpy and SciPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gan_cli.protocols.arrays import IntArray

# Of float64, in which distances come out equal to 13 digits; images as they are loaded are of float32.
Numbers = npt.NDArray[Any]

BLACK, WHITE = -1.0, 1.0
# A stray pixel goes from black to white, which is a squared distance of 4; there are eight of them.
STRAY_PIXELS = 8
DISTANCE = float(np.sqrt(STRAY_PIXELS * (WHITE - BLACK) ** 2))
# Pixels that a digit is moved by at most; a distance that takes more is too large for it.
FARTHEST = 3.0
HALVINGS = 60
ALL_AROUND = np.ones((3, 3))

# An image (H, W) in [-1, 1], the distance, and what to draw from, to the changed image; None: it cannot be done.
Change = Callable[[Numbers, float, np.random.Generator], Numbers | None]


def shift_digit(image: Numbers, distance: float, random: np.random.Generator) -> Numbers | None:
    """Move the digit in a random direction, by cubic splines, as far as the distance goes: parts of a pixel."""
    angle = random.uniform(0, 2 * np.pi)
    direction = np.array([np.sin(angle), np.cos(angle)])

    def moved(pixels: float) -> Numbers:
        # Splines overshoot at edges.
        there: Numbers = np.clip(ndimage.shift(image, pixels * direction, order=3, cval=BLACK), BLACK, WHITE)
        return there

    low, high = 0.0, FARTHEST
    if pixel_distance(image, moved(high)) < distance:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if pixel_distance(image, moved(middle)) >= distance else (middle, high)
    return moved(high)


def thicken_strokes(image: Numbers, distance: float, random: np.random.Generator) -> Numbers | None:
    """Interpolate between the digit and one whose strokes are a pixel wider on each side."""
    way = ndimage.grey_dilation(image, footprint=ndimage.generate_binary_structure(2, 1)) - image
    share = distance / np.linalg.norm(way)
    return image + share * way if share <= 1 else None


def add_stray_pixels(image: Numbers, distance: float, random: np.random.Generator) -> Numbers | None:
    """Add white pixels at random places that touch no stroke; what is left of the distance goes into a grey one."""
    empty = np.flatnonzero(ndimage.grey_dilation(image, footprint=ALL_AROUND) <= BLACK)
    each = WHITE - BLACK
    count, rest = divmod(distance**2, each**2)
    amounts = np.append(np.full(int(count), each), np.sqrt(rest))
    if len(empty) < len(amounts):
        return None
    changed: Numbers = image.copy()
    changed.flat[random.choice(empty, len(amounts), replace=False)] += amounts
    return changed


def break_stroke(image: Numbers, distance: float, random: np.random.Generator) -> Numbers | None:
    """Wipe out a piece of a stroke where that takes the digit apart, opens a loop, or leaves a hole."""
    before = topology(image)
    for centre in random.permutation(np.argwhere(image > 0)):
        changed = wipe(image, centre, distance)
        if changed is not None and topology(changed) != before:
            return changed
    return None


def wipe(image: Numbers, centre: IntArray, distance: float) -> Numbers | None:
    """Blacken pixels around a place, from near to far, until the distance is reached; the last one in part."""
    rows, columns = np.indices(image.shape)
    order = np.argsort((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2, axis=None, kind="stable")
    costs = np.cumsum((image.flat[order] - BLACK) ** 2)
    whole = int(np.searchsorted(costs, distance**2, side="right"))
    if whole == len(order):
        return None
    changed: Numbers = image.copy()
    changed.flat[order[:whole]] = BLACK
    cost = costs[whole - 1] if whole else 0.0
    changed.flat[order[whole]] -= np.sqrt(distance**2 - cost)
    return changed


def topology(image: Numbers) -> tuple[int, int]:
    """Count connected components of what is whiter than grey, and of the rest: the background and the holes."""
    # Pieces that touch by a corner are one, and so those of the ground are not.
    ground = np.pad(image, 1, constant_values=BLACK) <= 0
    return int(ndimage.label(image > 0, ALL_AROUND)[1]), int(ndimage.label(ground)[1])


def pixel_distance(first: Numbers, second: Numbers) -> float:
    """Return the pixel distance: the root of the sum of squares."""
    return float(np.linalg.norm(first - second))


PLAUSIBLE: Mapping[str, Change] = MappingProxyType({"shifted": shift_digit, "thicker": thicken_strokes})
IMPLAUSIBLE: Mapping[str, Change] = MappingProxyType({"stray": add_stray_pixels, "broken": break_stroke})
CHANGES: Mapping[str, Change] = MappingProxyType({**PLAUSIBLE, **IMPLAUSIBLE})
# A plausible change, and one that is not.
PAIRS = tuple((good, bad) for good in PLAUSIBLE for bad in IMPLAUSIBLE)
# The same, without interpolation, at a distance that is each digit's own.
WHOLE_PIXEL_PAIR = ("moved a pixel", "as many strays")
STEPS = ((1, 0), (-1, 0), (1, 1), (-1, 1))  # shift and axis of np.roll


@dataclass(frozen=True)
class ChangedDigits:
    """Digits and their changed versions.

    Attributes:
        rows: ``(N,)``, indices into the images that were tried.
        originals: ``(N, 1, H, W)`` in [-1, 1].
        changed: name of a change -> ``(N, 1, H, W)``.
        skipped: images that could not be changed in every way.
    """

    rows: IntArray
    originals: Numbers
    changed: Mapping[str, Numbers]
    skipped: int

    @property
    def distances(self) -> dict[str, Numbers]:
        """Pixel distances ``(N,)`` by the name of the change."""
        flat = (len(self.originals), -1)
        return {
            name: np.linalg.norm((images - self.originals).reshape(flat), axis=1)
            for name, images in self.changed.items()
        }


def change_digits(images: Numbers, count: int, seed: int, distance: float = DISTANCE) -> ChangedDigits:
    """Change the first ``count`` of images ``(M, 1, H, W)`` in [-1, 1] that can be changed in every way, in float64.

    Each image is changed from a random stream of its own, so that it does not depend on the others.
    """

    def made(image: Numbers, random: np.random.Generator) -> list[Numbers | None]:
        seeds = random.integers(2**32, size=len(CHANGES))
        return [
            change(image, distance, np.random.default_rng(each))
            for change, each in zip(CHANGES.values(), seeds, strict=True)
        ]

    return _change_first(images, count, seed, tuple(CHANGES), made)


def move_whole_pixels(images: Numbers, count: int, seed: int) -> ChangedDigits:
    """Move digits by exactly one pixel, and add as many stray pixels as are equally far: nothing is interpolated.

    Each digit has a distance of its own. Images are chosen and random numbers drawn as in :func:`change_digits`.
    """

    def made(image: Numbers, random: np.random.Generator) -> list[Numbers | None]:
        moved = np.roll(np.pad(image, 1, constant_values=BLACK), *STEPS[random.integers(len(STEPS))])[1:-1, 1:-1]
        return [moved, add_stray_pixels(image, pixel_distance(image, moved), random)]

    return _change_first(images, count, seed, WHOLE_PIXEL_PAIR, made)


def _change_first(
    images: Numbers,
    count: int,
    seed: int,
    names: Sequence[str],
    make: Callable[[Numbers, np.random.Generator], Sequence[Numbers | None]],
) -> ChangedDigits:
    """Change the first ``count`` images for which all changes are possible."""
    rows: list[int] = []
    found: list[Sequence[Numbers]] = []
    tried = 0
    for row, image in enumerate(images[:, 0].astype(np.float64)):
        if len(rows) == count:
            break
        tried += 1
        changes = make(image, np.random.default_rng([seed, row]))
        whole = [each for each in changes if each is not None]
        if len(whole) == len(changes):
            rows.append(row)
            found.append(whole)
    stacked = {name: np.stack([each[place] for each in found])[:, None] for place, name in enumerate(names)}
    return ChangedDigits(np.array(rows), images[rows].astype(np.float64), stacked, tried - len(rows))


def move_each_pixel(image: Numbers, amount: float = 1.0) -> Numbers:
    """Return ``(H W, 1, H, W)``: in each one, another pixel of ``(1, H, W)`` moved towards the other end of [-1, 1].

    All by the same amount, at most 1, so that all are equally far from the image and none leaves the range.
    """
    count = image.size
    moved = np.repeat(image[None], count, axis=0)
    flat = moved.reshape(count, count)
    flat[np.arange(count), np.arange(count)] += np.where(image.reshape(-1) > 0, -amount, amount)
    return moved
