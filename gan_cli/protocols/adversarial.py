"""Interfaces of the adversarial game: objectives, penalties, constraints, augmentation and instance noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from gan_cli.protocols.arrays import Stateful
from gan_cli.protocols.rng import Stream


@runtime_checkable
class Objective(Protocol):
    """Losses of D and of G per sample, from D's logits; see ``components/losses.py``.

    Attributes:
        divergence_name: what :meth:`divergence` is called in ``divergence/<name>``.
        ceiling: the divergence of distributions that have nothing in common; None where there is no highest one.
        score_name: what :meth:`score` gives, in a word or two.
        relativistic: whether G's loss also looks at real samples; if not, D is spared a pass over them.
    """

    divergence_name: ClassVar[str]
    ceiling: ClassVar[float | None]
    score_name: ClassVar[str]
    relativistic: ClassVar[bool]

    @property
    def boundary(self) -> float | None:
        """The logit above which D says "real"; None where only differences of logits mean something."""
        ...

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What D minimises, ``(N,)``, from logits ``(N,)`` each."""
        ...

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What G minimises, ``(N,)``, from logits ``(N,)`` each; only relativistic objectives look at ``real``."""
        ...

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """What D's loss estimates, sign corrected, 0-dimensional; its name is ``divergence_name``."""
        ...

    def score(self, logits: Tensor) -> Tensor:
        """D(x) as it is reported: a probability or a critic value."""
        ...

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        """Losses, ``(N,)`` each, that G could minimise against this very D, by name; empty where there is no choice."""
        ...


Critic: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Judged:
    """A batch and what D says of it, for penalties.

    Attributes:
        samples: ``(N, *shape)``, as they came to D: before augmentation and instance noise.
        logits: ``(N,)``.
        slope: gives d logits / d samples, ``(N, *shape)``, differentiable; computed once, whoever asks.
    """

    samples: Tensor
    logits: Tensor
    slope: Callable[[], Tensor]


class Side(Enum):
    """The two batches that D judges."""

    real = "real"
    fake = "fake"


@runtime_checkable
class Penalty(Protocol):
    """What D pays for beside its objective; see ``components/regularizers.py``. Knows nothing of the objective.

    Attributes:
        looks_at: the batches whose slope it asks for.
        weight: factor on its values.
        every: it is due at every so many-th D update, and counts that much more then.
    """

    looks_at: ClassVar[frozenset[Side]]
    weight: float
    every: int

    def __call__(self, critic: Critic, real: Judged, fake: Judged, random: Stream) -> Tensor:
        """Values per sample, ``(N,)``, differentiable with respect to D's parameters.

        Args:
            critic: D with all that stands before it, ``(N, *shape) -> (N,)``, for points of the penalty's own.
            real: real samples.
            fake: generated samples, without a way back to G.
            random: the stream to draw from.
        """
        ...


@runtime_checkable
class Augmentation(Stateful, Protocol):
    """Random changes to D's images, real and generated alike; see ``components/augmentation.py``."""

    def place(self, device: torch.device) -> None:
        """Move what it keeps to the device."""
        ...

    def __call__(self, images: Tensor, random: Stream) -> Tensor:
        """``(N, C, H, W)`` in, the same out; differentiable with respect to ``images``."""
        ...

    def observe(self, margins: Tensor) -> None:
        """Learn how far D's logits of real samples, ``(N,)``, lie above its boundary."""
        ...

    def adapted(self) -> Sequence[Tensor]:
        """The tensors that :meth:`observe` changes, in place."""
        ...

    def figures(self) -> dict[str, Tensor]:
        """Tag -> 0-dimensional tensor on the device."""
        ...


@runtime_checkable
class NoiseLevel(Stateful, Protocol):
    """How much instance noise there is; see ``components/noise.py``.

    Attributes:
        sigma: the deviation, 0-dimensional, on the device.
    """

    sigma: Tensor

    @property
    def silent(self) -> bool:
        """Whether there is never any noise, so that nothing need be drawn."""
        ...

    @property
    def watches(self) -> bool:
        """Whether it wants to know how D fares."""
        ...

    def place(self, device: torch.device) -> None:
        """Move the number to the device."""
        ...

    def set_clock(self, step: int) -> None:
        """Hand over what the host knows of ``step``."""
        ...

    def observe(self, margins: Sequence[Tensor]) -> None:
        """Learn how far D's logits, ``(N,)`` of either side, lie on the right side, and change ``sigma`` in place."""
        ...


@runtime_checkable
class Constraint(Protocol):
    """A projection of D's weights after each of its updates."""

    def project(self, parameters: list[Tensor]) -> None:
        """Change the parameters in place."""
        ...
