"""Words of labels: beside rows and columns of grids, and in names of files."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.errors import ConfigError
from gan_cli.inference.label_choice import choose_labels
from gan_cli.inference.label_text import (
    GridWords,
    SampleProperty,
    arrange_words,
    file_slug,
    label_properties,
    label_texts,
    unique_names,
)
from gan_cli.inference.latent_sources import shown_seeds
from tests.inference.test_label_choice import ANGLE, NUMBERS, SEVERAL


def test_texts_of_labels() -> None:
    assert label_texts(np.array([0, 2]), 3, ("cat", "dog", "owl")) == ["cat", "owl"]
    assert label_texts(np.array([0, 2]), 3, ()) == ["0", "2"]
    assert label_texts(np.array([[1, 0, 1], [0, 0, 0]], np.float32), SEVERAL, ()) == ["young, a, b", "none"]
    assert label_texts(np.array([[30, 1.5]], np.float32), NUMBERS, ()) == ["age=30, angle=1.5"]


def test_words_go_where_they_are_read_at_a_glance() -> None:
    classes = SampleProperty("class", ["a", "a", "b", "b"])
    seeds = SampleProperty("seed", ["1", "2", "1", "2"])
    assert arrange_words([classes, seeds], 4, 2) == GridWords(
        ("rows: class, columns: seed",), rows=("a", "b"), columns=("1", "2")
    )
    assert arrange_words([seeds], 4, 3) == GridWords(("above each sample: seed",), tiles=("1", "2", "1", "2"))
    assert arrange_words([SampleProperty("class", ["a"] * 4)], 4, 2) == GridWords(("class a",))
    assert not arrange_words([], 4, 2)


def test_words_of_numbers_name_both_sides_of_a_grid() -> None:
    order = choose_labels("angle=0:4,age=20:60", NUMBERS, ()).order(9)
    words = arrange_words(label_properties(order.values, NUMBERS, ()), 9, 3)
    assert words == GridWords(
        ("columns: age, rows: angle",), ("0", "2", "4"), ("20", "40", "60")
    ) or words == GridWords(("rows: age, columns: angle",), ("20", "40", "60"), ("0", "2", "4"))


def test_latents_with_every_label() -> None:
    order = choose_labels(None, 3, ()).crossed(2)
    assert order.latents.tolist() == [0, 1, 0, 1, 0, 1]
    assert order.values is not None
    assert order.values.tolist() == [0, 0, 1, 1, 2, 2]
    assert order.columns == 2
    across = choose_labels("0:7", ANGLE, ()).crossed(2)
    assert across.latents.tolist() == [0] * 8 + [1] * 8
    assert across.values is not None
    assert across.values.ravel().tolist() == [*range(8)] * 2
    with pytest.raises(ConfigError, match="ranges of two numbers make a grid of one latent"):
        choose_labels("angle=0:4,age=20:60", NUMBERS, ()).crossed(2)
    assert choose_labels("angle=0:4,age=20:60", NUMBERS, ()).crossed(1).count == 64
    with pytest.raises(ConfigError, match="more than 1,000,000 samples"):
        choose_labels(None, 1000, ()).crossed(1001)


def test_whole_grids() -> None:
    assert choose_labels(None, 10, ()).whole_grid(64) == 70
    assert choose_labels(None, 100, ()).whole_grid(64) == 64
    assert choose_labels("3", 10, ()).whole_grid(64) == 64
    cycled = choose_labels(None, 2, ()).order(6, 2).values
    assert cycled is not None
    assert cycled.tolist() == [0, 0, 1, 1, 0, 0]


def test_names_of_files_are_safe_and_different() -> None:
    assert file_slug("a, b/c", "label0") == "a-b-c"
    assert file_slug("../..", "class3") == "class3"
    assert file_slug("дом", "class3") == "class3"
    assert len(file_slug("x" * 500, "")) <= 40
    assert unique_names(["a", "A", "a_2", "a"]) == ["a", "A_2", "a_2_2", "a_3"]


def test_seeds_are_shown_as_typed() -> None:
    assert shown_seeds((1, 5, 6, 7, 9)) == "1,5-7,9"
