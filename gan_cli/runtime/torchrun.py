"""Environment variables and key-value store that ``torchrun`` provides to its processes. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

# Key of the agent's store under which restarted processes find the name of their run directory.
RUN_DIRECTORY_KEY = "gan_cli/run_directory"


def is_distributed(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is one of several that train one run."""
    return int(environment.get("WORLD_SIZE", "1")) > 1


def is_nonzero_rank(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is one of several and not rank 0, which alone logs and writes files."""
    return is_distributed(environment) and environment.get("RANK", "0") != "0"


def local_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the rank of this process among those on its machine; None where torchrun has not started it."""
    rank = environment.get("LOCAL_RANK")
    return None if rank is None else int(rank)


def restart_count(environment: Mapping[str, str] = os.environ) -> int:
    """Return how often torchrun has restarted the processes of this run, as counted by this machine."""
    return int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))


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

    return TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
