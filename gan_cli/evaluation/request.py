"""Options of gan-eval as plain values, and the runs that were measured with them already. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_cli import __version__
from gan_cli.config.schema import BackboneKind
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint
from gan_cli.storage.json_files import mapping
from gan_cli.storage.run_directory import RunDirectory


@dataclass(frozen=True)
class EvaluationRequest:
    """Options of an evaluation as they were asked for.

    Attributes:
        backbones: features that samples are compared by.
        count: number of samples; None: the default for the data.
        seed: of latents, of labels and of subsets.
        ema: whether the generator is its moving average.
        samples: file of samples to measure in place of the generator's, or None.
        value_range: values of black and of white in that file; None: told from the values.
        weights: file of Inception's weights; None: the published ones.
        neighbours: file of the picture of nearest neighbours; None: that in the run directory.
        likelihood: number of samples whose likelihood is bounded; None: the default.
        allow_changed_data: whether the data may be others than the run was trained on.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        checkpoint: which checkpoint of a run is measured.
    """

    backbones: tuple[BackboneKind, ...] = (BackboneKind.auto,)
    count: int | None = None
    seed: int = 0
    ema: bool = True
    samples: Path | None = None
    value_range: tuple[float, float] | None = None
    weights: Path | None = None
    neighbours: Path | None = None
    likelihood: int | None = None
    allow_changed_data: bool = False
    device: str = "auto"
    checkpoint: CheckpointChoice = NamedCheckpoint.last

    @property
    def options(self) -> dict[str, Any]:
        """Options that the metrics depend on, as ``evaluation.json`` keeps them."""
        return {
            "backbones": [kind.name for kind in self.backbones],
            "n": self.count,
            "seed": self.seed,
            "ema": self.ema,
            "weights": None if self.weights is None else str(self.weights),
            "likelihood": self.likelihood,
            **self._checkpoint_option,
        }

    @property
    def _checkpoint_option(self) -> dict[str, str | int]:
        """The checkpoint as an option, where it is not the latest one, which earlier versions measured."""
        if self.checkpoint is NamedCheckpoint.last:
            return {}
        chosen = self.checkpoint
        return {"checkpoint": chosen.value if isinstance(chosen, NamedCheckpoint) else chosen}

    def stored_evaluation(self, directory: RunDirectory) -> dict[str, Any] | None:
        """Return the evaluation of a run's checkpoint by this version with these options; None without one."""
        stored = directory.stored_evaluation()
        if not self.has_made(stored) or stored["generator"].get("step") != self._step(directory):
            return None
        return stored

    def has_made(self, stored: Mapping[str, Any]) -> bool:
        """Return whether an evaluation that was read from a file is one by this version with these options."""
        generator, versions = (stored.get(key) for key in ("generator", "versions"))
        if not isinstance(generator, dict) or not isinstance(versions, dict) or stored.get("options") != self.options:
            return False
        return versions.get("gan_cli") == __version__ and _is_whole(stored)

    def _step(self, directory: RunDirectory) -> int | None:
        """Return the step of the chosen checkpoint of a run, as far as it is known without reading it."""
        if isinstance(self.checkpoint, int):
            return self.checkpoint
        if self.checkpoint is NamedCheckpoint.last:
            return directory.latest_step
        best = mapping(directory.stored_summary().get("best_checkpoint"))
        return best["step"] if isinstance(best.get("step"), int) else None


def _is_whole(stored: Mapping[str, Any]) -> bool:
    """Return whether a stored evaluation has all that a table of runs shows, of the right kinds."""
    figures, samples = stored.get("figures"), stored.get("samples")
    if not isinstance(figures, dict) or not isinstance(samples, dict):
        return False
    names = all(name.isprintable() and isinstance(figure, dict) for name, figure in figures.items())
    return names and isinstance(samples.get("generated"), int) and isinstance(stored.get("seed"), int)
