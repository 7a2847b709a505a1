"""Measure how quickly folders of images are decoded, by this version and by another one, in turn.

    python -m benchmarks.decoding photos_32x32 --size 32 --earlier ../before
    python -m benchmarks.decoding large --size 64 --earlier ../before --make-photos 40

Every measurement is a process of its own that decodes the whole folder into an empty data root: processor time of all
its threads and wall time, without imports. ``--earlier`` is a checkout of another version, whose processes take turns
with those of this one. ``--make-photos N`` first writes N JPEGs of 12 megapixels into the folder, if there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.formatting import Spread, heading, row
from benchmarks.recipes import ROOT

PHOTO = (3000, 4000)
QUALITY = 90
# Of 255: at 2, 4 and 8 a photo of 12 megapixels is a file of 1.6, 2.6 and 4.0 MB, whose codes are all read anyway.
GRAIN = 4.0
# Reads the folder, the size and the data root; the pixels, first of what is loaded, have had other names.
PROGRAM = """
import json, sys, time
import torch
from gan_cli.datasets.image_folder import ImageFolder
folder, size, root = sys.argv[1:]
torch.set_num_threads(1)
dataset = ImageFolder(path=folder, root=root, size=int(size), channels=3, strict=False, workers=2)
wall, processor = time.perf_counter(), time.process_time()
images = dataset.load()
print(json.dumps([time.process_time() - processor, time.perf_counter() - wall, len(next(iter(vars(images).values())))]))
"""


@dataclass(frozen=True)
class Decoding:
    """One measurement: seconds of processor and wall time, and how many images there were."""

    processor: float
    wall: float
    images: int


def main() -> None:
    """Measure, and print a row for each version and the ratio of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--earlier", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--make-photos", type=int, default=0, metavar="N")
    parser.add_argument("--grain", type=float, default=GRAIN, help="deviation of the noise in the photos that are made")
    arguments = parser.parse_args()
    if arguments.make_photos and not arguments.folder.exists():
        make_photos(arguments.folder, arguments.make_photos, grain=arguments.grain)
    checkouts = {"this version": ROOT} | ({"earlier": arguments.earlier} if arguments.earlier else {})
    measured: dict[str, list[Decoding]] = {name: [] for name in checkouts}
    for _ in range(arguments.runs):
        for name, checkout in checkouts.items():
            measured[name].append(decode(checkout, arguments.folder, arguments.size))
    print(heading(("version", "images", "processor, s", "wall, s")))
    for name, runs in measured.items():
        processor, wall = (Spread.of(getattr(run, key) for run in runs).text(2) for key in ("processor", "wall"))
        print(row((name, f"{runs[0].images:,}", processor, wall)))
    if arguments.earlier:
        pairs = zip(measured["earlier"], measured["this version"], strict=True)
        ratios = [earlier.processor / now.processor for earlier, now in pairs]
        print(f"\nprocessor time of the earlier version / of this one: {Spread.of(ratios).text(3)}")


def decode(checkout: Path, folder: Path, size: int) -> Decoding:
    """Decode a folder with the code of a checkout, in a process of its own."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-c", PROGRAM, str(folder.resolve()), str(size), root]
        environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return Decoding(*json.loads(done.stdout.splitlines()[-1]))


def make_photos(folder: Path, count: int, shape: tuple[int, int] = PHOTO, grain: float = GRAIN) -> None:
    """Write JPEGs with the gradients, the edges and the grain of photos."""
    folder.mkdir(parents=True)
    random, (height, width) = np.random.default_rng(0), shape
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    for number in range(count):
        slopes, waves, phases = random.normal(0, 60, (2, 3)), random.uniform(3, 40, 3), random.uniform(0, 6, 3)
        pixels = 128 + rows * slopes[0] + columns * slopes[1] + 40 * np.sin(waves * (rows + columns**2) + phases)
        pixels += 50 * (np.sin(waves * 4 * columns * rows) > 0.3)
        pixels += random.normal(0, grain, (height, width, 1))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
