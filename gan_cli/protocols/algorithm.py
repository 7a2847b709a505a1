"""The few interfaces that the rooms of this package meet at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from gan_cli.protocols.arrays import FloatArray, IntArray, Stateful


@runtime_checkable
class Schedule(Protocol):
    """A number as a function of the clock."""

    def __call__(self, step: int) -> float:
        """The value at ``step``, counted from 0."""
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
