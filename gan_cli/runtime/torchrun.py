"""What ``torchrun`` tells the processes that it starts. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

# Key of the agent's store under which restarted processes find the name of their run directory.
RUN_DIRECTORY_KEY = "gan_cli/run_directory"


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several that train one run."""
    return int(environment.get("WORLD_SIZE", "1")) > 1


def follows(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several and not the first, which speaks and writes for all of them."""
    return launched(environment) and environment.get("RANK", "0") != "0"


def place_on_node(environment: Mapping[str, str] = os.environ) -> int | None:
    """The number of this process among those on its machine; None: torchrun has not started it."""
    place = environment.get("LOCAL_RANK")
    return None if place is None else int(place)


def restarts(environment: Mapping[str, str] = os.environ) -> int:
    """How many sets of processes of this very run have failed before, as this machine counts them."""
    return int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))


def on_one_machine(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether all processes of the run are on this machine."""
    return environment.get("GROUP_WORLD_SIZE") == "1"


def remember_run_directory(directory: Path) -> None:
    """Store where this run writes, for the processes that torchrun starts if these fail."""
    if store := agent_store():
        store.set(RUN_DIRECTORY_KEY, str(directory.resolve()))


def remembered_run_directory() -> Path | None:
    """Look up where the run writes that this process was restarted for; None if it was not, or nothing is stored."""
    if not restarts():
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
