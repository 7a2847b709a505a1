"""Numbers and files on command lines: each has two ends, and what is needed is added up first."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gan_cli.cli.numbers import MAX_SEED, integer, number, require_output_file, require_output_folder
from gan_cli.data import memory
from gan_cli.errors import ConfigError
from gan_cli.evaluation.real_data import require_evaluation_memory
from gan_cli.telemetry.images import grid, grid_size
from tests.conftest import SHORT, TINY, Command, FinishedRun


@pytest.fixture
def images(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *SHORT, *TINY)


@pytest.mark.parametrize(
    "text", ["0", "7", "-1", "1e3", "1.5", "", "seven", "9" * 5000, "0x5", "nan", "inf", "101", str(10**12)]
)
def test_integer_out_of_its_range_costs_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--n: expected an integer from 10 to 100, got ") as error:
        integer("--n", 10, 100)(text)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "1e400", "101", "", "one", "1" * 5000])
def test_number_out_of_its_range_costs_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--seconds: expected a number > 0 and <= 100, got "):
        number("--seconds", 0, 100)(text)


def test_ends_belong_to_the_range() -> None:
    assert [integer("--n", 10, 100)(text) for text in ("10", "100", "+50")] == [10, 100, 50]
    assert [number("--x", 0, 100)(text) for text in ("1e-9", "100", "5")] == [1e-9, 100, 5]


def test_size_of_a_grid_is_known_before_it_is_drawn() -> None:
    for shape, count, columns in (
        ((1, 8, 8), 7, None),
        ((3, 70, 50), 4, None),
        ((1, 28, 28), 30, 6),
        ((1, 5, 9), 1, None),
    ):
        assert grid(np.zeros((count, *shape), np.float32), columns).size == grid_size(shape, count, columns)


def test_place_of_an_output_is_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    require_output_file("--out", None)
    require_output_file("--out", tmp_path / "new" / "folder" / "a.png")
    require_output_folder("--separate", tmp_path / "new")
    with pytest.raises(ConfigError, match=r"--out: expected a file, got .*, which is a folder"):
        require_output_file("--out", tmp_path)
    with pytest.raises(ConfigError, match=r"--out: expected a folder, got .*file/new': .*file is none"):
        require_output_file("--out", tmp_path / "file" / "new" / "a.png")
    with pytest.raises(ConfigError, match="--separate: expected a folder"):
        require_output_folder("--separate", tmp_path / "file")
    if os.access("/proc/1/fdinfo", os.F_OK) and not os.access("/proc/1/fdinfo", os.W_OK):
        with pytest.raises(ConfigError, match="no permission"):
            require_output_folder("--separate", Path("/proc/1/fdinfo/x"))


FAULTS = {
    "many": (("--n", 10**12), "--n: expected an integer from 1 to 1,000,000, got 1000000000000"),
    "none": (("--n", 0), "--n: expected an integer from 1 to 1,000,000, got 0"),
    "seed": (("--seed", MAX_SEED + 1), "--seed: expected an integer from 0 to 9,223,372,036,854,775,807"),
    "negative seed": (("--seed", -1), "--seed: expected an integer from 0 to "),
    "hot": (("--temperature", "1e9"), "--temperature: expected a number > 0 and <= 1e+06, got 1e9"),
    "wide webp": (("--n", 100_000, "--out", "a.webp"), "a grid of 18,"),
    "wide png": (("--n", 100_000, "--out", "a.png"), "--n: 100,000 samples make a grid of 18,"),
    "memory": (("--n", 1_000_000, "--out", "a.npy"), "--n: 1,000,000 samples take 1,024,000,000 bytes of memory"),
    "folder": (("--out", "folder.png"), "--out: expected a file, got 'folder.png', which is a folder"),
    "below a file": (("--out", "text/a.png"), "--out: expected a folder, got 'text'"),
    "separate": (("--separate", "text"), "--separate: expected a folder, got 'text'"),
    "walk": (("--walk", "text/a.webp"), "--walk: expected a folder, got 'text'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_mistake_of_gan_sample_costs_one_line(
    fault: str, images: Path, gan_sample: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "data_memory", lambda: 2**29)  # whatever this machine has
    Path("folder.png").mkdir()
    Path("text").write_text("")
    arguments, words = FAULTS[fault]
    done = gan_sample(images, *arguments)
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
    assert words in done.err
    assert sorted(path.name for path in Path().iterdir()) == ["folder.png", "run", "text"]


def test_largest_seed_draws(images: Path, gan_sample: Command) -> None:
    for seed in (MAX_SEED, MAX_SEED - 1):
        assert gan_sample(images, "--seed", seed, "--out", f"{seed}.npy", "--n", 3).status == 0
    assert not np.array_equal(np.load(f"{MAX_SEED}.npy"), np.load(f"{MAX_SEED - 1}.npy"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json", "folder"), "--json: expected a file, got 'folder', which is a folder"),
        (("--json", "text/a.json"), "--json: expected a folder, got 'text'"),
        (("--profile", "text/a.json"), "--profile: expected a folder, got 'text'"),
        (("--seconds", "1e9"), "--seconds: expected a number > 0 and <= 86400, got 1e9"),
        (("--seconds", "nan"), "--seconds: expected a number > 0 and <= 86400, got nan"),
    ],
)
def test_mistake_of_gan_bench_costs_one_line(arguments: tuple[str, ...], words: str, gan_bench: Command) -> None:
    """Before anything is timed: a folder in place of the file of results was noticed after minutes."""
    Path("folder").mkdir()
    Path("text").write_text("")
    done = gan_bench("dataset=ring8", *arguments)
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
    assert words in done.err


def test_evaluation_that_does_not_fit_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.evaluation.real_data.data_memory", lambda: 2**30)
    require_evaluation_memory(10_000, (3, 32, 32))
    with pytest.raises(ConfigError, match=r"10,000 samples of shape \(3, 128, 128\) takes 7,864,320,000"):
        require_evaluation_memory(10_000, (3, 128, 128))
