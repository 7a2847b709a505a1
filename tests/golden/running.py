"""Recipes run by any checkout of this project, as a user would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.golden.recipes import RECIPES, Recipe
from tests.golden.recording import Recording, record

TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def run_recipe(recipe: Recipe, checkout: Path, folder: Path) -> Recording:
    """Run a recipe with the code of a checkout, in a process of its own, and record what is below ``folder`` then.

    Raises:
        RuntimeError: the command failed; with what it said.
    """
    launcher = () if recipe.processes == 1 else (*TORCHRUN, f"--nproc-per-node={recipe.processes}")
    command = [sys.executable, *launcher, "-m", "gan_cli", *recipe.command, f"hydra.run.dir={folder}/run"]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(recipe.command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return record(folder)


def run_all(checkout: Path, folder: Path, names: list[str]) -> dict[str, Recording]:
    """Run recipes by name, as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        recordings = pool.map(lambda name: run_recipe(RECIPES[name], checkout, folder / name), names)
        return dict(zip(names, recordings, strict=True))
