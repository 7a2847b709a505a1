"""Sizes of micro-batches: which ones divide a batch. Imports no torch."""

from __future__ import annotations

from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError


def count_micro_batches(config: Config, processes: int) -> int:
    """Return the number of parts that each process divides its share of a batch into; 1 where it is not divided.

    Raises:
        ConfigError: ``train.micro_batch`` does not divide that share, or divides packs.
    """
    size, share = config.train.micro_batch, config.train.batch_size // processes
    if size is None:
        return 1
    possible = micro_batch_sizes(config, processes)
    if size not in possible:
        below = max((each for each in possible if each < size), default=None)
        above = min((each for each in possible if each > size), default=None)
        nearest = " or ".join(str(each) for each in (below, above) if each is not None)
        of_pac = f", and a multiple of pac={config.pac}" if config.pac > 1 else ""
        on_each = f", the samples on each of {processes} processes" if processes > 1 else ", train.batch_size"
        raise ConfigError(
            f"train.micro_batch: expected a divisor of {share}{on_each}{of_pac}, such as {nearest}, got {size}"
        )
    return share // size


def micro_batch_sizes(config: Config, processes: int) -> list[int]:
    """Return the sizes of micro-batches that divide the share of a batch on each process, ascending."""
    share = config.train.batch_size // processes
    return [size for size in range(config.pac, share + 1, config.pac) if share % size == 0]
