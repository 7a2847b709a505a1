"""gan-eval: real run directories, and figures that do not depend on what they should not depend on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.splits import split_rows
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.mnist import Mnist, MnistSplit
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.image_folder import make_folder
from tests.helpers.metrics import declared_tags

DIGITS_FIGURES = {
    f"{kind}/{backbone}"
    for backbone in ("classifier", "pixels")
    for kind in (
        "frechet",
        "kernel",
        "kernel_deviation",
        "precision",
        "recall",
        "density",
        "coverage",
        "memorisation",
        "copied",
    )
} | {"class_kl/classifier", "class_entropy/classifier", "wasserstein/pixels", "sharpness"}
FEW = ("--n", 40)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, digits_root: Path) -> Path:
    """A data root for tests of this file, with the classifier of the digits."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(digits_root, root, dirs_exist_ok=True)
    return root


@pytest.fixture
def digits(finished_run: FinishedRun, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on digits, whose samples are next to noise."""
    monkeypatch.setenv("GAN_DATA", str(root))
    return finished_run("run", *SHORT, *TINY, "seed=3")


@pytest.fixture
def ring(finished_run: FinishedRun) -> Path:
    return finished_run("ring", *SHORT, "dataset=ring8", "dataset.radius=7")


def figures(text: str) -> dict[str, float]:
    return {name: figure["value"] for name, figure in json.loads(text)["figures"].items()}


def floors(text: str) -> dict[str, float]:
    return {name: figure["floor"] for name, figure in json.loads(text)["figures"].items()}


def test_evaluation_is_printed_and_written(
    digits: Path, gan_eval: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first evaluation on these data: it trains the classifier, too."""
    root = tmp_path / "new_root"
    monkeypatch.setenv("GAN_DATA", str(root))
    done = gan_eval(digits, *FEW)
    assert done.status == 0, done.err
    document = json.loads((digits / "evaluation.json").read_text())
    assert set(document["figures"]) >= DIGITS_FIGURES
    needs = ("moments", "features", "training", "held_out")
    declared = declared_tags("classifier", *needs, "classes") | declared_tags("pixels", *needs)
    assert set(document["figures"]) == declared | {"sharpness"}
    for name, figure in document["figures"].items():
        assert set(figure) == {"value", "floor", "better", "what"}, name
        (line,) = [line for line in done.out.splitlines() if line.split()[:1] == [name]]
        assert f"{figure['value']:.4g}" in line or f"{figure['value']:.0f}" in line
    assert document["figures"]["frechet/pixels"]["better"] == "lower"
    assert document["figures"]["recall/pixels"]["better"] == "higher"
    with Image.open(digits / "samples" / "nearest.png") as picture:
        assert picture.width > picture.height
    assert sorted(path.name for path in root.iterdir()) == ["classifiers", "references"]
    assert not list(digits.rglob("*.tmp"))


def test_provenance_is_complete(digits: Path, gan_eval: Command) -> None:
    assert gan_eval(digits, *FEW, "--seed", 5).status == 0
    document = json.loads((digits / "evaluation.json").read_text())
    generator = document["generator"]
    assert (generator["step"], generator["ema"], generator["run"]) == (2, True, "run")
    assert (digits / generator["checkpoint"]).is_file()
    assert document["seed"] == 5
    assert document["samples"] == {
        "generated": 40,
        "real_moments": 1708 - 40,
        "real_neighbours": 40,
        "training": 1708,
        "held_out": 89,
        "floor": 40,
    }
    assert document["data"]["name"] == "Digits"
    assert "0.05" in document["data"]["held_out"]
    classifier, pixels = document["backbones"]["classifier"], document["backbones"]["pixels"]
    assert classifier["accuracy"] > 0.97
    assert pixels["checksum"] == "none"
    assert pixels["transport_samples"] == 40
    for digest in (
        generator["checksum"],
        classifier["checksum"],
        classifier["reference"],
        pixels["reference"],
        document["data"]["fingerprint"],
    ):
        assert len(digest) == 64
        int(digest, 16)
    assert {"resizing", "file"} <= set(classifier)
    assert set(document["versions"]) == {"gan_cli", "python", "torch", "numpy"}


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


def test_printed_json_is_what_is_written(digits: Path, gan_eval: Command) -> None:
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.out == (digits / "evaluation.json").read_text()


def test_kept_statistics_are_used_and_a_damaged_file_is_computed_again(
    digits: Path, gan_eval: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan_eval(digits, *FEW)
    shutil.copytree(root / "classifiers", tmp_path / "root" / "classifiers")
    root = tmp_path / "root"
    monkeypatch.setenv("GAN_DATA", str(root))
    fresh = gan_eval(digits, "--n", 41, "--json")
    kept = sorted((root / "references").iterdir())
    times = {path: path.stat().st_mtime_ns for path in kept}
    again = gan_eval(digits, "--n", 41, "--json")
    assert {path: path.stat().st_mtime_ns for path in sorted((root / "references").iterdir())} == times
    assert again.out == fresh.out
    for path in kept:
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(bytes(content))
    healed = gan_eval(digits, "--n", 41, "--json")
    assert healed.out == fresh.out
    lines = [line for line in healed.err.splitlines() if "is damaged" in line and "computed again" in line]
    assert lines
    assert gan_eval(digits, "--n", 41, "--json").err.count("is damaged") == 0


def test_statistics_come_from_the_store(digits: Path, gan_eval: Command, root: Path) -> None:
    """Were they computed anew, a change of what is kept could not be seen."""
    from gan_cli.data.cache import deserialize_arrays, serialize_arrays

    fresh = gan_eval(digits, "--n", 42, "--json", "--backbone", "pixels")
    changed = 0
    for path in (root / "references").iterdir():
        arrays = deserialize_arrays(path.read_bytes())
        if "mean" in arrays and arrays["count"] == 1708 - 42:
            path.write_bytes(serialize_arrays({**arrays, "mean": arrays["mean"] + 1}))
            changed += 1
    assert changed == 1
    other = gan_eval(digits, "--n", 42, "--json", "--backbone", "pixels")
    assert figures(other.out)["frechet/pixels"] > figures(fresh.out)["frechet/pixels"] + 1


def test_raw_weights_are_others_than_averaged_ones(digits: Path, gan_eval: Command) -> None:
    averaged = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    raw = gan_eval(digits, *FEW, "--json", "--backbone", "pixels", "--no-ema")
    assert raw.status == 0, raw.err
    assert json.loads(raw.out)["generator"]["ema"] is False
    assert figures(raw.out)["frechet/pixels"] != figures(averaged.out)["frechet/pixels"]


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
    pictures = Digits().load().pixels[:60]
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


def test_run_that_cannot_be_written_is_evaluated_all_the_same(digits: Path, gan_eval: Command) -> None:
    """It computed, and printed nothing."""
    shutil.rmtree(digits / "samples")
    (digits / "samples").write_text("no folder")
    (digits / "evaluation.json").mkdir()
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.status == 0, done.err
    assert figures(done.out)["frechet/pixels"] > 0
    lines = [line for line in done.err.splitlines() if "cannot write" in line]
    assert len(lines) == 2, done.err
    assert all(line.endswith("the metrics were computed, but this file is not kept") for line in lines)
    assert str(digits / "evaluation.json") in lines[0]
    named = gan_eval(digits, *FEW, "--json", "--backbone", "pixels", "--neighbours", "run/samples/a.png")
    assert named.status == 2
    assert named.err.startswith("gan-eval: --neighbours: expected a folder, got 'run/samples'"), "before it computes"


def test_evaluation_is_in_the_report(ring: Path, gan_eval: Command, gan_report: Command) -> None:
    assert gan_eval(ring, "--n", 40).status == 0
    values = figures((ring / "evaluation.json").read_text())
    done = gan_report(ring, "--csv", "--metric", "high_quality", "--metric", "frechet/pixels")
    assert done.status == 0, done.err
    (row,) = csv.DictReader(done.out.splitlines())
    assert float(row["high_quality"]) == values["high_quality"]
    assert float(row["frechet/pixels"]) == values["frechet/pixels"]


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
    training, held_out = split_rows(len(data.pixels), 0.05)
    np.save("unseen.npy", data.pixels[held_out])
    np.save("seen.npy", data.pixels[training[:89]] / np.float32(127.5) - 1)
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


def test_conditional_run_draws_labels_as_the_data_have_them(
    gan_train: Command, gan_eval: Command, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA", str(root))
    assert gan_train(*SHORT, *TINY, "conditional=true", "hydra.run.dir=run").status == 0
    done = gan_eval("run", *FEW, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["generator"]["classes"] == 10


def test_copied_run_directory_can_be_evaluated_elsewhere(digits: Path, gan_eval: Command) -> None:
    here = figures(gan_eval(digits, *FEW, "--json").out)
    shutil.copytree(digits, "elsewhere")
    assert figures(gan_eval("elsewhere", *FEW, "--json").out) == here


def test_run_without_held_out_data_has_no_memorization_metrics(digits: Path, gan_eval: Command) -> None:
    """As runs of versions without train.held_out."""
    stored = digits / ".hydra" / "config.yaml"
    lines = stored.read_text().splitlines(keepends=True)
    assert sum("held_out:" in line for line in lines) == 1
    stored.write_text("".join(line for line in lines if "held_out:" not in line))
    done = gan_eval(digits, *FEW, "--json", "--backbone", "pixels")
    assert done.status == 0, done.err
    assert json.loads(done.out)["samples"]["held_out"] == 0
    assert not {"memorisation/pixels", "copied/pixels", "wasserstein/pixels"} & figures(done.out).keys()


def test_root_that_is_read_only_costs_a_line_and_no_more(
    digits: Path, gan_eval: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "file"))
    done = gan_eval(digits, *FEW, "--backbone", "pixels")
    assert done.status == 0, done.err
    assert done.err.count("cannot be written") == 1, "for all files of the cache"
    assert list((tmp_path / "home/.cache/gan_cli/references").iterdir())


def test_caches_that_can_be_written_nowhere_cost_a_line_and_no_more(
    digits: Path, gan_eval: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "file"))
    done = gan_eval(digits, *FEW, "--backbone", "pixels")
    assert done.status == 0, done.err
    assert done.err.count("cannot write references/") == 1
    assert "such files are computed again the next time" in done.err


def test_pixels_of_photos_cost_a_line_that_names_fid(workplace: Path, gan_train: Command, gan_eval: Command) -> None:
    folder = make_folder(workplace / "classes", 60)
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        (workplace / "photos").mkdir(exist_ok=True)
        file.rename(workplace / "photos" / f"{number}.jpg")
    photos = ("dataset=image_folder", "dataset.path=photos", "train.eval_every=2", "evaluation.samples=20")
    done = gan_train(*SHORT, *TINY, *photos, "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "train.held_out=0.05 of 60 samples is 3, fewer than 16: none are held out" in done.err
    assert "train.held_out=0.27 holds out enough" in done.err
    words = "distances of pixels say little of photos: the backbone inception measures FID"
    assert done.err.count(words) == 1
    assert gan_eval("run", "--n", 20).err.count(words) == 1
    assert words not in gan_eval("run", "--n", 20, "--backbone", "pixels").err


def linked(real_data: Path, root: Path) -> Path:
    """A data root that can be written, with MNIST in it."""
    (root / "mnist").mkdir(parents=True)
    for file in (real_data / "mnist").iterdir():
        (root / "mnist" / file.name).symlink_to(file)
    return root


@pytest.mark.long
def test_mnist_scores_as_it_must(gan_train: Command, gan_eval: Command, real_data: Path, tmp_path: Path) -> None:
    """Test images as real ones, noise as noise; the floor beside both."""
    root = linked(real_data, tmp_path / "mnist_root")
    done = gan_train(*SHORT, *TINY, "dataset=mnist", f"dataset.root={root}", "hydra.run.dir=run")
    assert done.status == 0, done.err
    test = Mnist(str(root), (), MnistSplit.test).load()
    order = np.random.default_rng(7).permutation(10_000)[:4000]
    np.save("test.npy", test.pixels[order])
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
