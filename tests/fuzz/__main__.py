"""The long form: ``python -m tests.fuzz --examples 2000 --seed 1``."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.running import feed
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="inputs in all, divided among the targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS, action="append", help="these targets alone")
    arguments = parser.parse_args()
    names = arguments.only or list(TARGETS)
    logging.disable(logging.CRITICAL)
    total, failed = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for place, name in enumerate(names):
            try:
                count = feed(name, -(-arguments.examples // len(names)), Path(folder) / str(place), arguments.seed)
            except BaseException:
                traceback.print_exc()
                failed += 1
                continue
            total += count
            print(f"{name}: {count}", flush=True)
    print(f"inputs: {total}, tracebacks: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
