"""``python -m tests.soak FAULT``: one fault in its long form, or ``all`` of them."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.soak import kills

Soak = Callable[[Path, argparse.Namespace], str]
FAULTS: dict[str, Soak] = {
    "kills": lambda place, told: kills.soak(place, kills.mixture(told.times), told.seed),
}


def main() -> int:
    """Exit status 0 when all is as promised, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("fault", choices=[*FAULTS, "all"])
    parser.add_argument("--times", type=int, default=30, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments")
    told = parser.parse_args()
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it remarks on every resumed run
    failed = 0
    for name in FAULTS if told.fault == "all" else (told.fault,):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"soak_{name}_") as place:
            try:
                said = FAULTS[name](Path(place), told)
            except AssertionError as error:
                failed += 1
                said = f"FAILED: {error}"
        print(f"{name}: {said}\n  ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
