"""Interfaces of adversarial training: objectives, penalties, constraints, augmentation and instance noise."""

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
        divergence_name: name of :meth:`divergence` in the tag ``divergence/<name>``.
        ceiling: divergence of distributions with disjoint supports, its upper bound; None where it is unbounded.
        score_name: kind of value that :meth:`score` returns, in a word or two.
        relativistic: whether G's loss also depends on real samples; if not, D's pass over them is omitted.

    A class may also have ``divergence_unit``, the unit of the divergence; without it the divergence is a plain number.
    And ``score_limits``, the smallest and the largest value that :meth:`score` can return, where it has both.
    """

    divergence_name: ClassVar[str]
    ceiling: ClassVar[float | None]
    score_name: ClassVar[str]
    relativistic: ClassVar[bool]

    @property
    def boundary(self) -> float | None:
        """The logit above which D classifies a sample as real; None where only differences of logits have a meaning."""
        ...

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return D's loss for each sample, ``(N,)``, from logits ``(N,)`` each."""
        ...

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return G's loss for each sample, ``(N,)``, from logits ``(N,)`` each; ``real`` counts if relativistic."""
        ...

    def divergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """Estimate the divergence that D maximizes, 0-dimensional, from D's loss; its name is ``divergence_name``."""
        ...

    def score(self, logits: Tensor) -> Tensor:
        """Convert logits to D(x) as it is reported: a probability or a critic value."""
        ...

    def g_choices(self, fake: Tensor) -> Mapping[str, Tensor]:
        """Return alternative losses of G against the same D by name, ``(N,)`` each; empty if there is only one."""
        ...


@runtime_checkable
class ZeroSumObjective(Objective, Protocol):
    """An objective whose D loss is the negative value of a two-player game, which D maximizes and G minimizes."""

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute the value V(D, G) of the game, 0-dimensional, from logits ``(N,)`` each."""
        ...


Critic: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ScoredBatch:
    """A batch with D's logits and their gradient with respect to the samples, for penalties.

    Attributes:
        samples: ``(N, *shape)``, before augmentation, packing and instance noise.
        logits: ``(N / pac,)``: one for each sample, or for each pack of ``pac`` of them.
        input_gradient: returns d logits / d samples, ``(N, *shape)``, differentiable; computed at the first call only.
    """

    samples: Tensor
    logits: Tensor
    input_gradient: Callable[[], Tensor]


class Side(Enum):
    """One of the two batches of an update of D."""

    real = "real"
    fake = "fake"


@runtime_checkable
class Penalty(Protocol):
    """A regularization term of D's loss, independent of the objective; see ``components/regularizers.py``.

    Attributes:
        gradient_sides: the batches whose ``input_gradient`` it uses.
        weight: factor on its values.
        every: it is evaluated at every n-th update of D, and then multiplied by n (lazy regularization).

    A class may also have ``batch_statistic``, the name of what it computes from a batch as a whole, for a line of runs
    with micro-batches.
    """

    gradient_sides: ClassVar[frozenset[Side]]
    weight: float
    every: int

    def __call__(self, critic: Critic, real: ScoredBatch, fake: ScoredBatch, random: Stream) -> Tensor:
        """Compute the penalty for each logit, ``(N / pac,)``, differentiable with respect to D's parameters.

        Args:
            critic: D with augmentation and instance noise, ``(N, *shape) -> (N / pac,)``, for further points.
            real: real samples.
            fake: generated samples, detached from G.
            random: the stream to draw from.
        """
        ...


@runtime_checkable
class Augmentation(Stateful, Protocol):
    """Random transformations of D's inputs, real and generated alike; see ``components/augmentation.py``."""

    def place(self, device: torch.device) -> None:
        """Move its tensors to the device."""
        ...

    def __call__(self, images: Tensor, random: Stream) -> Tensor:
        """Transform images ``(N, C, H, W)`` to as many of that shape, differentiably with respect to ``images``."""
        ...

    def observe(self, margins: Tensor) -> None:
        """Adapt to the margins of D's logits of real samples above its boundary, ``(N,)``."""
        ...

    def adaptive_tensors(self) -> Sequence[Tensor]:
        """Return the tensors that :meth:`observe` changes in place."""
        ...

    def metrics(self) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor on the device."""
        ...


@runtime_checkable
class NoiseLevel(Stateful, Protocol):
    """The standard deviation of instance noise; see ``components/noise.py``.

    Attributes:
        sigma: the standard deviation, 0-dimensional, on the device.
    """

    sigma: Tensor

    @property
    def is_zero(self) -> bool:
        """True if ``sigma`` is always 0, so that no noise has to be drawn."""
        ...

    @property
    def is_adaptive(self) -> bool:
        """True if ``sigma`` depends on D's margins, which :meth:`observe` then has to be given."""
        ...

    def place(self, device: torch.device) -> None:
        """Move ``sigma`` to the device, in place."""
        ...

    def set_step(self, step: int) -> None:
        """Bring ``sigma`` to the schedule's value at ``step``, counted from 0."""
        ...

    def observe(self, margins: Sequence[Tensor]) -> None:
        """Change ``sigma`` in place according to the margins of D's logits, ``(N,)`` for either side, in D's favor."""
        ...


@runtime_checkable
class Constraint(Protocol):
    """A projection of D's weights after each of its updates."""

    def project(self, parameters: list[Tensor]) -> None:
        """Project D's parameters in place."""
        ...
