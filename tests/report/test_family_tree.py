"""Which run began from which, as gan-report shows it."""

from __future__ import annotations

import json
from pathlib import Path

from gan_cli.report.family_tree import as_markdown, family_tree
from gan_cli.report.loading import read_run
from tests.conftest import Command
from tests.helpers.run_directories import write_run


def begin(path: Path, key: str, parent: Path | str, step: object = 20, **changes: object) -> None:
    entry = {"path": str(parent), "step": step, "changes": changes}
    write_run(path)
    (path / "origin.json").write_text(json.dumps({key: entry}))


def lines(*paths: Path) -> list[str]:
    return as_markdown(family_tree([read_run(path, path.name) for path in paths]))


def test_forks_and_weights(tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / name for name in "abcd")
    write_run(a)
    begin(b, "forked_from", a, **{"optimizer._target_": 1, "optimizer.lr": 1, "seed": 1})
    begin(c, "init", b, 40)
    begin(d, "forked_from", tmp_path / "elsewhere")
    assert lines(a, b, c, d) == [
        "- a",
        "  - b: fork at step 20 with another optimizer and seed",
        "    - c: weights of step 40",
        f"- {tmp_path / 'elsewhere'}: not among these runs",
        "  - d: fork at step 20, nothing changed",
    ]
    assert lines(a) == []


def test_foreign_files_say_nothing_or_go_in_circles(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    begin(a, "forked_from", b)
    begin(b, "init", a)
    begin(c, "init", "x\0y")
    assert lines(a, b, c) == ["- b: weights of step 20", "  - a: fork at step 20, nothing changed"]
    (c / "origin.json").write_text('{"init": {"path": 3, "step": "x"}, "forked_from": []}')
    assert lines(c) == []


def test_the_report_shows_it(workplace: Path, gan_report: Command) -> None:
    write_run(Path("a"))
    begin(Path("b"), "forked_from", Path("a").absolute(), **{"optimizer.lr": 1})
    done = gan_report("a", "b", "--html", "page.html")
    assert done.status == 0
    assert "fork at step 20 with another optimizer.lr" in Path("page.html").read_text()
    out = gan_report("a", "b").out
    assert "Which run began from which:" in out
    assert "  - b: fork at step 20 with another optimizer.lr" in out
    assert "began from which" not in gan_report("a").out
