"""Answers of probes, and the small runs that they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from benchmarks.gpu.setting import Setting

POINTS = (
    "dataset=ring8",
    "train.batch_size=8",
    "architecture.latent_dim=4",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
)
DIGITS = ("train.batch_size=8", "architecture.generator_hidden=[8,8]", "architecture.discriminator_hidden=[8,8]")
DCGAN = ("architecture=dcgan", "architecture.width=8", "train.batch_size=16")
# Neither bf16 nor TF32: what remains of a difference is the order of summation.
FLOAT32 = ("device.precision=fp32", "device.tf32=false")


@dataclass(frozen=True)
class Answer:
    """An answer of a probe.

    Attributes:
        name: of what was asked.
        right: whether it is as it should be; None: a measurement, of which that cannot be said.
        values: what was found, by name.
    """

    name: str
    right: bool | None
    values: Mapping[str, Any] = field(default_factory=dict)


# Answers as they come; an error ends the probe, and is an answer as well.
Probe: TypeAlias = Callable[[Setting], Iterator[Answer]]
