"""Tables of labels with any content, and conditions in checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gan_cli.data.labels import FileClasses, LabelKind, read_labels
from gan_cli.errors import ConfigError
from gan_cli.inference.class_labels import describe_condition
from gan_cli.inference.label_choice import choose_labels
from gan_cli.inference.stored_condition import read_condition, stored_condition
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from tests.fuzz import strategies

CONTENTS = {
    "labels.csv": [
        *(b"file,label\na.png,cat\nb.png,dog\n", b"a.png,1;2\nb.png,3\n", b'"a.png","x\ny"\nb.png,z\n'),
        *(b"file,age,angle\na.png,30,0.5\nb.png,1e400,nan\n", b"file,x\na.png,\xff\n", b"a.png" + b"," * 5000),
        *(b" ", b"\0", b"\n" * 100, b'"', b"a.png,cat\r\n" * 500, b"\xef\xbb\xbffile;l\n./a.png;-1\n.\\b.png;1\n"),
    ],
    "labels.tsv": [b"file\tlabel\na.png\tcat\nb.png\tdog\n"],
    "labels.json": [
        *(b'{"labels": [["a.png", 1], ["b.png", 2]]}', b'{"a.png": ["x", "y"], "b.png": []}', b'{"labels": null}'),
        *(b'{"a.png": [1, 0.5], "b.png": [2, 1e308]}', b'{"a.png": {"b": 1}}', b"[" * 50_000, b'{"a": ' * 5000),
        *(b'{"a.png": 1' + b"0" * 5000 + b"}", b'{"a.png": NaN}', b'{"a.png": true, "a.png": 1}', b"[[1, 2]]", b"3"),
    ],
}
FILES = [(name, content) for name, contents in CONTENTS.items() for content in contents]
TABLE = st.tuples(
    st.integers(0, len(FILES) - 1).flatmap(
        lambda place: st.tuples(
            st.just(FILES[place][0]), st.just(FILES[place][1]) | strategies.damaged(FILES[place][1])
        )
    ),
    st.sampled_from(LabelKind),
)


def table(drawn: tuple[tuple[str, bytes], LabelKind]) -> None:
    """Read a table of labels: what is read is whole."""
    (name, content), kind = drawn
    Path(name).write_bytes(content)
    read = read_labels(Path(name), kind)
    values = read.labels.values
    assert len(values) == len(read.rows) > 0
    if isinstance(read.labels, FileClasses):
        assert 0 <= values.min() <= values.max() < len(read.labels.names)
    else:
        assert np.isfinite(values).all()
        condition = read.labels.condition
        assert values.shape[1] == condition.size == len(condition.ranges)
        assert read_condition(stored_condition(condition)) == condition
    assert "\n" not in read.description
    places = read.find(list(read.rows))
    assert sorted(place for place in places if place is not None) == list(range(len(values)))
    read.select(range(len(values)))


STORED = st.tuples(
    strategies.VALUES
    | st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["numbers", "several", "other", 3]),
            "names": st.lists(st.text(max_size=3) | st.integers(), max_size=3),
            "ranges": st.lists(st.lists(st.floats() | st.integers(), max_size=3), max_size=3) | strategies.VALUES,
        }
    ),
    st.text(max_size=20) | st.sampled_from(["0.5", "a=1", "a=0:1,b=2", "1,2", "x,y", "=", ":", "1:2:3"]),
)


def condition(drawn: tuple[Any, str]) -> None:
    """Read a condition of a checkpoint, and name a label of it."""
    stored, word = drawn
    try:
        found = read_condition(stored)
    except (ValueError, TypeError, LookupError, OverflowError):  # which loading turns into one line
        found = VectorCondition(ConditionKind.numbers, ("a", "b"), ((0.0, 1.0), (-1.0, 2.0)))
    assert "\n" not in describe_condition(found)
    for text in (None, word):
        try:
            choice = choose_labels(text, found, ())
        except ConfigError as error:
            assert "\n" not in str(error)
            continue
        values = choice.values(7)
        assert values is None or len(values) == 7
        assert not any("\n" in line for line in choice.lines)


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "labels": (TABLE, table),
    "condition": (STORED, condition),
}
