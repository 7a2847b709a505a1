"""Measure modes, quality, evenness and spread of recipes on mixtures of Gaussians, over seeds: a table in Markdown.

    python benchmarks/mixtures.py ring8_best grid25_best --seeds 10 --jobs 2

Each run is a process of its own on one CPU thread. Modes and quality are measured on 2,500 samples, the protocol of
PacGAN; shares and spread on 50,000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import formatting
from benchmarks.recipes import CONFIG_DIR_FLAGS
from gan_cli.inference import generator
from gan_cli.metrics.modes import Modes, modes
from gan_cli.runtime import rng
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint

PROTOCOL_SAMPLES, SPREAD_SAMPLES = 2_500, 50_000
COLUMNS = ("seed", "modes", "HQ, 2,500", "HQ, 50,000", "shares x M", "spread", "spread of modes", "seconds")


@dataclass(frozen=True)
class Measurement:
    """Measurements of one run.

    Attributes:
        protocol_modes: on the protocol's number of samples.
        spread_modes: on enough samples for shares and spreads.
        total: modes of the mixture.
        seconds: of training.
    """

    protocol_modes: Modes
    spread_modes: Modes
    total: int
    seconds: float


def train(recipe: str, seed: int, folder: Path, overrides: list[str]) -> Path:
    """Train on one thread, unless the folder holds that run already; returns its directory."""
    run = folder / recipe / str(seed)
    if not (run / "summary.json").exists():
        command = [sys.executable, "-m", "gan_cli", *CONFIG_DIR_FLAGS, f"experiment={recipe}", f"seed={seed}"]
        command += ["device=cpu", "device.threads=1", f"hydra.run.dir={run}", *overrides]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run


def measure(run: Path) -> Measurement:
    """Sample the run's generator, and compare the samples with the mixture it learned."""
    trained = generator.load_generator(RunCheckpoint(RunDirectory(run)))
    mixture = trained.dataset
    centres = mixture.centres().numpy()
    # Seed 1: not the latents of the run's own previews.
    points = mixture.coordinates(trained.samples(rng.fixed_latents(1, SPREAD_SAMPLES, trained.latent_dim)))
    counts = (PROTOCOL_SAMPLES, SPREAD_SAMPLES)
    protocol_modes, spread_modes = (modes(points[:count], centres, mixture.std) for count in counts)
    seconds = json.loads((run / "summary.json").read_text())["seconds"]
    return Measurement(protocol_modes, spread_modes, len(centres), seconds)


def row(seed: object, found: Measurement) -> str:
    """Format the line of one run in Markdown."""
    few, many = found.protocol_modes, found.spread_modes
    cells = [
        seed,
        f"{few.captured}/{found.total}",
        f"{few.high_quality:.2%}",
        f"{many.high_quality:.2%}",
        f"{many.shares.min():.2f} to {many.shares.max():.2f}",
        f"{many.spread:.3f}",
        f"{np.nanmin(many.spreads):.2f} to {np.nanmax(many.spreads):.2f}",
        f"{found.seconds:.0f}",
    ]
    return formatting.row(cells)


def main() -> None:
    """Run the command: train, measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", help="options of experiment= on ring8 or grid25")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, one thread each")
    parser.add_argument("--folder", type=Path, default=Path("outputs/mixtures"))
    parser.add_argument("--override", action="append", default=[], help="for every run: --override train.steps=100")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for recipe in arguments.recipes:
        print(f"\n{recipe} (torch {torch.__version__}, one CPU thread a run, {arguments.jobs} at a time)\n")
        print(formatting.heading(COLUMNS), flush=True)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            runs = pool.map(
                lambda seed, recipe=recipe: train(recipe, seed, arguments.folder, arguments.override),
                range(arguments.seeds),
            )
            found = []
            for seed, run in enumerate(runs):
                found.append(measure(run))
                print(row(seed, found[-1]), flush=True)
        quality = np.array([each.protocol_modes.high_quality for each in found])
        print(
            f"\nmodes {min(each.protocol_modes.captured for each in found)}"
            f" to {max(each.protocol_modes.captured for each in found)},"
            f" HQ {quality.mean():.2%} +- {quality.std():.2%}"
        )


if __name__ == "__main__":
    main()
