"""What ``torchrun`` tells the processes that it starts. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping


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
