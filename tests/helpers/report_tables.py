"""Tables that ``gan-report`` prints, read back."""

from __future__ import annotations

import csv
import io

from tests.conftest import Finished


def table(done: Finished) -> list[dict[str, str]]:
    """The rows of a Markdown table, which has to be one: as many cells in each row as in the header."""
    assert done.status == 0, done.err
    rows = [line for line in done.out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    header, ruler, *others = cells
    assert set("".join(ruler)) <= set("-:")
    assert {len(row) for row in cells} == {len(header)}
    return [dict(zip(header, row, strict=True)) for row in others]


def records(done: Finished) -> list[dict[str, str]]:
    assert done.status == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))
