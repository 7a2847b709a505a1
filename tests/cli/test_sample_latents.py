"""gan-sample and the latent space: seeds, latents, truncation, films, inversion, directions, neighbours."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli import __version__
from gan_cli.config import extras
from tests.conftest import SHORT, TINY, Command, FinishedRun

RUN = (*SHORT, *TINY, "architecture.latent_dim=16")
CONDITIONAL = (*RUN, "conditional=true")


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *RUN)


@pytest.fixture
def conditional(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *CONDITIONAL)


def test_sample_of_a_seed_is_the_same_whatever_else_is_drawn(run: Path, gan_sample: Command) -> None:
    assert gan_sample(run, "--seeds", "7,3-5", "--out", "some.npy").status == 0
    some = np.load("some.npy")
    assert len(some) == 4
    for seed, sample in zip((7, 3, 4, 5), some, strict=True):
        assert gan_sample(run, "--seed", seed, "--n", 2, "--out", "one.npy").status == 0
        np.testing.assert_allclose(np.load("one.npy")[0], sample, atol=1e-6)


def test_seeds_of_a_conditional_run_come_with_every_class(conditional: Path, gan_sample: Command) -> None:
    done = gan_sample(conditional, "--seeds", "1,5", "--out", "all.npy", "--separate", "each")
    assert done.status == 0, done.err
    everything = np.load("all.npy")
    assert len(everything) == 20
    assert "20 samples, seeds 1,5" in done.err
    assert gan_sample(conditional, "--seeds", 5, "--label", 3, "--out", "one.npy").status == 0
    np.testing.assert_allclose(np.load("one.npy")[0], everything[3 * 2 + 1], atol=1e-6)
    names = [file.name for file in sorted(Path("each").iterdir())]
    assert names == [f"seed{seed:04}_class{label}.png" for seed in (1, 5) for label in range(10)]
    with Image.open("each/seed0005_class3.png") as image:
        assert image.text == {  # type: ignore[attr-defined]
            "seed": "5",
            "label": "3",
            "run": f"{conditional.parent.name}/run",
            "step": "2",
            "version": f"gan_cli {__version__}",
        }


def test_grid_of_a_conditional_run_has_the_classes_beside_its_rows(conditional: Path, gan_sample: Command) -> None:
    assert gan_sample(conditional).status == 0
    with Image.open("grid.png") as grid:
        labelled = np.asarray(grid)
    # Seven columns and ten rows of tiles of 58 pixels, below a line and beside the digits of the classes.
    assert labelled.shape[0] == 20 + 10 * 58 + 2
    left = labelled.shape[1] - (7 * 58 + 2)
    assert 10 < left < 30
    for row in range(10):
        margin = labelled[20 + row * 58 : 20 + (row + 1) * 58, :left]
        assert margin.min() < 128


def test_latents_of_a_file(run: Path, gan_sample: Command) -> None:
    generator = torch.Generator().manual_seed(0)
    np.save("z.npy", torch.randn(3, 16, generator=generator).numpy())
    assert gan_sample(run, "--latents", "z.npy", "--out", "a.npy", "--separate", "each").status == 0
    assert np.load("a.npy").shape == (3, 1, 8, 8)
    assert sorted(file.name for file in Path("each").iterdir()) == [f"latent{index:05}.png" for index in range(3)]
    np.save("z.npy", np.load("z.npy") * np.float32(0.7))
    assert gan_sample(run, "--latents", "z.npy", "--out", "b.npy").status == 0
    assert not np.allclose(np.load("a.npy"), np.load("b.npy"))


def test_truncation_says_by_what(run: Path, gan_sample: Command) -> None:
    bound = gan_sample(run, "--truncation", 0.7, "--out", "bound.npy", "--n", 200)
    assert "truncation: coordinates of z within 0.7 of 0, of the truncated normal distribution" in bound.err
    scaled = gan_sample(run, "--truncation", 0.7, "--truncation-by", "scale", "--out", "scaled.npy", "--n", 200)
    assert "truncation: z times 0.7" in scaled.err
    assert gan_sample(run, "--out", "plain.npy", "--n", 200).status == 0
    spread = {name: np.load(f"{name}.npy").std(axis=0).mean() for name in ("plain", "bound", "scaled")}
    assert spread["bound"] < spread["scaled"] < spread["plain"]


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_film_has_its_length(suffix: str, conditional: Path, gan_sample: Command) -> None:
    done = gan_sample(conditional, "--walk", f"film.{suffix}", "--seconds", 0.5, "--fps", 20)
    assert done.status == 0, done.err
    assert "10 frames at 20 a second" in done.err
    with Image.open(f"film.{suffix}") as film:
        length = 0
        for index in range(getattr(film, "n_frames", 1)):
            film.seek(index)
            film.load()
            length += film.info["duration"]
    assert length == 500


def test_walk_passes_through_seeds(run: Path, gan_sample: Command) -> None:
    assert gan_sample(run, "--walk", "film.webp", "--seeds", "4,9", "--seconds", 1, "--fps", 6).status == 0
    assert gan_sample(run, "--seeds", "4,9", "--separate", "each").status == 0
    with Image.open("film.webp") as film:
        for frame, seed in ((0, 4), (3, 9)):
            film.seek(frame)
            shown = np.asarray(film.convert("L"))
            with Image.open(f"each/seed{seed:04}.png") as image:
                expected = np.asarray(image)
            factor = shown.shape[0] // 60  # of a frame with a single sample, which is enlarged
            pixel, gap = 7 * factor, 2 * factor
            middles = shown[gap + pixel // 2 :: pixel, gap + pixel // 2 :: pixel][:8, :8]
            assert np.abs(middles.astype(int) - expected).max() <= 1


def test_size_of_a_grid(run: Path, gan_sample: Command) -> None:
    assert gan_sample(run, "--grid", "2x5").status == 0
    with Image.open("grid.png") as grid:
        assert grid.size == (5 * 58 + 2, 2 * 58 + 2)


def test_sample_is_inverted(conditional: Path, gan_sample: Command) -> None:
    assert gan_sample(conditional, "--seeds", 3, "--label", 4, "--separate", "each", "--out", "each/a.npy").status == 0
    done = gan_sample(conditional, "--invert", "each/seed0003_class4.png", "each/a.npy", "--iterations", 200)
    assert done.status == 0, done.err
    assert done.out == "inversion.png\ninversion.npy\n"
    assert np.load("inversion.npy").shape == (2, 16)
    lines = re.findall(r"^(\S+): distance (\d\.\d+), label (\d), \|z\| .*, starts((?: \d\.\d+){8})$", done.err, re.M)
    assert [line[0] for line in lines] == ["seed0003_class4.png", "a.npy[0]"]
    assert all(float(line[1]) < 0.05 for line in lines)
    first = Path("inversion.npy").read_bytes()
    assert (
        gan_sample(conditional, "--invert", "each/seed0003_class4.png", "each/a.npy", "--iterations", 200).status == 0
    )
    assert Path("inversion.npy").read_bytes() == first


def test_points_are_inverted_in_their_own_coordinates(finished_run: FinishedRun, gan_sample: Command) -> None:
    finished_run(
        "ring",
        *SHORT,
        "dataset=ring8",
        "dataset.radius=7",
        "train.steps=100",
        "train.batch_size=64",
        "device.threads=1",
    )
    assert gan_sample("ring", "--seeds", "1-3", "--out", "points.npy").status == 0
    done = gan_sample("ring", "--invert", "points.npy", "--out", "z.npy", "--iterations", 200)
    assert (done.status, done.out) == (0, "z.npy\n"), done.err
    assert gan_sample("ring", "--latents", "z.npy", "--out", "again.npy").status == 0
    points, again = np.load("points.npy"), np.load("again.npy")
    # The prior draws them together a little, the more the less G spreads its latents.
    assert np.linalg.norm(again - points) < 0.2 * np.linalg.norm(points - points.mean(axis=0))


def test_directions(conditional: Path, gan_sample: Command) -> None:
    done = gan_sample(conditional, "--directions", 3, "--out", "strips.png")
    assert (done.status, done.out) == (0, "strips.png\nstrips.npy\n"), done.err
    vectors = np.load("strips.npy")
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-5)
    assert re.search(r"shares of the change: \d+\.\d% \d+\.\d% \d+\.\d%", done.err)
    with Image.open("strips.png") as strips:
        assert strips.size[0] > 7 * 58


def test_nearest_training_pictures(run: Path, gan_sample: Command) -> None:
    done = gan_sample(run, "--nearest", 4, "--seeds", "1-3")
    assert (done.status, done.out) == (0, "nearest.png\n"), done.err
    assert "distance to the nearest of the training pictures: 0." in done.err
    with Image.open("nearest.png") as picture:
        assert picture.size[0] >= 6 * 58


MISTAKES = {
    "seeds": (("--seeds", "1,x"), "--seeds: expected seeds from 0 to 9,223,372,036,854,775,807 and ranges of them"),
    "descending seeds": (("--seeds", "9-5"), "--seeds: expected seeds"),
    "seeds out of range": (("--seeds", "9223372036854775808"), "--seeds: expected seeds from 0 to 9,2"),
    "many seeds": (("--seeds", "0-9223372036854775807"), "--seeds: expected 1,000,000 seeds at most, got more"),
    "repeated seeds": (("--seeds", "1,5,3-6"), "--seeds: expected each seed once, got 5 twice"),
    "seed and seeds": (("--seeds", "1", "--seed", "1"), "--seed: has no meaning beside --seeds"),
    "n and seeds": (("--seeds", "1", "--n", "1"), "--n: has no meaning beside --seeds"),
    "latents": (("--latents", "none.npy"), "--latents: none.npy cannot be read (No such file or directory)"),
    "width": (("--latents", "z.npy"), "--latents: expected an array of shape (N, 16), got (2, 3) in z.npy"),
    "truncation": (("--truncation", "0"), "--truncation: expected a number > 0 and <= 100, got 0"),
    "truncation by": (("--truncation-by", "scale"), "--truncation-by: belongs to --truncation, which is missing"),
    "mode": (("--truncation", 1, "--truncation-by", "bounds"), "Did you mean --truncation-by bound?"),
    "film": (("--walk", "film.avi"), "--walk: expected a name that ends in .webp, .gif, .mp4, got 'film.avi'"),
    "rate": (("--walk", "film.gif", "--fps", 60), "--fps: expected 50 at most in a GIF, got 60"),
    "short film": (("--walk", "film.gif", "--seconds", 0.01), "--seconds: expected two frames or more"),
    "seconds": (("--seconds", 3), "--seconds: belongs to --walk, which is missing"),
    "one corner": (("--walk", "film.gif", "--seeds", 3), "--walk: expected two latents or more to walk through"),
    "grid": (("--grid", "3"), "--grid: expected rows x columns, such as 4x8, got '3'"),
    "grid and n": (("--grid", "3x4", "--n", 13), "--grid: expected a grid of 13 samples, got 3x4, which has 12"),
    "grid and walk": (
        ("--walk", "film.gif", "--seeds", "1,2", "--grid", "1x2"),
        "--grid: expected a grid of 1, as many as there are walks, got 1x2",
    ),
    "wide": (("--nearest", 3, "--n", 1000), "--nearest: 5,000 samples make a grid of"),
    "grid and seeds": (("--grid", "3x4", "--seeds", "1-5"), "--grid: expected a grid of 5 samples, got 3x4"),
    "no picture": (("--invert", "none.png"), "--invert: none.png cannot be read"),
    "text": (("--invert", "text.png"), "--invert: text.png is no picture of PNG, JPEG"),
    "shape": (
        ("--invert", "photo.png"),
        "--invert: expected a picture of 8 x 8 pixels, as this run's samples are, got 30 x 20 in photo.png; Pillow fits"
        " one: ImageOps.fit(picture, (8, 8))",
    ),
    "array": (("--invert", "z.npy"), "--invert: expected an array of shape (N, 1, 8, 8), got (2, 3) in z.npy"),
    "invert and n": (("--invert", "photo.png", "--n", 3), "--n: has no meaning beside --invert"),
    "starts": (("--starts", 3), "--starts: belongs to --invert, which is missing"),
    "directions": (("--directions", 17), "--directions: expected 16 at most, latent_dim of this run, got 17"),
    "nearest": (("--nearest", 0), "--nearest: expected an integer from 1 to 100, got 0"),
    "array of neighbours": (("--nearest", 1, "--out", "a.npy"), "--out: expected a name that ends in .png"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_costs_one_line_and_writes_nothing(mistake: str, run: Path, gan_sample: Command) -> None:
    arguments, words = MISTAKES[mistake]
    np.save("z.npy", np.zeros((2, 3), np.float32))
    Path("text.png").write_text("no picture")
    Image.new("RGB", (30, 20)).save("photo.png")
    before = sorted(Path().iterdir())
    done = gan_sample(run, *arguments)
    assert done.status == 2, done.err
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(Path().iterdir()) == before


def test_video_without_its_package(run: Path, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    done = gan_sample(run, "--walk", "film.mp4")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "this takes imageio-ffmpeg, not installed here: pip install 'gan-cli[film]'" in done.err


def test_more_than_memory_allows(run: Path, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.data.memory.available_host_memory", lambda: 20_000)
    np.save("z.npy", np.zeros((1000, 16), np.float32))
    drawn = (
        ("--seeds", "1-100"),
        ("--walk", "a.gif"),
        ("--directions", 2),
        ("--latents", "z.npy"),
        ("--invert", "z.npy"),
    )
    for arguments in drawn:
        done = gan_sample(run, *arguments)
        assert (done.status, done.err.count("\n")) == (2, 1), done.err
        assert "bytes of memory, more than the 16,000 for them here" in done.err
    assert sorted(path.name for path in Path().iterdir()) == ["run", "z.npy"]
