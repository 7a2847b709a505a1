"""Paths are taken as they stand on the command line, and ``~`` is the home directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from gan_cli.config.compose import compose, register
from gan_cli.config.override_text import quoted
from gan_cli.config.path_overrides import read_paths, typed_path
from gan_cli.storage.interpolations import escape
from gan_cli.sweeps import command
from tests.conftest import SHORT, TINY, Command

ODD = "Übung (1), [中文] {x}=#'$y"
FOLDER = ("dataset=image_folder", "dataset.size=8", "dataset.root=.")


@pytest.fixture(autouse=True)
def registered(workplace: Path) -> None:
    register()


def path_of(override: str) -> str:
    return str(compose(["dataset=image_folder", override]).config.dataset.path)


def in_folder(path: str) -> str:
    """Return a relative path as an absolute one; ``~`` is left to where it is read."""
    return path if path.startswith(("/", "~")) else f"{Path.cwd()}/{path}"


@pytest.mark.parametrize(
    "path",
    [ODD, "/a/b c", "~/x", "a,b", "a=b", "#", "[x]", "{a:1}", "1", "1e3", "true", "it's", 'a "b"', "$x", "a\tb", "${x",
     "x'", "range(1,2)", "choice(a)", " a ", "C:/x", "-", "é", "100%", "%20", "a~b", "a&b;c", "*", "a?", "a\\b", "@x"],
)  # fmt: skip
def test_path_is_taken_as_it_stands(path: str) -> None:
    assert path_of(f"dataset.path={path}") == in_folder(path)
    assert read_paths([f"dataset.labels={path}"])[0].partition("=")[2] in (path, quoted(escape(path)))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\'\"$"), min_size=1, max_size=8))
def test_any_text_is_a_path(path: str) -> None:
    assume(not path.strip().startswith("["))  # a list
    (override,) = read_paths([f"dataset.path={path}"])
    assert command.OverridesParser.create().parse_override(override).value() == (None if path == "null" else path)


@pytest.mark.parametrize(
    ("value", "path"),
    [("'a b'", "a b"), ('"a,b"', "a,b"), ("'it\\'s'", "it's"), (r"a\,b\ c", "a,b c"), ("null", None)],
)
def test_grammar_of_hydra_still_works(value: str, path: str | None) -> None:
    assert path_of(f"dataset.path={value}") == ("None" if path is None else in_folder(path))


@pytest.mark.parametrize(
    ("typed", "paths"),
    [
        ("[a (1).tar,b,'c,d']", ["a (1).tar", "b", "c,d"]),
        ("['[x]']", ["[x]"]),
        ("[/ü,~/x = 1, [y]]", ["/ü", "~/x = 1", "[y]"]),
        ("[shards-{0,1}.tar,#]", ["shards-{0,1}.tar", "#"]),
    ],
)
def test_list_of_paths(typed: str, paths: list[str]) -> None:
    for multirun in (False, True):
        (override,) = read_paths([f"dataset.path={typed}"], multirun)
        assert command.OverridesParser.create().parse_override(override).value() == paths
        assert read_paths([override], multirun) == [override]
    config = compose(["dataset=image_folder", override]).config
    assert list(config.dataset.path) == [in_folder(path) for path in paths]


def test_file_whose_name_looks_like_a_list_is_one_path(workplace: Path) -> None:
    Path("[a,b]").mkdir()
    assert path_of("dataset.path=[a,b]") == f"{workplace}/[a,b]"


def test_folder_with_the_name_of_a_home_directory(workplace: Path) -> None:
    Path("~nobody_at_all").mkdir()
    assert path_of("dataset.path=~nobody_at_all") == f"{workplace}/~nobody_at_all"


def test_interpolations_in_paths_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/data/ü")
    assert path_of("dataset.path=${oc.env:PLACE}/b (1)") == "/data/ü/b (1)"


@pytest.mark.parametrize("override", ["dataset.path=a b", "+dataset.path=é,x", "resume='~/a b'", "hydra.run.dir=~/x"])
def test_reading_paths_twice_changes_nothing(override: str) -> None:
    once = read_paths([override])
    assert read_paths(once) == once


def test_other_keys_are_left_to_the_grammar() -> None:
    overrides = ["seed=1", "sweep.metric=[a", "path=é", "~dataset.path", "dataset.path=", "dataset.path=null"]
    assert read_paths(overrides) == overrides


def test_comma_separates_paths_in_a_multirun_unless_such_a_file_exists(workplace: Path) -> None:
    typed = ["dataset.path=a (1),b,'c,d'"]
    assert read_paths(typed, multirun=True) == ["dataset.path='a (1)',b,'c,d'"]
    Path("a (1),b,'c,d'").mkdir()
    assert read_paths(typed, multirun=True) == [r"dataset.path='a (1),b,\'c,d\''"]


def test_home_directory_in_paths_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/é x")
    for value in ("~/run", "'~/run'", '"~/run"'):
        assert typed_path(value) == "/home/é x/run"
        assert compose([f"hydra.run.dir={value}"]).wanted_directory == Path("/home/é x/run")
    assert compose(["hydra.run.dir=~nobody_at_all/x"]).wanted_directory == Path("~nobody_at_all/x")


@pytest.mark.parametrize("key", ["dataset.path", "hydra.run.dir", "sweep.metric"])
def test_bytes_that_are_no_text_are_refused(key: str, workplace: Path, gan_train: Command) -> None:
    done = gan_train("dataset=image_folder", f"{key}='a\udcff'")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert r"expected text in UTF-8, got" in done.err
    assert list(workplace.iterdir()) == []


def test_plugins_may_be_found_again() -> None:
    register(plugins=False)
    register(plugins=True)


def test_home_directory_in_an_option(workplace: Path, gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(workplace / "home"))
    (workplace / "own" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nhydra: {run: {dir: ~/run}, sweep: {dir: ~/sweep}}\n"
    (workplace / "own" / "experiment" / "mine.yaml").write_text(text)
    for flags in ((), ("-m",)):
        done = gan_train(*flags, "--config-dir", "own", "experiment=mine", *SHORT, *TINY, "dataset=ring8")
        assert done.status == 0, done.err
    assert {each.name for each in workplace.iterdir()} >= {"own", "home"}
    assert not (workplace / "~").exists()
    assert (workplace / "home" / "sweep" / "multirun.yaml").is_file()


def test_runs_in_odd_folders(workplace: Path, gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    home = workplace / f"home {ODD}"
    monkeypatch.setenv("HOME", str(home))
    (home / ODD).mkdir(parents=True)
    for number in range(12):
        Image.fromarray(np.full((8, 8), number * 9, np.uint8)).save(home / ODD / f"{number}.png")
    (workplace / ODD / "loss").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "conf" / "loss" / "jsd.yaml", workplace / ODD / "loss" / "mine.yaml")
    options = (f"--config-dir={ODD}", "loss=mine", *FOLDER, *SHORT, *TINY, f"dataset.path=~/{ODD}")
    for directory in (f"run {ODD}", "~/run"):
        done = gan_train(*options, f"hydra.run.dir={directory}")
        assert done.status == 0, done.err
        done = gan_train(f"--config-dir={ODD}", f"resume={directory}", "train.steps=3")
        assert done.status == 0, done.err
        assert "continuing from step 2" in done.err
    assert (workplace / f"run {ODD}" / "summary.json").is_file()
    assert (home / "run" / "summary.json").is_file()
    assert {each.name for each in home.iterdir()} == {ODD, "run"}


@pytest.mark.parametrize("name", ["${x}", " a ", "a#b=c,d", "100%20", "~a", 'it\'s "b"', "a\\b", "-a", "é;&*?"])
def test_folder_of_options_may_have_any_name(name: str, workplace: Path, gan_train: Command) -> None:
    (workplace / name / "loss").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "conf" / "loss" / "jsd.yaml", workplace / name / "loss" / "mine.yaml")
    for flags in ((f"--config-dir={name}",), ("-m", f"--config-dir={name}", "seed=0,1")):
        done = gan_train(*flags, "loss=mine", "dataset=ring8", *SHORT, *TINY, "dry_run=true")
        assert done.status == 0, done.err


def test_folder_of_options_that_hydra_cannot_name_costs_one_line(workplace: Path, gan_train: Command) -> None:
    (workplace / "a${b").mkdir()
    for flags in ((), ("-m", "seed=0,1")):
        done = gan_train("--config-dir", "a${b", *flags, "dataset=ring8", *SHORT, *TINY)
        assert (done.status, len(done.err.splitlines())) == (2, 1)
        assert "--config-dir: expected a path without '${' that is not closed" in done.err
    assert [each.name for each in workplace.iterdir()] == ["a${b"]


def test_sweeps_in_odd_folders(workplace: Path, gan_train: Command) -> None:
    (workplace / ODD).mkdir()
    options = ("-m", "--config-dir", ODD, f"hydra.sweep.dir=sweep {ODD}", *SHORT, *TINY, "dataset=ring8", "seed=0,1")
    done = gan_train(*options)
    assert done.status == 0, done.err
    done = gan_train("-m", "--config-dir", ODD, f"sweep.continue=sweep {ODD}", "train.steps=3")
    assert done.status == 0, done.err
    assert done.err.count("continuing from step 2") == 2


def test_folder_of_options_is_named_where_it_is_needed_again(workplace: Path, gan_train: Command) -> None:
    """In the line that trains the run on, and where it was forgotten."""
    (workplace / "own" / "loss").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "conf" / "loss" / "jsd.yaml", workplace / "own" / "loss" / "mine.yaml")
    done = gan_train("--config-dir", "own", "loss=mine", *SHORT, *TINY, "dataset=ring8", "hydra.run.dir=run")
    line = "train on:  gan-train --config-dir own resume=run train.steps=4"
    assert (done.status, done.err.splitlines()[-1]) == (0, line)
    forgotten = gan_train("resume=run", "train.steps=4")
    assert forgotten.status == 2
    assert f"the run was started with --config-dir {workplace / 'own'}, which it needs" in forgotten.err
    again = gan_train("--config-dir", "own", "resume=run", "train.steps=4")
    assert again.err.splitlines()[-1] == "train on:  gan-train --config-dir own resume=run train.steps=8"
