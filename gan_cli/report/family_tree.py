"""Family tree of runs: which began from which, by a fork or with the weights of another (``init``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import printable
from gan_cli.report.formatting import join_words
from gan_cli.report.records import Origin, RunRecord

# Most changed settings that a line names.
MAX_CHANGES = 4


@dataclass(frozen=True)
class FamilyMember:
    """A line of the tree.

    Attributes:
        depth: 0 for a run that began from none.
        name: of the run.
        text: how it began; empty for one that began from none.
    """

    depth: int
    name: str
    text: str


def family_tree(runs: Sequence[RunRecord]) -> list[FamilyMember]:
    """Return the lines of the tree of all runs that began from another one, and of those; empty without any."""
    children: dict[str, list[RunRecord]] = {}
    by_path = {_identity(run.path): run for run in runs}
    for run in runs:
        if run.origin is not None:
            children.setdefault(_identity(run.origin.path), []).append(run)
    descendants = {_identity(run.path) for family in children.values() for run in family}
    lines: list[FamilyMember] = []
    placed: set[str] = set()
    # Files may claim that a run began from its own descendant: such a circle has no root, and is entered anywhere.
    for top in (*(path for path in children if path not in descendants), *children):
        if top not in placed:
            lines += _branch(top, by_path, children, placed, 0)
    return lines


def as_markdown(members: Sequence[FamilyMember]) -> list[str]:
    """Return the tree as lines of a nested list."""
    return [f"{'  ' * member.depth}- {member.name}{member.text and f': {member.text}'}" for member in members]


def _branch(
    path: str,
    by_path: Mapping[str, RunRecord],
    children: Mapping[str, Sequence[RunRecord]],
    placed: set[str],
    depth: int,
) -> Iterator[FamilyMember]:
    placed.add(path)
    run = by_path.get(path)
    if run is None:
        yield FamilyMember(depth, printable(path), "not among these runs")
    else:
        yield FamilyMember(depth, run.name, "" if run.origin is None else describe(run.origin))
    for child in children.get(path, ()):
        if _identity(child.path) not in placed:
            yield from _branch(_identity(child.path), by_path, children, placed, depth + 1)


def describe(origin: Origin) -> str:
    """Return how a run began: ``fork at step 2,000 with another optimizer.lr_g``."""
    if not origin.is_fork:
        return f"weights of step {origin.step:,}"
    names = [*origin.changes[:MAX_CHANGES]]
    rest = len(origin.changes) - len(names)
    more = [f"{rest} more"] if rest else []
    changed = f" with another {join_words([*names, *more])}" if names else ", nothing changed"
    return f"fork at step {origin.step:,}{changed}"


def _identity(path: Path) -> str:
    return os.path.realpath(path)
