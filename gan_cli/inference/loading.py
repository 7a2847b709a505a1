"""Common parts of loading trained networks from a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum

from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Dataset, Sequences, data_kinds
from gan_cli.storage.run_directory import RunDirectory

# A checkpoint with more classes or words is damaged; memory for them would be allocated before any other check.
MAX_CLASSES = 1_000_000


class GeneratorWeights(Enum):
    """Averaged or raw weights of a run's generator; the value is their key in a checkpoint."""

    average = "average"
    raw = "generator"


def run_dataset(directory: RunDirectory) -> Dataset:
    """Return the dataset of a run, not loaded; raise ``ConfigError`` if this is no run directory."""
    dataset: Dataset = Node.parse(validate_config(directory.stored_config()).dataset, "dataset", Dataset).build()
    return dataset


def learned_sequences(directory: RunDirectory) -> bool:
    """Return True if a run learned sequences; raise ``ConfigError`` if this is no run directory."""
    return Sequences in data_kinds(type(run_dataset(directory)))


@contextlib.contextmanager
def checkpoint_errors(directory: RunDirectory) -> Iterator[None]:
    """Turn errors from a checkpoint that does not fit the run's configuration into a ``ConfigError`` of one line."""
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        # torch lists every key and shape that differs, one a line, below a general first line.
        lines = [line.strip() for line in str(error).splitlines()]
        detail = lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__
        raise ConfigError(
            f"the checkpoint in {directory.checkpoints} does not fit the configuration of its run: {detail}"
        ) from error
