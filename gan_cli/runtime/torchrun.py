"""Environment variables and key-value store that ``torchrun`` provides to its processes. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gan_cli.errors import ConfigError, truncated_repr

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

# Key of the agent's store under which restarted processes find the name of their run directory.
RUN_DIRECTORY_KEY = "gan_cli/run_directory"
MAX_PROCESSES = 2**20
MAX_RESTARTS = 2**20
STARTED_BY = "torchrun sets it; a run of one process goes without it"


def world_size(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of processes that train this run, 1 outside ``torchrun``; raises ``ConfigError``."""
    return _integer("WORLD_SIZE", environment.get("WORLD_SIZE", "1"), 1, MAX_PROCESSES)


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """Return the rank of this process, 0 outside ``torchrun``; raises ``ConfigError``."""
    return _integer("RANK", environment.get("RANK", "0"), 0, world_size(environment) - 1)


def is_distributed(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is one of several that train one run."""
    return world_size(environment) > 1


def is_nonzero_rank(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is one of several and not rank 0, which alone logs and writes files.

    False where the environment is wrong, so that the error can be reported.
    """
    try:
        return is_distributed(environment) and rank(environment) != 0
    except ConfigError:
        return False


def local_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the rank of this process among those on its machine; None where torchrun has not started it."""
    value = environment.get("LOCAL_RANK")
    return None if value is None else _integer("LOCAL_RANK", value, 0, MAX_PROCESSES)


def restart_count(environment: Mapping[str, str] = os.environ) -> int:
    """Return how often torchrun has restarted the processes of this run, as counted by this machine."""
    name = "TORCHELASTIC_RESTART_COUNT"
    return _integer(name, environment.get(name, "0"), 0, MAX_RESTARTS)


def is_single_node(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether all processes of the run are on this machine."""
    return environment.get("GROUP_WORLD_SIZE") == "1"


def store_run_directory(directory: Path) -> None:
    """Store where this run writes, for the processes that torchrun starts if these fail."""
    if store := agent_store():
        store.set(RUN_DIRECTORY_KEY, str(directory.resolve()))


def stored_run_directory() -> Path | None:
    """Look up where the run writes that this process was restarted for; None if it was not, or nothing is stored."""
    if not restart_count():
        return None
    store = agent_store()
    if store is None or not store.check([RUN_DIRECTORY_KEY]):
        return None
    return Path(store.get(RUN_DIRECTORY_KEY).decode())


def agent_store() -> TCPStore | None:
    """Connect to the store of torchrun's agent, which outlives the processes it starts; None if there is none."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    return TCPStore(*master_address(), is_master=False)


def require_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables that describe this process among several.

    Raises:
        ConfigError: one is missing, or no number in its range.
    """
    rank(environment)
    local_rank(environment)
    restart_count(environment)
    if is_distributed(environment):
        if "RANK" not in environment:
            raise ConfigError(f"RANK: not set, but WORLD_SIZE={world_size(environment)}: {STARTED_BY}")
        master_address(environment)


def master_address(environment: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Return the host and the port at which the processes meet; raises ``ConfigError``."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not environment.get(name):
            raise ConfigError(f"{name}: not set, but WORLD_SIZE={world_size(environment)}: {STARTED_BY}")
    return environment["MASTER_ADDR"], _integer("MASTER_PORT", environment["MASTER_PORT"], 1, 65535)


def _integer(name: str, value: str, low: int, high: int) -> int:
    """Return the value of an environment variable; raises ``ConfigError`` where it is no integer of the range."""
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    if number is None or not low <= number <= high:
        raise ConfigError(
            f"{name}: expected an integer from {low} to {high} in the environment, got {truncated_repr(value)}:"
            f" {STARTED_BY}"
        )
    return number
