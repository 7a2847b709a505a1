"""gan-eval: what scores mean, and that they do not depend on what they should not depend on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.splits import split_rows
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.mnist import Mnist, MnistSplit
from tests.conftest import SHORT, TINY, Command
from tests.helpers.evaluations import FEW, figures, floors
from tests.helpers.metrics import declared_tags
from tests.helpers.real_data import linked


def test_equal_seeds_give_bitwise_equal_evaluations(digits: Path, gan_eval: Command) -> None:
    first = gan_eval(digits, *FEW, "--json")
    again = gan_eval(digits, *FEW, "--json")
    other = gan_eval(digits, *FEW, "--json", "--seed", 1)
    assert first.out == again.out
    assert figures(first.out) != figures(other.out)
    same, changed = json.loads(first.out)["backbones"], json.loads(other.out)["backbones"]
    assert same == changed  # the real side knows no seed
    kernel = ("kernel/pixels", "kernel_deviation/pixels", "kernel/classifier", "kernel_deviation/classifier")
    ours, theirs = floors(first.out), floors(other.out)
    assert {name: ours[name] for name in ours if name not in kernel} == {
        name: theirs[name] for name in theirs if name not in kernel
    }


def test_raw_weights_are_others_than_averaged_ones(digits: Path, gan_eval: Command) -> None:
    averaged = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    raw = gan_eval(digits, *FEW, "--json", "--backbone", "pixels", "--no-ema")
    assert raw.status == 0, raw.err
    assert json.loads(raw.out)["generator"]["ema"] is False
    assert figures(raw.out)["frechet/pixels"] != figures(averaged.out)["frechet/pixels"]


def test_copied_run_directory_can_be_evaluated_elsewhere(digits: Path, gan_eval: Command) -> None:
    here = figures(gan_eval(digits, *FEW, "--json").out)
    shutil.copytree(digits, "elsewhere")
    assert figures(gan_eval("elsewhere", *FEW, "--json").out) == here


def test_samples_of_the_run_in_a_file_score_as_the_run(digits: Path, gan_eval: Command, gan_sample: Command) -> None:
    assert gan_sample(digits, "--out", "drawn.npy", "--n", 50, "--seed", 4).status == 0
    run = gan_eval(digits, "--n", 50, "--seed", 4, "--json")
    written = (digits / "evaluation.json").read_text()
    file = gan_eval(digits, "--samples", "drawn.npy", "--seed", 4, "--json")
    assert figures(file.out) == figures(run.out)
    assert json.loads(file.out)["generator"]["file"] == "drawn.npy"
    assert (digits / "evaluation.json").read_text() == written


def test_images_in_a_file_score_the_same_on_every_scale(digits: Path, gan_eval: Command) -> None:
    """What most scripts save is in [0, 1]; taken for [-1, 1], real images would score as grey ones."""
    pictures = Digits().load().array[:60]
    np.save("bytes.npy", pictures)
    np.save("shares.npy", pictures / np.float32(255))
    np.save("levels.npy", pictures * np.float32(15 / 255))
    options = ("--json", "--backbone", "pixels")
    first, second = (gan_eval(digits, "--samples", f"{name}.npy", *options) for name in ("bytes", "shares"))
    assert figures(first.out) == figures(second.out)
    assert "float32 from 0 to 1, taken as images in [0, 1] (--range LOW HIGH says otherwise)" in second.err
    facts = json.loads(second.out)["generator"]
    assert (facts["range"], facts["values"]) == ([0, 1], "float32 from 0 to 1")
    named = gan_eval(digits, "--samples", "levels.npy", "--range", 0, 15, *options)
    assert figures(named.out) == figures(first.out)
    assert "taken as" not in named.err


def test_points_in_a_file_are_in_the_coordinates_of_the_data(
    ring: Path, gan_eval: Command, gan_sample: Command
) -> None:
    assert gan_sample(ring, "--out", "points.npy", "--n", 60).status == 0
    run, file = gan_eval(ring, "--n", 60, "--json"), gan_eval(ring, "--samples", "points.npy", "--json")
    ours, theirs = figures(run.out), figures(file.out)
    needs = ("moments", "features", "held_out")  # nothing is memorized of points that are drawn anew
    assert ours.keys() == theirs.keys() == declared_tags("pixels", *needs) | {"modes", "high_quality"}
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert not (ring / "samples" / "nearest.png").exists()


def test_mixture_itself_fills_its_modes(ring: Path, gan_eval: Command) -> None:
    random = np.random.default_rng(0)
    angles = np.arange(400) % 8 * (2 * np.pi / 8)
    centres = 7 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.save("all.npy", centres + 0.01 * random.standard_normal((400, 2)))
    np.save("three.npy", (centres + 0.01 * random.standard_normal((400, 2)))[np.arange(400) % 8 < 3])
    every, some = (figures(gan_eval(ring, "--samples", f"{name}.npy", "--json").out) for name in ("all", "three"))
    assert every["modes"] == 8
    assert every["high_quality"] > 0.97
    assert some["modes"] == 3
    assert every["wasserstein/pixels"] < 1 < some["wasserstein/pixels"]
    assert some["recall/pixels"] < 0.6 < every["recall/pixels"]
    assert some["precision/pixels"] > 0.6


def test_real_samples_score_as_real_and_noise_as_noise(digits: Path, gan_eval: Command) -> None:
    data = Digits().load()
    training, held_out = split_rows(len(data.array), 0.05)
    np.save("unseen.npy", data.array[held_out])
    np.save("seen.npy", data.array[training[:89]] / np.float32(127.5) - 1)
    np.save("noise.npy", np.random.default_rng(0).integers(0, 256, (89, 1, 8, 8), dtype=np.uint8))
    found = {
        name: gan_eval(digits, "--samples", f"{name}.npy", "--json", "--neighbours", f"{name}.png")
        for name in ("unseen", "seen", "noise")
    }
    for done in found.values():
        assert done.status == 0, done.err
    unseen, seen, noise = (figures(done.out) for done in found.values())
    floor = floors(found["unseen"].out)
    for backbone in ("classifier", "pixels"):
        assert unseen[f"frechet/{backbone}"] < 2 * floor[f"frechet/{backbone}"]
        assert noise[f"frechet/{backbone}"] > 5 * floor[f"frechet/{backbone}"]
        for share in ("precision", "recall", "coverage"):
            assert unseen[f"{share}/{backbone}"] > floor[f"{share}/{backbone}"] - 0.2 > 0.5, share
        # Among so few real samples a far ball may hold all of the noise: then precision is 1, but little is covered.
        assert noise[f"coverage/{backbone}"] < 0.2
        # All of these, and none of those, are copies of training samples.
        assert seen[f"copied/{backbone}"] == 1
        assert seen[f"memorisation/{backbone}"] == 1
        assert unseen[f"memorisation/{backbone}"] == pytest.approx(0.5)
        assert noise[f"memorisation/{backbone}"] < 0.1
    assert noise["precision/pixels"] == 0
    assert unseen["class_kl/classifier"] < 0.1 < noise["class_kl/classifier"]
    with Image.open("seen.png") as picture:
        # A copy is its own nearest neighbour: after a gap the same picture comes again, below the captions.
        tile = 58
        pixels = np.asarray(picture)[-8 * tile :]
        assert np.array_equal(pixels[:tile, :tile], pixels[:tile, 2 * tile : 3 * tile])


@pytest.mark.long
def test_mnist_scores_as_it_must(gan_train: Command, gan_eval: Command, real_data: Path, tmp_path: Path) -> None:
    """Test images as real ones, noise as noise; the floor beside both."""
    root = linked(real_data, tmp_path / "mnist_root")
    done = gan_train(*SHORT, *TINY, "dataset=mnist", f"dataset.root={root}", "hydra.run.dir=run")
    assert done.status == 0, done.err
    test = Mnist(str(root), (), MnistSplit.test).load()
    order = np.random.default_rng(7).permutation(10_000)[:4000]
    np.save("test.npy", test.array[order])
    np.save("noise.npy", np.random.default_rng(0).uniform(-1, 1, (4000, 1, 28, 28)).astype(np.float32))
    real, noise = (gan_eval("run", "--samples", f"{name}.npy", "--json") for name in ("test", "noise"))
    assert (real.status, noise.status) == (0, 0), real.err + noise.err
    facts = json.loads(real.out)
    assert facts["backbones"]["classifier"]["accuracy"] >= 0.99
    assert facts["data"]["held_out"] == "test split"
    found, broken, floor = figures(real.out), figures(noise.out), floors(real.out)
    for backbone in ("classifier", "pixels"):
        assert abs(found[f"frechet/{backbone}"] / floor[f"frechet/{backbone}"] - 1) < 0.5
        assert broken[f"frechet/{backbone}"] > 50 * found[f"frechet/{backbone}"]
        for share in ("precision", "recall", "coverage"):
            assert found[f"{share}/{backbone}"] > 0.8, share
            assert broken[f"{share}/{backbone}"] < 0.01, share
        assert found[f"density/{backbone}"] == pytest.approx(1, abs=0.15)
        assert found[f"memorisation/{backbone}"] == pytest.approx(0.5, abs=0.05)
    assert found["class_kl/classifier"] < 0.02 < broken["class_kl/classifier"]
