"""Labels as text: beside the rows and columns of a grid, and in the names of files. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition
from gan_cli.protocols.data import ConditionValues

# Characters of a label in the name of a file.
MAX_SLUG = 40
# What no file system and no shell takes for anything else.
UNSAFE = re.compile(r"[^A-Za-z0-9.=+-]+")


@dataclass(frozen=True)
class SampleProperty:
    """A property of samples in words.

    Attributes:
        noun: its name.
        texts: its value for each sample.
    """

    noun: str
    texts: Sequence[str]


@dataclass(frozen=True)
class GridWords:
    """Words around a grid and in it.

    Attributes:
        caption: lines above it.
        rows: what each row shows, or empty.
        columns: what each column shows, or empty.
        tiles: what each sample is, or empty.
    """

    caption: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    tiles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.caption or self.rows or self.columns or self.tiles)


def label_texts(values: ConditionValues, condition: Condition, class_names: Sequence[str]) -> list[str]:
    """Return each label as text.

    Args:
        values: classes ``(N,)`` or vectors ``(N, K)``.
        condition: what they are values of.
        class_names: names of the classes, where they are known.
    """
    if not isinstance(condition, VectorCondition):
        return [_class_text(int(label), class_names) for label in values]
    if condition.kind is ConditionKind.several:
        return [", ".join(_held(vector, condition)) or "none" for vector in values]
    named = [zip(condition.names, vector, strict=True) for vector in values]
    return [", ".join(f"{name}={number:.4g}" for name, number in pairs) for pairs in named]


def label_properties(
    values: ConditionValues | None, condition: Condition, class_names: Sequence[str]
) -> list[SampleProperty]:
    """Return what samples are conditional on as properties: each number by itself; none without labels."""
    if values is None:
        return []
    if isinstance(condition, VectorCondition) and condition.kind is ConditionKind.numbers:
        columns = zip(condition.names, values.T, strict=True)
        return [SampleProperty(name, [f"{number:.4g}" for number in column]) for name, column in columns]
    noun = "labels" if isinstance(condition, VectorCondition) else "class"
    return [SampleProperty(noun, label_texts(values, condition, class_names))]


def arrange_words(properties: Sequence[SampleProperty], num_samples: int, columns: int) -> GridWords:
    """Write each property where it is read at a glance.

    What is the same for all samples goes into the caption; what is the same along each row, or each column, beside it;
    anything else into the tiles.

    Args:
        properties: of the samples.
        num_samples: number of samples.
        columns: of their grid.
    """
    place = np.arange(num_samples)
    rows, across = place // columns, place % columns
    captions, row_parts, column_parts, tile_parts = list[str](), list[list[str]](), list[list[str]](), list[list[str]]()
    for each in properties:
        if len(set(each.texts)) == 1:
            captions.append(f"{each.noun} {each.texts[0]}")
        elif (by_row := _constant(each.texts, rows)) is not None:
            row_parts.append(by_row)
            captions.append(f"rows: {each.noun}")
        elif (by_column := _constant(each.texts, across)) is not None:
            column_parts.append(by_column)
            captions.append(f"columns: {each.noun}")
        else:
            tile_parts.append(list(each.texts))
            captions.append(f"above each sample: {each.noun}")
    caption = (", ".join(captions),) if captions else ()
    return GridWords(caption, _joined(row_parts), _joined(column_parts), _joined(tile_parts))


def file_slug(text: str, fallback: str) -> str:
    """Return a text in letters that are safe in the name of a file; where none are left, a fallback."""
    slug = UNSAFE.sub("-", text).strip("-.")[:MAX_SLUG]
    return slug if text.isascii() and slug else fallback


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names of files that are all different, in small letters too, by a number at the end of repeated ones."""
    taken, found = set[str](), list[str]()
    for name in names:
        candidates = (name if number == 1 else f"{name}_{number}" for number in count(1))
        found.append(next(each for each in candidates if each.lower() not in taken))
        taken.add(found[-1].lower())
    return found


def _class_text(label: int, class_names: Sequence[str]) -> str:
    name = class_names[label] if label < len(class_names) else str(label)
    return name if name.isprintable() else str(label)


def _held(vector: FloatArray, condition: VectorCondition) -> list[str]:
    return [name for name, value in zip(condition.names, vector, strict=True) if value]


def _constant(texts: Sequence[str], groups: IntArray) -> list[str] | None:
    """Return the text of each group in ascending order, or None where a group has several."""
    found: dict[int, str] = {}
    for group, text in zip(groups.tolist(), texts, strict=True):
        if found.setdefault(group, text) != text:
            return None
    return [found[group] for group in sorted(found)]


def _joined(parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(map(", ".join, zip(*parts, strict=True)))
