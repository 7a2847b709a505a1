"""gan-sample: the same seed, the same samples; the right sizes and coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import SHORT, TINY, Command, FinishedRun


@pytest.fixture
def images(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *SHORT, *TINY)


def test_grid_is_the_default(images: Path, gan_sample: Command) -> None:
    done = gan_sample(images)
    assert done.status == 0, done.err
    assert done.out == "grid.png\n"
    with Image.open("grid.png") as grid:
        assert grid.mode == "L"


def test_separate_images_keep_their_size(images: Path, gan_sample: Command) -> None:
    assert gan_sample(images, "--separate", "out", "--n", 5).status == 0
    files = sorted(Path("out").iterdir())
    assert [file.name for file in files] == [f"seed0000_{index:05d}.png" for index in range(5)]
    for file in files:
        with Image.open(file) as image:
            assert (image.size, image.mode) == ((8, 8), "L")
    assert not Path("grid.png").exists()


def test_seed_decides(images: Path, gan_sample: Command) -> None:
    for name, seed, count in (("a", 1, 20), ("b", 1, 300), ("c", 2, 20)):
        assert gan_sample(images, "--out", f"{name}.npy", "--seed", seed, "--n", count).status == 0
    first, more, other = (np.load(f"{name}.npy") for name in "abc")
    assert first.shape == (20, 1, 8, 8)
    assert first.dtype == np.float32
    assert np.array_equal(first, more[:20])
    assert not np.allclose(first, other)
    assert np.abs(first).max() <= 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_networks_compute_on_the_device_that_is_asked_for(images: Path, gan_sample: Command) -> None:
    for device in ("auto", "cpu"):
        done = gan_sample(images, "--out", f"{device}.npy", "--device", device)
        assert done.status == 0, done.err
        assert done.err.splitlines()[-1].endswith(", on cpu")
    assert np.array_equal(np.load("auto.npy"), np.load("cpu.npy"))
    done = gan_sample(images, "--device", "cuda")
    assert done.status == 2
    assert "torch sees no CUDA device here" in done.err


def test_separate_and_array_agree(images: Path, gan_sample: Command) -> None:
    assert gan_sample(images, "--out", "a.npy", "--separate", "out", "--n", 3).status == 0
    for index, sample in enumerate(np.load("a.npy")):
        with Image.open(f"out/seed0000_{index:05d}.png") as image:
            assert np.abs(np.asarray(image) - (sample[0] + 1) * 127.5).max() <= 0.5001


def test_walk_is_an_animation(images: Path, gan_sample: Command) -> None:
    assert gan_sample(images, "--walk", "walk.webp").status == 0
    with Image.open("walk.webp") as walk:
        assert walk.n_frames == 96


def test_samples_come_from_the_moving_average(gan_train: Command, gan_sample: Command) -> None:
    for half_life in (0, 1e6):
        done = gan_train(
            *SHORT,
            *TINY,
            "train.steps=20",
            "optimizer.lr=0.1",
            f"ema.half_life={half_life}",
            f"hydra.run.dir={half_life}",
        )
        assert done.status == 0
        assert gan_sample(half_life, "--out", f"{half_life}.npy").status == 0
    assert not np.allclose(np.load("0.npy"), np.load("1000000.0.npy"))


def test_points_are_in_the_coordinates_of_the_data(gan_train: Command, gan_sample: Command) -> None:
    """A generator of large weights covers the ring in its own radius, not in that of the scaled ring."""
    radius = 7.0
    done = gan_train(
        "dataset=ring8", f"dataset.radius={radius}", "train.steps=300", "optimizer.lr=1e-3", "hydra.run.dir=run"
    )
    assert done.status == 0
    assert gan_sample("run", "--out", "points.npy", "--n", 500).status == 0
    points = np.load("points.npy")
    assert points.shape == (500, 2)
    assert np.median(np.linalg.norm(points, axis=1)) > radius / 3


def test_points_are_drawn_as_a_scatter_and_not_one_by_one(gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*SHORT, "dataset=ring8", "hydra.run.dir=run").status == 0
    assert gan_sample("run").status == 0
    assert gan_sample("run", "--out", "points.jpg").status == 0  # a format without palettes
    for flag in ("--separate", "--walk"):
        done = gan_sample("run", flag, "x.webp")
        assert done.status == 2
        assert "points" in done.err
