"""Finished runs of a station, as its picture reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from gan_cli.inference.discriminator import TrainedDiscriminator, load_discriminator
from gan_cli.inference.generator import load_generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.arrays import FloatArray
from gan_cli.report.curves import read_curves
from gan_cli.report.records import Curve
from gan_cli.report.run_search import find_runs
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint

# Of latents that no run draws its own pictures from.
LATENT_SEED = 1


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, read from its directory."""

    directory: RunDirectory

    @cached_property
    def overrides(self) -> Mapping[str, str]:
        """Override's key -> value, as on the command line."""
        pairs = (item.lstrip("+").partition("=") for item in self.directory.stored_overrides())
        return {key: value for key, _, value in pairs}

    @cached_property
    def config(self) -> Any:
        """The stored configuration of the run."""
        return self.directory.stored_config()

    @cached_property
    def _curves(self) -> Mapping[str, Curve]:
        return read_curves(self.directory.metrics)

    def curve(self, tag: str) -> Curve:
        """Return a logged scalar over the steps."""
        return self._curves[tag]

    def tail_mean(self, tag: str, share: float = 0.1) -> float:
        """Return the mean of a logged scalar over the last ``share`` of its logging steps."""
        values = self.curve(tag).values
        return float(values[-max(1, round(share * len(values))) :].mean())

    @property
    def alarms(self) -> list[dict[str, Any]]:
        """The alarms that were raised, as in ``summary.json``."""
        return list(self.directory.stored_summary().get("alarms", []))

    @cached_property
    def discriminator(self) -> TrainedDiscriminator:
        """The trained discriminator of the run."""
        return load_discriminator(RunCheckpoint(self.directory))

    def samples(self, count: int) -> FloatArray:
        """Return samples ``(count, *shape)`` of the raw generator, in the data's own coordinates."""
        trained = load_generator(RunCheckpoint(self.directory), GeneratorWeights.raw)
        return trained.dataset.coordinates(trained.draw(count, LATENT_SEED))

    def picture(self, prefix: str = "step", position: float = 1.0) -> Image.Image:
        """Return one of the pictures in ``samples/``.

        Args:
            prefix: of the files' names.
            position: 0 for the first of them, 1 for the last.
        """
        files = sorted(self.directory.samples.glob(f"{prefix}_*.png"))
        with Image.open(files[round(position * (len(files) - 1))]) as image:
            return Image.Image.convert(image, "RGB")


@dataclass(frozen=True)
class FinishedCommand:
    """All runs of a command: one, or those of a sweep."""

    folder: Path

    @cached_property
    def runs(self) -> tuple[FinishedRun, ...]:
        """The runs, in the order of their directories' names."""
        return tuple(FinishedRun(RunDirectory(path)) for path in find_runs([self.folder]).runs)

    @property
    def run(self) -> FinishedRun:
        """The only run of a command without a sweep."""
        (run,) = self.runs
        return run

    def where(self, **overrides: str) -> FinishedRun:
        """Return the run with these values of overrides; dots of keys are double underscores: ``train__steps="5"``."""
        wanted = {key.replace("__", "."): value for key, value in overrides.items()}
        (run,) = self._matching(wanted)
        return run

    def _matching(self, wanted: Mapping[str, str]) -> Iterator[FinishedRun]:
        for run in self.runs:
            if wanted.items() <= run.overrides.items():
                yield run
