"""Compare fine-tuning with training from scratch: 500 images of one digit of MNIST, after the nine other digits.

    python -m benchmarks.fine_tuning FOLDER
    python -m benchmarks.fine_tuning FOLDER --digit 5 --images 500 --seeds 3 --steps 1000 --pretraining 4000

For each seed a GAN learns all images of the other digits; then four runs learn the images of the digit: one from
scratch, one from the weights of the first (``init``), and two of these with the first one or two blocks of D fixed
(``freeze.d``). All have the same settings and the same number of steps. Samples of each checkpoint are compared with
the images of the digit that no run has seen, in the features of the classifier of MNIST that gan-eval uses. FOLDER gets
the images and the runs; what is there already is not made again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.formatting import heading
from benchmarks.machine import cpu_model
from gan_cli.data.cache import Store
from gan_cli.datasets.base import data_root
from gan_cli.datasets.mnist import Mnist
from gan_cli.evaluation.backbones.classifier import ClassifierBackbone, load_or_train_classifier
from gan_cli.evaluation.real_data import find_test_split
from gan_cli.inference.generator import load_generator
from gan_cli.metrics.frechet import GaussianMoments, frechet_distance, gaussian_moments
from gan_cli.protocols.arrays import ByteArray
from gan_cli.protocols.data import Images
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint

SAMPLES = 2000
SETTINGS = (
    "dataset=arrays",
    "architecture=mlp",
    "architecture.generator_hidden=[128,256,512]",
    "architecture.discriminator_hidden=[256,128]",
    "augment=none",
    "train.batch_size=64",
    "train.held_out=0",
    "train.sample_every=0",
    "device.threads=1",
)
# Variants by name, with their settings.
VARIANTS: Mapping[str, Sequence[str]] = {
    "from scratch": (),
    "init": ("init={pretrained}",),
    "init, freeze.d=1": ("init={pretrained}", "freeze.d=1"),
    "init, freeze.d=2": ("init={pretrained}", "freeze.d=2"),
}


def mnist() -> Mnist:
    """Return MNIST below the data root, where it has to lie already."""
    return Mnist(str(data_root(None)), ())


def write_images(folder: Path, digit: int, count: int) -> None:
    """Write ``others.npy``, ``digit.npy`` with ``count`` images, and ``unseen.npy`` with the rest of the digit."""
    folder.mkdir(parents=True, exist_ok=True)
    data = mnist().load()
    assert data.labels is not None
    images, is_digit = np.asarray(data.array)[:, 0], data.labels == digit
    order = np.random.default_rng(0).permutation(int(is_digit.sum()))
    chosen = images[is_digit][order]
    for name, part in {"others": images[~is_digit], "digit": chosen[:count], "unseen": chosen[count:]}.items():
        np.save(folder / f"{name}.npy", part)


def load_classifier() -> ClassifierBackbone:
    """Return the classifier of MNIST that gan-eval uses, trained now where there is none yet."""
    dataset = mnist()
    part = find_test_split(dataset)
    assert part is not None
    test = part.load()
    assert isinstance(test, Images)
    return load_or_train_classifier("mnist", dataset.load(), test, Store(data_root(None)))


def moments_of_images(classifier: ClassifierBackbone, images: ByteArray) -> GaussianMoments:
    """Return the moments of the features of images ``(N, H, W)``."""
    samples = images[:, None].astype(np.float32) / 127.5 - 1
    return gaussian_moments(classifier.extract(samples).features)


def distances(run: Path, steps: Sequence[int], classifier: ClassifierBackbone, real: GaussianMoments) -> list[float]:
    """Return frechet/classifier of the samples of a run's checkpoints."""
    found = []
    for step in steps:
        drawn = load_generator(RunCheckpoint(RunDirectory(run), step)).draw(SAMPLES, seed=0)
        found.append(frechet_distance(gaussian_moments(classifier.extract(drawn).features), real))
    return found


def train(run: Path, *settings: str) -> None:
    """Train a run unless it has been completed before."""
    if not (run / "summary.json").exists():
        command = [sys.executable, "-m", "gan_cli", *SETTINGS, f"hydra.run.dir={run}", *settings]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    """Train the runs that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--digit", type=int, default=5)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pretraining", type=int, default=4000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder, started = arguments.folder, time.perf_counter()
    if not (folder / "unseen.npy").exists():
        write_images(folder, arguments.digit, arguments.images)
    every = max(1, arguments.steps // 4)
    steps = range(every, arguments.steps + 1, every)
    classifier = load_classifier()
    real, seen = (moments_of_images(classifier, np.load(folder / f"{name}.npy")) for name in ("unseen", "digit"))
    print(f"{cpu_model()}; the {arguments.images} images themselves: {frechet_distance(seen, real):.2f}\n")
    print(heading(("variant", "seed", *(f"step {step}" for step in steps))), flush=True)
    cadence = (f"train.checkpoint_every={every}", "train.keep_checkpoints=4", f"train.steps={arguments.steps}")
    for seed in range(arguments.seeds):
        pretrained = folder / f"pretrained_seed_{seed}"
        source = (f"dataset.path={folder / 'others.npy'}", f"train.steps={arguments.pretraining}")
        train(pretrained, *source, f"seed={seed}")
        for name, settings in VARIANTS.items():
            run = folder / f"{name.replace(', ', '_').replace(' ', '_')}_seed_{seed}"
            filled = [setting.format(pretrained=pretrained) for setting in settings]
            train(run, f"dataset.path={folder / 'digit.npy'}", *cadence, f"seed={seed}", *filled)
            row = " | ".join(f"{value:.2f}" for value in distances(run, steps, classifier, real))
            print(f"| {name} | {seed} | {row} |", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
