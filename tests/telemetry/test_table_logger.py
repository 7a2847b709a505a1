"""The table of scalars (``logger=csv``): a row for each line of metrics.jsonl, whatever comes in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.helpers.logged_runs import RUN, assert_table_has_all_lines, rows


def test_table_gets_a_column_for_a_tag_that_is_new_and_drops_rows_of_a_later_step(gan_train: Command) -> None:
    done = gan_train("dataset=ring8", *RUN, "logger=csv", "train.eval_every=4", "evaluation.samples=100")
    assert done.status == 0, done.err
    assert_table_has_all_lines()
    assert [int(row["step"]) for row in rows() if row["metrics/modes"]] == [4, 6]
    before = rows()
    for name in ("step_00000006.pt", "last.pt"):
        Path("run/checkpoints", name).unlink()
    with Path("run/metrics.csv").open("a") as table:
        table.write("7,17")
    assert gan_train("resume=run").status == 0
    assert_table_has_all_lines()
    timed = ("time", "speed/steps_per_second", "speed/images_per_second")
    assert [{tag: row[tag] for tag in row if tag not in timed} for row in rows()] == [
        {tag: row[tag] for tag in row if tag not in timed} for row in before
    ]


@pytest.mark.parametrize("content", ["", "\n\n\n", "a,b\n1,2\n", "step,time,a\n" + "9" * 5000 + ",1,2\nx,1,2\n1,2\n"])
def test_rows_that_are_none_of_a_run_are_dropped(content: str, gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv").status == 0
    Path("run/metrics.csv").write_text(content)
    assert gan_train("resume=run", "train.steps=7").status == 0
    assert [row["step"] for row in rows()] == ["6", "7"]


def test_table_of_another_program_costs_one_line(gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv").status == 0
    Path("run/metrics.csv").write_text(f'step,time,a\n1,2,"{"x" * 200_000}"\n')
    done = gan_train("resume=run", "train.steps=7")
    assert done.status == 2
    assert "cannot write run/metrics.csv: no table" in done.err
