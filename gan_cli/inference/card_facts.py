"""Facts about a run that its model card states: what it learned and how, its metrics, alarms and last samples."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_cli.errors import printable
from gan_cli.protocols.data import Dataset
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint
from gan_cli.storage.deep_png import read_deep_png
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.sample_pictures import read_sample_picture

logger = logging.getLogger(__name__)

PICTURE_NAME = re.compile(r"step_(\d{8,})\.png")
# Pictures of a run that are tried, and the longest side of that on the card.
MAX_TRIES = 8
MAX_SIDE = 768


@dataclass(frozen=True)
class CardPicture:
    """Samples of a run at one of its steps.

    Attributes:
        png: content of the file.
        step: at which they were drawn.
    """

    png: bytes
    step: int


@dataclass(frozen=True)
class CardFacts:
    """Facts about a run for its model card.

    Attributes:
        dataset: name of what it learned: that of a folder, of a dataset on the hub, or of an option.
        options: config group -> the option chosen from it; may be empty.
        config: the stored configuration.
        summary: ``summary.json``; empty where the run has none (it still runs, or was killed), or a damaged one.
        evaluation: ``evaluation.json``; empty where it was not measured, or the file is damaged.
        picture: its samples of the exported step, or those of the nearest one, or None.
        checkpoint: which of the run's checkpoints is exported.
        repository: ``OWNER/NAME`` on the Hub that the card is for, or None.
    """

    dataset: str
    options: Mapping[str, str]
    config: DictConfig
    summary: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    picture: CardPicture | None
    checkpoint: CheckpointChoice = NamedCheckpoint.last
    repository: str | None = None

    @classmethod
    def from_run(
        cls,
        directory: RunDirectory,
        dataset: Dataset,
        step: int,
        checkpoint: CheckpointChoice = NamedCheckpoint.last,
        repository: str | None = None,
    ) -> CardFacts:
        """Read the facts from a run directory, which has to have a configuration alone; logs what is damaged.

        Args:
            directory: of the run.
            dataset: that it learned.
            step: of the exported checkpoint.
            checkpoint: which one that is.
            repository: that the card is for, or None.
        """
        for damage in directory.damage():
            logger.warning("%s; the card does without it", damage)
        options = directory.stored_options()
        return cls(
            dataset=_dataset_name(dataset, options),
            options=options,
            config=directory.stored_config(),
            summary=directory.stored_summary(),
            evaluation=directory.stored_evaluation(),
            picture=_picture(directory.samples, step),
            checkpoint=checkpoint,
            repository=repository,
        )

    def setting(self, key: str) -> Any:
        """Return a value of the configuration by its dotted key, or None; interpolations stay as they are."""
        return OmegaConf.select(self.config, key)

    @property
    def checkpoint_name(self) -> str:
        """The checkpoint as ``--checkpoint`` takes it."""
        return self.checkpoint.value if isinstance(self.checkpoint, NamedCheckpoint) else str(self.checkpoint)

    @property
    def alarms(self) -> Sequence[Mapping[str, Any]]:
        """Alarms that the run raised, in the order of ``summary.json``."""
        alarms = self.summary.get("alarms")
        return [alarm for alarm in alarms if isinstance(alarm, dict)] if isinstance(alarms, list) else []


def _dataset_name(dataset: Dataset, options: Mapping[str, str]) -> str:
    """Return the name of a folder or of a dataset on the hub where there is one, else that of the option."""
    path, name = getattr(dataset, "path", None), getattr(dataset, "name", None)
    if isinstance(path, str):
        return printable(Path(path).expanduser().resolve().name)
    if isinstance(name, str):
        return printable(Path(name).name if Path(name).is_absolute() else name)
    return options.get("dataset") or type(dataset).__name__


def _picture(folder: Path, wanted: int) -> CardPicture | None:
    """Return the sample grid of the step nearest to the wanted one that can be read; None where there is none.

    Logs that a nearer one is damaged.
    """
    named = ((PICTURE_NAME.fullmatch(path.name), path) for path in folder.glob("step_*.png"))
    found = ((int(match[1]), path) for match, path in named if match)
    steps = sorted(found, key=lambda each: (abs(each[0] - wanted), each[1]))
    for step, path in steps[:MAX_TRIES]:
        try:
            picture = read_sample_picture(path)
        except OSError:
            continue
        if path != steps[0][1]:
            logger.warning("%s cannot be read; the card shows the samples of step %d", steps[0][1], step)
        deep = read_deep_png(path, MAX_SIDE)
        if deep is not None:
            return CardPicture(deep.png(), step)
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True)
        return CardPicture(file.getvalue(), step)
    if steps:
        logger.warning("%s cannot be read; the card shows no samples", steps[0][1])
    return None
