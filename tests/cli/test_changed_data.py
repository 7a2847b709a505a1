"""Runs whose data have changed since, and classes by their names: nothing of either passes in silence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.data.fingerprint import data_identity, describe_class_changes, reject_changed_classes
from gan_cli.errors import ConfigError, DataError
from gan_cli.inference.class_labels import ClassLabel, describe_classes, find_class
from gan_cli.protocols.data import Images, class_names
from tests.conftest import SHORT, TINY, Command
from tests.helpers.options import SHORT_GAME, SMALL_WIDTHS

EVAL = ("--backbone", "pixels", "--n", 10, "--json")


def make_classes(folder: Path, names: Sequence[str], each: int) -> Path:
    """Folders of so many images, each class of one brightness."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(each):
            pixels = np.full((8, 8), 20 * number + index, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def train(gan_train: Command, folder: Path, *overrides: str) -> Path:
    data = ("dataset=image_folder", f"dataset.path={folder}", "dataset.size=8", "dataset.channels=1")
    done = gan_train(*data, *TINY, *SHORT, "hydra.run.dir=run", *overrides)
    assert done.status == 0, done.err
    return Path("run")


@pytest.fixture
def two(workplace: Path) -> Path:
    return make_classes(workplace / "photos", ("cats", "dogs"), 24)


def test_evaluation_of_a_conditional_run_refuses_another_class(
    two: Path, gan_train: Command, gan_eval: Command
) -> None:
    """It ended in an IndexError, or in figures of other classes."""
    run = train(gan_train, two, "conditional=true")
    assert gan_eval(run, *EVAL).status == 0
    written = (run / "evaluation.json").read_text()
    make_classes(two, ("birds",), 5)
    done = gan_eval(run, *EVAL)
    assert done.status == 3, done.err
    assert done.err.splitlines()[-1] == (
        "gan-eval: the data are not those that this run began with (48 images then, 53 now; 2 classes then, 3 now,"
        " new: 'birds'): --allow-changed-data compares with those that are there now"
    )
    allowed = gan_eval(run, *EVAL, "--allow-changed-data")
    assert allowed.status == 3
    assert allowed.err.splitlines()[-1] == (
        "gan-eval: the data have other classes than the networks are conditional on"
        " (2 classes then, 3 now, new: 'birds')"
    )
    assert (run / "evaluation.json").read_text() == written


def test_evaluation_against_changed_pictures_has_to_be_allowed(
    two: Path, gan_train: Command, gan_eval: Command, gan_sample: Command
) -> None:
    run = train(gan_train, two)
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(two / "cats" / "3.png")
    assert gan_sample(run, "--out", "drawn.npy", "--n", 10).status == 0
    for subject in ((), ("--samples", "drawn.npy")):
        done = gan_eval(run, *EVAL, *subject)
        assert done.status == 3
        assert "(48 images then and now, but their contents differ)" in done.err.splitlines()[-1]
        done = gan_eval(run, *EVAL, *subject, "--allow-changed-data")
        assert done.status == 0, done.err
        assert done.err.count("their contents differ") == 1


def test_other_names_of_the_same_pictures_are_another_order_of_labels(
    two: Path, gan_train: Command, gan_eval: Command
) -> None:
    run = train(gan_train, two)
    (two / "cats").rename(two / "zebras")
    done = gan_eval(run, *EVAL)
    assert done.status == 3
    assert "2 classes then, 2 now, new: 'zebras', gone: 'cats'" in done.err


def test_checkpoint_without_an_identity_is_evaluated_if_its_classes_fit(
    two: Path, gan_train: Command, gan_eval: Command, gan_sample: Command
) -> None:
    """Those of earlier versions."""
    run = train(gan_train, two, "conditional=true")
    last = run / "checkpoints" / "last.pt"
    state = torch.load(last, weights_only=True)
    assert state.pop("data")["classes"] == ["cats", "dogs"]
    torch.save(state, last)
    assert gan_eval(run, *EVAL).status == 0
    sampled = gan_sample(run, "--label", 1)
    assert sampled.status == 0
    assert "label 1: index 1" in sampled.err.splitlines()
    make_classes(two, ("birds",), 5)
    done = gan_eval(run, *EVAL)
    assert done.status == 3
    assert "(2 classes then, 3 now)" in done.err.splitlines()[-1]
    shutil.rmtree(two / "cats")
    shutil.rmtree(two / "birds")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(two / "no_class.png")
    done = gan_eval(run, *EVAL)
    assert done.status == 3
    assert "(2 classes then, 0 now)" in done.err.splitlines()[-1]


def test_resume_names_the_classes_that_changed(two: Path, gan_train: Command) -> None:
    run = train(gan_train, two)
    make_classes(two, ("birds",), 2)
    words = "(48 images then, 50 now; 2 classes then, 3 now, new: 'birds')"
    refused = gan_train(f"resume={run}", "train.steps=3")
    assert refused.status == 3
    assert words in refused.err.splitlines()[-1]
    allowed = gan_train(f"resume={run}", "train.steps=3", "train.allow_changed_data=true")
    assert allowed.status == 0, allowed.err
    assert words in allowed.err


def test_networks_of_two_classes_do_not_continue_with_three(two: Path, gan_train: Command) -> None:
    run = train(gan_train, two, "conditional=true")
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    make_classes(two, ("birds",), 2)
    done = gan_train(f"resume={run}", "train.steps=3", "train.allow_changed_data=true")
    assert done.status == 3
    assert done.err.splitlines()[-1].endswith(
        "other classes than the networks are conditional on (2 classes then, 3 now, new: 'birds')"
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept


def test_label_that_is_the_name_of_a_class_is_that_class(
    workplace: Path, gan_train: Command, gan_sample: Command
) -> None:
    """Folders 1 to 12 are classes 0 to 11, in the order of the numbers."""
    folder = make_classes(workplace / "digits", tuple(map(str, range(1, 13))), 2)
    run = train(gan_train, folder, "conditional=true")
    shutil.rmtree(folder)  # classes are those of the checkpoint
    everything = gan_sample(run, "--n", 24, "--out", "all.npy")
    assert everything.status == 0, everything.err
    assert "rows: classes 0 to 11: 0 '1', 1 '2', 2 '3', 3 '4', 4 '5'," in everything.err
    named = gan_sample(run, "--n", 24, "--label", 2, "--out", "two.npy")
    assert named.status == 0, named.err
    assert "label 2: class '2', index 1" in named.err.splitlines()
    rows, two = np.load("all.npy"), np.load("two.npy")
    np.testing.assert_array_equal(rows[2:4], two[2:4])
    refused = gan_sample(run, "--label", "twelve")
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert "expected the name of a class ('1', '2', '3', '4', '5'," in refused.err


def test_name_comes_before_number() -> None:
    names = ("0", "1", "10", "2")
    assert find_class("2", 4, names) == ClassLabel(3, "2")
    assert find_class("10", 4, names) == ClassLabel(2, "10")
    assert find_class("3", 4, names) == ClassLabel(3, "2"), "no class has this name: a number"
    assert find_class("3", 4, ()) == ClassLabel(3, None)
    assert find_class("3", 4, ("of", "another", "number")) == ClassLabel(3, None)
    assert ClassLabel(3, "2").describe("2") == "label 2: class '2', index 3"
    assert ClassLabel(3, "2\n").describe("2\n") == r"label 2\n: class '2\n', index 3"
    for word in ("4", "-1", "", "9" * 5000, "1.0", "two"):
        with pytest.raises(ConfigError, match="expected the name of a class"):
            find_class(word, 4, names)
    with pytest.raises(ConfigError, match=r"got dog\. Did you mean 'dogs'\?"):
        find_class("dog", 2, ("cats", "dogs"))
    assert describe_classes(2, ("cats", "dogs")) == "classes 0 to 1: 0 'cats', 1 'dogs'"
    assert describe_classes(30, tuple(map(str, range(30)))).endswith("19 '19', ...")
    assert describe_classes(10, ()) == "classes 0 to 9"


def test_changes_of_classes_are_listed_and_cut_short() -> None:
    assert describe_class_changes(("a", "b"), ("a", "b")) == []
    assert describe_class_changes((), ("a", "b")) == [], "unknown"
    assert describe_class_changes(("a", "b"), ("a", "c", "d")) == [
        "2 classes then, 3 now, new: 'c', 'd', gone: 'b'",
    ]
    many = tuple(map(str, range(1000)))
    (line,) = describe_class_changes(("a", "b"), many)
    assert line.startswith("2 classes then, 1000 now, new: '0', '1'")
    assert "and 995 more" in line
    pixels = np.zeros((2, 1, 2, 2), np.uint8)
    before, now = (data_identity(Images(pixels, np.arange(2), class_names=names)) for names in (("a", "b"), ("a", "c")))
    with pytest.raises(DataError, match="2 classes then, 2 now, new: 'c', gone: 'b'"):
        reject_changed_classes(before, now)


@pytest.mark.parametrize("forged", [None, 3, "ab", [1, 2], [["a"]], {"a": 1}])
def test_forged_names_of_classes_are_no_names(forged: object) -> None:
    assert class_names({"fingerprint": "x", "classes": forged}) == ()


@pytest.mark.slow
def test_card_of_an_export_names_the_classes(two: Path, gan_train: Command, gan_export: Command) -> None:
    run = train(gan_train, two, "conditional=true")
    assert gan_export(run, "--format", "torch", "--out", "exported").status == 0
    assert "classes 0 to 1: 0 'cats', 1 'dogs'" in Path("exported/README.md").read_text()


@pytest.mark.slow
def test_evaluation_of_a_text_model_on_changed_sentences_has_to_be_allowed(
    workplace: Path, gan_train: Command, gan_eval: Command
) -> None:
    sentences = [f"{article} {colour} {noun}" for article in "ab" for colour in "cdefg" for noun in "hijkl"]
    file = workplace / "sentences.txt"
    file.write_text("\n".join(sentences))
    text = (
        "algorithm=seqgan",
        "algorithm.estimator.count=2",
        *SHORT_GAME,
        *SMALL_WIDTHS["lstm"],
        "dataset=text",
        f"dataset.path={file}",
        "dataset.max_length=4",
        "dataset.min_count=1",
    )
    done = gan_train(*text, *SHORT, "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert gan_eval("run", "--n", 10, "--json").status == 0
    file.write_text("\n".join(reversed(sentences)))
    refused = gan_eval("run", "--n", 10, "--json")
    assert refused.status == 3
    assert (
        "(50 sequences then and now, but their contents differ): --allow-changed-data" in refused.err.splitlines()[-1]
    )
    allowed = gan_eval("run", "--n", 10, "--json", "--allow-changed-data")
    assert allowed.status == 0, allowed.err
    file.write_text("\n".join(["other words altogether", *sentences]))
    others = gan_eval("run", "--n", 10, "--json", "--allow-changed-data")
    assert others.status == 2
    assert "gan-eval: the data of run have other words now" in others.err.splitlines()[-1]
