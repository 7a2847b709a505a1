"""Results of a benchmark, as the table shows them and the JSON holds them, field by field. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Spread of a quantity that was measured several times.

    Attributes:
        median: of all values.
        least: the smallest value.
        most: the largest value.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of a quantity that was measured several times."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Return the quartiles of at least two values."""
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass(frozen=True)
class Network:
    """A network: the name of its class and its number of parameters."""

    kind: str
    parameters: int


@dataclass(frozen=True)
class Setting:
    """Configuration and machine of a benchmark.

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
        without_warmup: whether the configured ``loss.warmup``, whose steps are longer, was switched off.
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
    """Work of one step, as the mean over all kinds of steps.

    Attributes:
        flops_per_step: floating-point operations of matrix products and convolutions, by torch's own count, backward
            passes included.
        images_per_step: real samples shown to D.
        flops_per_image: their quotient.
    """

    flops_per_step: float
    images_per_step: float
    flops_per_image: float


@dataclass(frozen=True)
class Peak:
    """Rate of the fastest product of square matrices.

    Attributes:
        flops_per_second: floating-point operations.
        size: rows of the matrices.
        format: number format of the factors.
    """

    flops_per_second: float
    size: int
    format: str


@dataclass(frozen=True)
class Limit:
    """Products and updates of state that a step cannot do without, and their time, in turns with eager steps.

    Attributes:
        products: matrix products and convolutions in a step.
        bytes_read: of weights, gradients, moments and moving average in a step, once an update.
        bytes_written: likewise.
        milliseconds: of those products and updates alone.
        step_milliseconds: of a step.
        share: of the limit in the time of a step, over the turns.
    """

    products: float
    bytes_read: float
    bytes_written: float
    milliseconds: Spread
    step_milliseconds: Spread
    share: Quartiles


@dataclass(frozen=True)
class Speed:
    """Speed of steps in one execution mode.

    Attributes:
        steps_per_second: over blocks of steps.
        images_per_second: real samples shown to D, at the median.
        flops_per_second: floating-point operations of the model, at the median.
        share_of_peak: the same relative to the fastest matrix product.
        peak_memory: in bytes; None: unknown on this system.
        setup_seconds: time of the first steps, which compile or capture.
        setup_steps: number of these first steps.
        steps: number of steps that were timed, after those.
        data_wait: share of the time that was spent waiting for data; None where data never have to be waited for.
    """

    steps_per_second: Spread
    images_per_second: float
    flops_per_second: float
    share_of_peak: float
    peak_memory: int | None
    setup_seconds: float
    setup_steps: int
    steps: int
    data_wait: float | None


@dataclass(frozen=True)
class ModeResult:
    """Result of one execution mode.

    Attributes:
        way: name of the execution mode; this field and ``ways`` are keys of the JSON.
        chosen: whether a run with this configuration trains in this mode.
        speed: the result, or None.
        reason: why there is none, or None.
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
    """Cost of a periodic action: reports, pictures or checkpoints.

    Attributes:
        milliseconds: of each time.
        every: steps between two times.
        share: of the wall time of a long run.
    """

    milliseconds: float
    every: int
    share: float


@dataclass(frozen=True)
class Result:
    """Complete result of a benchmark.

    Attributes:
        setting: configuration and machine.
        work: of a step.
        peak: of the device.
        limit: of a step.
        memory: what ``peak_memory`` counts, in words.
        ways: results of the execution modes.
        parts: of an eager step, by name; ``rest`` is the time outside all parts.
        telemetry: costs of reports, pictures and checkpoints, by name.
        telemetry_share: the share of the wall time that they take together.
    """

    setting: Setting
    work: Work
    peak: Peak
    limit: Limit
    memory: str
    ways: Sequence[ModeResult]
    parts: Mapping[str, Part]
    telemetry: Mapping[str, Cost]
    telemetry_share: float


def parts(seconds: Mapping[str, float], steps: int) -> dict[str, Part]:
    """Return the parts of a step, from the seconds of each part over ``steps`` steps."""
    total = sum(seconds.values())
    return {name: Part(1e3 * elapsed / steps, elapsed / total) for name, elapsed in seconds.items()}


def costs(seconds: Mapping[str, float], every: Mapping[str, int], step_seconds: float) -> dict[str, Cost]:
    """Return the costs of actions that take ``seconds`` each time, once in ``every`` steps (0 for never)."""
    per_step = {name: elapsed / every[name] for name, elapsed in seconds.items() if every[name]}
    wall = step_seconds + sum(per_step.values())
    return {name: Cost(1e3 * seconds[name], every[name], elapsed / wall) for name, elapsed in per_step.items()}
