"""The few interfaces that the rooms of this package meet at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray: TypeAlias = npt.NDArray[np.float32]
ByteArray: TypeAlias = npt.NDArray[np.uint8]
IntArray: TypeAlias = npt.NDArray[np.int64]


class Stateful(Protocol):
    """Anything whose state goes into a checkpoint as tensors and plain values."""

    def state_dict(self) -> dict[str, Any]:
        """The state, complete: what is restored from it goes on to the bit."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        ...


@runtime_checkable
class Schedule(Protocol):
    """A number as a function of the clock."""

    def __call__(self, step: int) -> float:
        """The value at ``step``, counted from 0."""
        ...


@runtime_checkable
class Objective(Protocol):
    """Losses of D and of G per sample, from D's logits; see ``losses.py``.

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
    """What D pays for beside its objective; see ``penalties.py``. Knows nothing of the objective.

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
    """Random changes to D's images, real and generated alike; see ``augment.py``."""

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
    """How much instance noise there is; see ``noise_level.py``.

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


@dataclass(frozen=True)
class Surface:
    """D over the plane, for a look at 2-D runs.

    Attributes:
        scores: ``(R, R)``, D(x) on a regular mesh over [-extent, extent]^2; row 0 is the top.
        real: ``(M, 2)``, real points, scaled like generated ones.
        extent: half the width of the picture.
    """

    scores: FloatArray
    real: FloatArray
    extent: float


@dataclass(frozen=True)
class Panel:
    """A further grid of images, or of points as they are drawn.

    Attributes:
        samples: ``(N, *shape)``, on the scale of [-1, 1].
        columns: None: about as many as there are rows.
    """

    samples: FloatArray
    columns: int | None = None


@dataclass(frozen=True)
class Preview:
    """What a person looks at: samples from the run's fixed latents.

    Attributes:
        samples: ``(N, *shape)``, on the scale of [-1, 1].
        surface: D over the plane, where the data are 2-D.
        columns: of the grid; None: about as many as there are rows.
        panels: further grids, by name.
    """

    samples: FloatArray
    surface: Surface | None = None
    columns: int | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)


@dataclass(frozen=True)
class Sentences:
    """What a person reads: sentences as a model of text writes them.

    Attributes:
        lines: one sentence each.
    """

    lines: Sequence[str]


@dataclass(frozen=True)
class Trouble:
    """Numbers that are not finite, beyond what training gets over by itself.

    Attributes:
        message: what it is, in a few words.
        since: the step from whose update on it matters; what was not finite before did no harm.
    """

    message: str
    since: int = 0


@dataclass(frozen=True)
class Report:
    """What an algorithm has to say about the updates since its last report.

    Attributes:
        scalars: tag -> value, in the order to show them.
        histograms: tag -> values, any shape.
        headline: short name -> value, for the progress line.
        meanings: tag -> what its values are, in a word or two.
        trouble: what was noticed of numbers that are not finite, whether or not it shows in the figures.
    """

    scalars: Mapping[str, float]
    histograms: Mapping[str, FloatArray]
    headline: Mapping[str, float]
    meanings: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Treatment:
    """What a rollback changes.

    Attributes:
        lr_g: factor on G's learning rate.
        lr_d: factor on D's.
        sigma: deviation of the instance noise that is added to what there is.
    """

    lr_g: float = 1.0
    lr_d: float = 1.0
    sigma: float = 0.0


@runtime_checkable
class Algorithm(Stateful, Protocol):
    """One family of models and how it is updated. The loop knows nothing else."""

    def update(self, step: int) -> None:
        """Make update number ``step``, counted from 0. Never waits for the device."""
        ...

    def report(self) -> Report:
        """Statistics since the last report. Waits for the device."""
        ...

    def preview(self) -> Preview | Sentences:
        """Samples to look at. Waits for the device."""
        ...

    def samples(self, count: int) -> FloatArray | IntArray:
        """``(count, *shape)`` to be measured; changes nothing. Waits for the device.

        Images and points on the scale of [-1, 1]; sequences as their tokens.
        """
        ...

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """What the latest update came to, by name, in the order in which it came: where trouble is looked for."""
        ...

    def trouble(self) -> Trouble | None:
        """What speaks against saving the state as it is: numbers that are not finite. Waits for the device."""
        ...

    def treat(self, treatment: Treatment) -> None:
        """Go on in another way than configured, from now on and after every resume."""
        ...

    @property
    def images_seen(self) -> int:
        """Real samples used so far."""
        ...

    def close(self) -> None:
        """Let go of threads and files."""
        ...


class Stream(Protocol):
    """Where random numbers come from. What is drawn has one row a sample."""

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """torch's generators behind it."""
        ...

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1), on the stream's device."""
        ...

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``, in their memory layout."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1); ``shape`` begins with the rows."""
        ...

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high), int64."""
        ...

    def get_state(self) -> Tensor:
        """The state, for a checkpoint."""
        ...

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        ...
