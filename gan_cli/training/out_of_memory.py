"""Advice where memory runs out while a run trains: the largest micro-batch that fits a probe, in one line."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Callable, Iterator

import torch
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.config.micro_batch import micro_batch_sizes
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError, OutOfMemoryError, as_user_error
from gan_cli.runtime import torchrun
from gan_cli.runtime.cuda_graphs import WARMUP_STEPS
from gan_cli.runtime.synchronization import synchronizer
from gan_cli.telemetry import run_log
from gan_cli.training import builder, planning

logger = logging.getLogger(__name__)


class TrainingOutOfMemoryError(OutOfMemoryError):
    """Updates, reports or pictures that need more memory than there is."""


@contextlib.contextmanager
def raising_out_of_memory() -> Iterator[None]:
    """Raise a failed allocation inside the block as :class:`TrainingOutOfMemoryError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        known = as_user_error(error)
        if isinstance(known, OutOfMemoryError):
            raise TrainingOutOfMemoryError(str(known)) from error
        raise


def advising_micro_batches(composition: Composition, train: Callable[[], int]) -> int:
    """Train and return the exit status; where memory runs out, look for a micro-batch that fits.

    Raises:
        OutOfMemoryError: memory ran out, with ``train.micro_batch=N`` of the largest that fitted.
    """
    try:
        return train()
    except TrainingOutOfMemoryError as error:
        reason = str(error)
    # The error is gone, and with it the frames that held the run.
    raise OutOfMemoryError(f"{reason}{_advice(composition.config)}")


def _advice(config: DictConfig) -> str:
    """Return what to do about a batch that does not fit, as the end of a message; empty where nothing is known."""
    if torchrun.is_distributed():
        return "; a train.micro_batch that divides a process's samples takes less"
    with run_log.console():
        logger.info("out of memory: looking for a micro-batch that fits")
    try:
        size = largest_fitting(config)
    except ConfigError:  # this run cannot have micro-batches
        return ""
    return "; smaller micro-batches do not fit either" if size is None else f"; train.micro_batch={size} would fit"


def largest_fitting(config: DictConfig) -> int | None:
    """Return the first of ever smaller micro-batches with which steps of a run fit into memory; None if none does.

    Each is at most half of the one before. Reads the data, trains a fresh copy of the networks, and writes nothing.

    Raises:
        ConfigError: the run cannot have micro-batches.
    """
    typed = validate_config(config)
    sizes = micro_batch_sizes(typed, torchrun.world_size())
    size = typed.train.micro_batch or sizes[-1]
    tried = False
    while smaller := [each for each in sizes if each <= size / 2]:
        size = smaller[-1]
        try:
            if _fits(config, size):
                return size
        except ConfigError:
            if not tried:
                raise
            return None  # too few samples for batch norm
        tried = True
    return None


def _fits(config: DictConfig, size: int) -> bool:
    """Return whether a run's first steps and a report fit into memory with micro-batches of this size."""
    _free()
    changed = config.copy()
    OmegaConf.update(changed, "train.micro_batch", size)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # of a run that is tried, not of the user's
    try:
        with raising_out_of_memory():
            _try_steps(changed)
    except OutOfMemoryError:
        return False
    finally:
        logging.disable(before)
    return True


def _try_steps(config: DictConfig) -> None:
    plan = planning.plan(config)
    with contextlib.closing(builder.assemble(plan)) as algorithm:
        # The optimizer's state is allocated in the first step, a captured graph's pool after the eager ones.
        for step in range(WARMUP_STEPS + 1 if plan.device.graph else 2):
            algorithm.update(step)
        algorithm.report()
        synchronizer(plan.device.torch_device)()


def _free() -> None:
    """Return memory of networks that are no longer referenced to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
