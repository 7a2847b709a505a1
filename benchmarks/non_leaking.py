"""Show which probabilities of augmentation leak into G's samples, on arrows that all point up.

    python -m benchmarks.non_leaking FOLDER
    python -m benchmarks.non_leaking FOLDER --probabilities 0.5 1 --seeds 3 --picture arrows.png

D sees images that are turned by a random number of quarters with probability p (``augment=ada``, nothing else of it).
Below 1, the arrows as they are remain the most frequent ones, and the one distribution of G that D cannot tell from
the data is the data's own; at 1, all four directions are alike to D (Karras et al. 2020, section 2.2). FOLDER gets the
arrows and the runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.formatting import heading
from gan_cli.components.ada.pipeline import Ada
from gan_cli.inference.generator import load_generator
from gan_cli.protocols.arrays import DoubleArray, FloatArray
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from gan_cli.telemetry.images import grid

SIDE, IMAGES, SAMPLES = 8, 256, 256
STEPS = 600
PROBABILITIES = (0.5, 0.8, 1.0)
DIRECTIONS = ("up", "left", "down", "right")
# Samples in a row of the picture.
SHOWN = 16


def arrow() -> FloatArray:
    """Return an arrow that points up, ``(SIDE, SIDE)`` in [0, 1]."""
    pixels = np.zeros((SIDE, SIDE), np.float32)
    pixels[1:7, 3:5] = 1
    pixels[2, 2:6] = 1
    pixels[3, 1:7] = 1
    return pixels


def draw_arrows(folder: Path) -> None:
    """Write images of the arrow, each of another brightness and with noise of its own."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = arrow() * random.uniform(0.5, 1) + random.normal(0, 0.05, (SIDE, SIDE))
        Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(folder / f"{number:03}.png")


def overrides(arrows: Path, probability: float, seed: int) -> list[str]:
    """Return the settings of a run whose probability stays as it is."""
    off = [name for name in (*Ada.BLIT, *Ada.GEOMETRY, *Ada.COLOUR) if name != "quarter_turns"]
    return [
        *("dataset=image_folder", f"dataset.path={arrows}", f"dataset.size={SIDE}", "dataset.channels=1"),
        *("augment=ada", f"augment.probability={probability}", "augment.images=1_000_000_000"),
        *(f"augment.{name}=false" for name in off),
        *("architecture=mlp", "architecture.generator_hidden=[64]", "architecture.discriminator_hidden=[64]"),
        *(f"train.steps={STEPS}", "train.batch_size=32", "train.held_out=0", "train.sample_every=0", f"seed={seed}"),
    ]


def direction_shares(samples: FloatArray) -> DoubleArray:
    """Return the shares ``(4,)`` of samples ``(N, 1, SIDE, SIDE)`` by the direction of the arrow they are most like."""
    turned = np.stack([np.rot90(arrow(), quarters) for quarters in range(len(DIRECTIONS))])
    centred = turned - turned.mean()
    nearest = np.einsum("nij,kij->nk", samples[:, 0], centred).argmax(1)
    return np.bincount(nearest, minlength=len(DIRECTIONS)) / len(samples)


def draw(run: Path) -> FloatArray:
    """Draw samples of a run's generator, ``(SAMPLES, 1, SIDE, SIDE)``."""
    return load_generator(RunCheckpoint(RunDirectory(run))).draw(SAMPLES, seed=0)


def main() -> None:
    """Train the runs that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--probabilities", type=float, nargs="+", default=PROBABILITIES)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--picture", type=Path, help="samples of each run, a row each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.folder / "arrows").is_dir():
        draw_arrows(arguments.folder / "arrows")
    print(heading(("p", "seed", *DIRECTIONS)))
    rows = [
        _measure(arguments.folder, probability, seed)
        for probability in arguments.probabilities
        for seed in range(arguments.seeds)
    ]
    if arguments.picture is not None:
        grid(np.concatenate(rows), SHOWN).save(arguments.picture)


def _measure(folder: Path, probability: float, seed: int) -> FloatArray:
    """Train and print a row of the table; returns samples for a row of the picture."""
    run = folder / f"p_{probability:g}_seed_{seed}"
    if not (run / "summary.json").exists():
        _train([*overrides(folder / "arrows", probability, seed), f"hydra.run.dir={run}"])
    samples = draw(run)
    shares = " | ".join(f"{share:.1%}" for share in direction_shares(samples))
    print(f"| {probability:g} | {seed} | {shares} |", flush=True)
    return samples[:SHOWN]


def _train(settings: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "gan_cli", *settings], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
