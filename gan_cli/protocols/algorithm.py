"""Interface of training algorithms, and the reports and previews that they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from gan_cli.protocols.arrays import FloatArray, IntArray, Stateful
from gan_cli.protocols.tables import TableColumns


@runtime_checkable
class Schedule(Protocol):
    """A number as a function of the training step."""

    def __call__(self, step: int) -> float:
        """Return the value at ``step``, counted from 0."""
        ...


@dataclass(frozen=True)
class PlaneAxes:
    """The data's own coordinates in the plane, as a function of those that the networks see: ``units * x + origin``.

    Attributes:
        units: lengths in the data's own coordinates of one unit of the scaled ones, to the right and upwards.
        origin: the data's own coordinates of the scaled ones' origin.
        names: of the axes, to the right and upwards; empty: they have none.
    """

    units: tuple[float, float] = (1.0, 1.0)
    origin: tuple[float, float] = (0.0, 0.0)
    names: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Surface:
    """D's scores over a square of the plane.

    Attributes:
        scores: ``(R, R)``, D(x) on a regular mesh; row 0 is the top.
        name: kind of value that they are, in a word or two.
        limits: smallest and largest value that a score can have; None: colours span those in the picture.
    """

    scores: FloatArray
    name: str = ""
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plane:
    """Surroundings of generated points in a picture of them, for runs on 2-D data.

    Attributes:
        real: ``(M, 2)``, real points, scaled like generated ones.
        extent: half the width of the picture, in scaled coordinates: it shows [-extent, extent]^2.
        surface: D's scores over that square; None: there is no D.
        axes: of the data's own coordinates.
    """

    real: FloatArray
    extent: float
    surface: Surface | None = None
    axes: PlaneAxes = PlaneAxes()


@dataclass(frozen=True)
class ShownTable:
    """Columns of generated rows in a picture of them, and real rows to show beside them.

    Attributes:
        columns: names and units.
        real: ``(M, D)``, standardized like generated ones; None: there are none at hand.
    """

    columns: TableColumns
    real: FloatArray | None = None


@dataclass(frozen=True)
class Panel:
    """An additional grid of images, or of points as they are drawn.

    Attributes:
        samples: ``(N, *shape)``, on the scale of [-1, 1].
        columns: of the grid; None: about as many as there are rows.
        caption: what it shows, in a few words.
        row_names: what each row shows; empty: nothing in particular.
    """

    samples: FloatArray
    columns: int | None = None
    caption: str = ""
    row_names: Sequence[str] = ()


@dataclass(frozen=True)
class Preview:
    """Samples from the run's fixed latents, for visual inspection.

    Attributes:
        samples: ``(N, *shape)``, on the scale of [-1, 1].
        plane: what to show beside the samples, where they are points.
        columns: of the grid; None: about as many as there are rows.
        panels: additional grids, by name.
        row_names: label of each row; empty without labels.
        row_noun: word for such a label.
        table: the table that they are rows of, unless ``plane`` shows them.
    """

    samples: FloatArray
    plane: Plane | None = None
    columns: int | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)
    row_names: Sequence[str] = ()
    row_noun: str = "class"
    table: ShownTable | None = None


@dataclass(frozen=True)
class Sentences:
    """Sentences sampled from a language model, for inspection.

    Attributes:
        lines: one sentence each.
    """

    lines: Sequence[str]


@dataclass(frozen=True)
class NonFiniteReport:
    """Non-finite numbers from which training does not recover by itself.

    Attributes:
        message: which number is not finite, in a few words.
        since: the first step whose update is affected; numbers that were not finite earlier did no harm.
    """

    message: str
    since: int = 0


@dataclass(frozen=True)
class Report:
    """Metrics of the updates since an algorithm's last report.

    Attributes:
        scalars: tag -> value, in the order to show them.
        histograms: tag -> values, any shape.
        headline: short name -> value, for the progress line.
        meanings: tag -> what its values are, in a word or two.
        nonfinite: non-finite numbers that were detected, whether or not they show in the metrics; None: there are none.
        phase: of training that the step belongs to, for the progress line; empty where there are no phases.
    """

    scalars: Mapping[str, float]
    histograms: Mapping[str, FloatArray]
    headline: Mapping[str, float]
    meanings: Mapping[str, str] = field(default_factory=dict)
    nonfinite: NonFiniteReport | None = None
    phase: str = ""


@dataclass(frozen=True)
class RollbackAdjustment:
    """Settings that a rollback to an earlier checkpoint changes.

    Attributes:
        lr_g: factor on G's learning rate.
        lr_d: factor on D's.
        sigma: standard deviation that is added to that of the instance noise.
    """

    lr_g: float = 1.0
    lr_d: float = 1.0
    sigma: float = 0.0


@runtime_checkable
class Algorithm(Stateful, Protocol):
    """A family of models and its training step: all that the training loop depends on."""

    def update(self, step: int) -> None:
        """Make update number ``step``, counted from 0. Never waits for the device."""
        ...

    def report(self) -> Report:
        """Compute metrics of the updates since the last report. Waits for the device."""
        ...

    def preview(self) -> Preview | Sentences:
        """Generate samples for visual inspection. Waits for the device."""
        ...

    def samples(self, count: int) -> FloatArray | IntArray:
        """Generate ``(count, *shape)`` samples for evaluation; changes no state. Waits for the device.

        Images and points on the scale of [-1, 1]; sequences as their tokens.
        """
        ...

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the latest update's tensors by name, in the order of computation, to find the first non-finite one."""
        ...

    def nonfinite(self) -> NonFiniteReport | None:
        """Return non-finite numbers that make the state unfit for a checkpoint, or None. Waits for the device."""
        ...

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Change the configured settings from now on, and after every resume."""
        ...

    @property
    def images_seen(self) -> int:
        """Real samples used for training so far."""
        ...

    def close(self) -> None:
        """Stop threads and close files."""
        ...


class StackedRuns(Protocol):
    """Runs that differ in their seed alone, trained as one: reports, previews and states are lists, one entry a run.

    Attributes:
        runs: the algorithm of each run.
    """

    @property
    def runs(self) -> Sequence[Algorithm]: ...

    @property
    def images_seen(self) -> int:
        """Real samples that each run was trained on so far."""
        ...

    def update(self, step: int) -> None:
        """Make update number ``step`` of every run, counted from 0."""
        ...

    def report(self) -> list[Report]:
        """Compute each run's metrics of the updates since its last report. Waits for the device."""
        ...

    def preview(self) -> list[Preview]:
        """Generate samples of each run for visual inspection. Waits for the device."""
        ...

    def states(self) -> list[dict[str, Any]]:
        """Return the state of each run, as if it were trained alone."""
        ...

    def close(self) -> None:
        """Stop threads and close files."""
        ...
