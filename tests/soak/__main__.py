"""``python -m tests.soak FAULT``: one fault in its long form, or ``all`` of them."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.soak import changed_data, clock, disk_full, kills, memory, shared_cache

FAULTS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "kills": lambda place, arguments: kills.soak(place, kills.mixture(arguments.times), arguments.seed),
    "disk_full": lambda place, arguments: disk_full.soak(place),
    "shared_cache": lambda place, arguments: shared_cache.soak(place, arguments.processes),
    "clock": lambda place, arguments: clock.soak(place),
    "changed_data": lambda place, arguments: changed_data.soak(place),
    "memory": lambda place, arguments: memory.soak(place, arguments.steps),
}


def main() -> int:
    """Exit status 0 when all is as promised, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("fault", choices=[*FAULTS, "all"])
    parser.add_argument("--times", type=int, default=30, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments")
    parser.add_argument("--processes", type=int, default=10, help="runs over one cache")
    parser.add_argument("--steps", type=int, default=10_000, help="over which memory is watched")
    arguments = parser.parse_args()
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it remarks on every resumed run
    failed = 0
    for name in FAULTS if arguments.fault == "all" else (arguments.fault,):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"soak_{name}_") as place:
            try:
                outcome = FAULTS[name](Path(place), arguments)
            except AssertionError as error:
                failed += 1
                outcome = f"FAILED: {error}"
            except disk_full.NotPermittedError as error:
                outcome = f"NOT RUN: {error}"
        print(f"{name}: {outcome}\n  ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
