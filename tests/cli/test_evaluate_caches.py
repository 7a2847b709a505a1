"""gan-eval: statistics of real data are kept, damaged ones computed again, and a place for them is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.helpers.evaluations import FEW, figures


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
