"""Datasets whose samples are conditional on vectors: a ring whose angle is the condition, and points with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.protocols.data import Images, LabelVectors

NOISE = 0.02
SCALE = 1.2


class PointsWithVectors:
    """Base of points in the plane that are conditional on vectors."""

    licence: ClassVar[str] = "None."

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    @property
    def classes(self) -> int | None:
        return None


@dataclass(frozen=True)
class AngleRing(PointsWithVectors):
    """Points (cos a, sin a) with noise of standard deviation 0.02, conditional on the angle in degrees or radians."""

    count: int = 5000
    degrees: bool = False
    seed: int = 0

    def load(self) -> Images:
        random = np.random.default_rng(self.seed)
        angles = random.uniform(0, 2 * math.pi, (self.count, 1))
        points = np.concatenate([np.cos(angles), np.sin(angles)], 1) + NOISE * random.standard_normal((self.count, 2))
        return Images((points / SCALE).astype(np.float32), levels=(-1.0, 1.0), vectors=self._vectors(angles))

    def _vectors(self, angles: FloatArray) -> LabelVectors:
        values = (np.degrees(angles) if self.degrees else angles).astype(np.float32)
        condition = VectorCondition(ConditionKind.numbers, ("angle",), ((float(values.min()), float(values.max())),))
        return LabelVectors(values, condition)

    def coordinates(self, samples: FloatArray) -> FloatArray:
        return samples * np.float32(SCALE)


@dataclass(frozen=True)
class LabelledPoints(PointsWithVectors):
    """Points near (a, b), each a label of 0 or 1 that may hold, scaled to [-0.5, 0.5]."""

    count: int = 512

    def load(self) -> Images:
        random, held = np.random.default_rng(0), self._held()
        points = held - 0.5 + 0.05 * random.standard_normal((self.count, 2))
        condition = VectorCondition(ConditionKind.several, ("right", "up"), ((0.0, 1.0), (0.0, 1.0)))
        return Images(points.astype(np.float32), levels=(-1.0, 1.0), vectors=LabelVectors(held, condition))

    def _held(self) -> FloatArray:
        return np.random.default_rng(1).integers(0, 2, (self.count, 2)).astype(np.float32)

    def coordinates(self, samples: FloatArray) -> FloatArray:
        return samples


def angle_errors(points: FloatArray, angles: FloatArray) -> FloatArray:
    """Absolute differences of the angles of points ``(N, 2)`` from ``(N,)``, in radians, in [0, pi]."""
    difference = np.arctan2(points[:, 1], points[:, 0]) - angles
    return np.abs((difference + math.pi) % (2 * math.pi) - math.pi)
