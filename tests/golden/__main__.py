"""Record the recipes at another commit and compare with the present tree, bit by bit: ``make golden REV=<commit>``.

Without ``--rev`` the recordings of this folder are written anew; their numbers belong to the machine that wrote them.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.golden.recipes import RECIPES
from tests.golden.recording import differences, store
from tests.golden.running import run_all
from tests.helpers.paths import ROOT

# Differences that are shown of one recipe.
SHOWN = 5


def main() -> int:
    """Entry point; 1 where anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--rev", help="commit to compare with; without it, the recordings are written anew")
    parser.add_argument("--only", nargs="*", choices=RECIPES, default=list(RECIPES), help="recipes to run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        present = run_all(ROOT, Path(scratch) / "present", arguments.only)
        if arguments.rev is None:
            for name, recording in present.items():
                store(name, recording)
            return 0
        with _worktree(arguments.rev, Path(scratch) / "checkout") as checkout:
            earlier = run_all(checkout, Path(scratch) / "earlier", arguments.only)
    failed = 0
    for name in arguments.only:
        found = differences(earlier[name], present[name])
        counts = f"{len(present[name].numbers)} numbers, {len(present[name].state)} tensors and values"
        print(f"{name:<24}{counts}: {f'{len(found)} differ' if found else 'bitwise equal'}")
        for line in found[:SHOWN]:
            print(f"    {line}")
        failed += bool(found)
    print(f"{len(arguments.only) - failed} of {len(arguments.only)} recipes bitwise equal to {arguments.rev}")
    return 1 if failed else 0


@contextlib.contextmanager
def _worktree(revision: str, folder: Path) -> Iterator[Path]:
    """A checkout of a commit beside this one, which is gone again at the end."""
    subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", folder, revision], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", folder], check=True)


if __name__ == "__main__":
    sys.exit(main())
