"""What was measured, as it goes into the table and, field by field, into the JSON. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A figure that was taken several times.

    Attributes:
        median: of all.
        least: the smallest.
        most: the largest.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """The spread of at least one figure."""
        return cls(statistics.median(figures), min(figures), max(figures))


@dataclass(frozen=True)
class Network:
    """A network by its class, and how many numbers it learns."""

    kind: str
    parameters: int


@dataclass(frozen=True)
class Setting:
    """What is measured, and where.

    Attributes:
        versions: of gan_cli, Python and torch.
        processor: the CPU's name.
        cores: CPU cores of the machine.
        device: as in a run's ``summary.json``, number format and threads among it.
        dataset: class of the dataset.
        architecture: class of the architecture.
        networks: by name.
        batch_size: samples per update.
        d_steps: updates of D per update of G.
        without_warmup: whether ``loss.warmup``, whose steps are others, is left out.
    """

    versions: Mapping[str, str]
    processor: str
    cores: int
    device: Mapping[str, Any]
    dataset: str
    architecture: str
    networks: Mapping[str, Network]
    batch_size: int
    d_steps: int
    without_warmup: bool


@dataclass(frozen=True)
class Work:
    """What one step asks for, as the mean over steps where they differ.

    Attributes:
        flops_per_step: floating-point operations of matrix products and convolutions, by torch's own count, backward
            passes included.
        images_per_step: real samples shown to D.
        flops_per_image: the one by the other.
    """

    flops_per_step: float
    images_per_step: float
    flops_per_image: float


@dataclass(frozen=True)
class Peak:
    """The fastest product of square matrices.

    Attributes:
        flops_per_second: floating-point operations.
        size: rows of the matrices.
        format: number format of the factors.
    """

    flops_per_second: float
    size: int
    format: str


@dataclass(frozen=True)
class Speed:
    """How fast steps go.

    Attributes:
        steps_per_second: over blocks of steps.
        images_per_second: real samples shown to D, at the median.
        flops_per_second: floating-point operations of the model, at the median.
        share_of_peak: of the fastest matrix product.
        peak_memory: bytes.
        setup_seconds: time of the first steps, which compile or record.
        setup_steps: how many these are.
        steps: how many were timed, after those.
        data_wait: share of the time that went by waiting for data; None where nothing has to wait.
    """

    steps_per_second: Spread
    images_per_second: float
    flops_per_second: float
    share_of_peak: float
    peak_memory: int
    setup_seconds: float
    setup_steps: int
    steps: int
    data_wait: float | None


@dataclass(frozen=True)
class ModeResult:
    """A way of running.

    Attributes:
        way: its name.
        chosen: whether a run with this configuration goes this way.
        speed: what came out, or None.
        reason: why nothing did, or None.
    """

    way: str
    chosen: bool
    speed: Speed | None
    reason: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of a step: milliseconds, and share of all parts."""

    milliseconds: float
    share: float


@dataclass(frozen=True)
class Cost:
    """Something that is done now and then.

    Attributes:
        milliseconds: each time.
        every: steps between two times.
        share: of the wall time of a long run.
    """

    milliseconds: float
    every: int
    share: float


@dataclass(frozen=True)
class Result:
    """All of it.

    Attributes:
        setting: what is measured.
        work: what a step asks for.
        peak: what the device can do.
        memory: what ``peak_memory`` counts.
        ways: of running.
        parts: of an eager step, by name; ``rest`` is what is in none.
        telemetry: reports, pictures and checkpoints, by name.
        telemetry_share: what they take of the wall time together.
    """

    setting: Setting
    work: Work
    peak: Peak
    memory: str
    ways: Sequence[ModeResult]
    parts: Mapping[str, Part]
    telemetry: Mapping[str, Cost]
    telemetry_share: float


def parts(seconds: Mapping[str, float], steps: int) -> dict[str, Part]:
    """The parts of a step from the seconds that ``steps`` of them spent in each."""
    total = sum(seconds.values())
    return {name: Part(1e3 * spent / steps, spent / total) for name, spent in seconds.items()}


def costs(seconds: Mapping[str, float], every: Mapping[str, int], step_seconds: float) -> dict[str, Cost]:
    """What things cost that take ``seconds`` each time, once in ``every`` so many steps (0: never)."""
    due = {name: spent / every[name] for name, spent in seconds.items() if every[name]}
    wall = step_seconds + sum(due.values())
    return {name: Cost(1e3 * seconds[name], every[name], spent / wall) for name, spent in due.items()}
