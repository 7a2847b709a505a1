"""``gan-report``: comparison of runs as a table in Markdown, CSV or LaTeX, as a figure, or as one HTML page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gan_cli.cli.arguments import CommandParser, typed_folders, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.errors import ConfigError, printable

if TYPE_CHECKING:
    from gan_cli.report.grouping import Comparison
    from gan_cli.report.records import RunRecord


def main() -> NoReturn:
    """Run ``gan-report`` on the command line of this process."""
    exit_with_status("gan-report", lambda: _report(_parser().parse()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-report",
        description="Compare runs: what differs between them, their last and best metrics with mean and deviation over"
        " seeds, alarms, and seconds of training. Reads runs that have not ended yet, and what is left of runs that"
        " died. Writes a Markdown table to stdout, unless another form is asked for.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a run directory, a sweep, or any folder above them; last: the latest run below outputs/",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="the table as CSV, with full precision")
    form.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="one page that needs nothing else: table, curves, last samples, configurations",
    )
    parser.add_argument(
        "--latex",
        type=Path,
        metavar="FILE",
        help="the table for a paper: booktabs, mean and deviation, the best measured metrics in bold",
    )
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="curves of the metrics for a paper, as wide as a column, to a .pdf, .svg or .png (needs gan-cli[figures])",
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="TAG",
        help="show this metric, and only those asked for; may be repeated [measured ones, divergence, accuracy of D]",
    )
    parser.add_argument(
        "--all-columns",
        action="store_true",
        help="all measured metrics, and columns that few of the rows have a value in [the most telling ones]",
    )
    parser.add_argument("--sort", metavar="TAG", help="the best by this metric first [in the order of the choices]")
    parser.add_argument("--each", action="store_true", help="a row for each run, instead of one for all its seeds")
    parser.add_argument("--version", action="version", version=version())
    return parser


def _report(arguments: argparse.Namespace) -> int:
    from gan_cli.report import figure, html_page, latex, tables
    from gan_cli.storage.files import write_atomic, writing

    if arguments.figure is not None:
        figure.check_file("--figure", arguments.figure)
    comparison = _compare(_load_runs(typed_folders("gan-report", arguments.paths)), arguments)
    files: dict[Path, bytes] = {}
    if arguments.html is not None:
        files[arguments.html] = html_page.page(comparison).encode()
    if arguments.latex is not None:
        files[arguments.latex] = latex.table(comparison).encode()
    if arguments.figure is not None:
        files[arguments.figure] = figure.draw(comparison, figure.format_of(arguments.figure))
    if arguments.csv or not files:
        print(tables.csv_text(comparison) if arguments.csv else tables.markdown(comparison))
    for file, content in files.items():
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, content)
        print(printable(file), file=sys.stderr if arguments.csv else sys.stdout)
    return 0


def _load_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """Read all runs at and below the paths; folders that only look like runs are listed on stderr."""
    from gan_cli.report.loading import read_run
    from gan_cli.report.run_search import find_runs, run_names
    from gan_cli.storage.run_directory import RunDirectory

    found = find_runs(paths)
    notes, runs = list(found.notes), []
    for path, name in zip(found.runs, run_names(found.runs), strict=True):
        try:
            runs.append(read_run(path, name))
            notes += [f"{damage}; the run is shown without it" for damage in RunDirectory(path).damage()]
        except ConfigError as error:
            notes.append(f"left out: {error}")
    for note in notes:
        print(f"gan-report: {printable(note)}", file=sys.stderr)
    if not runs:
        below = " and ".join(repr(str(path)) for path in paths)
        raise ConfigError(f"no run in {below}: a run directory has a .hydra/config.yaml that gan-train wrote")
    return runs


def _compare(runs: Sequence[RunRecord], arguments: argparse.Namespace) -> Comparison:
    from gan_cli.report import columns, grouping

    known = columns.known_tags(runs)
    keys, groups = (grouping.group_each_run if arguments.each else grouping.group_by_configuration)(runs)
    wanted = columns.validate_tags("--metric", arguments.metric, known)
    # What there is to choose from where nothing was asked for.
    every = columns.default_tags(known, None)
    common = columns.default_tags(grouping.common_tags(groups, known))
    tags = wanted or (every if arguments.all_columns else common) or every
    left_out = [] if wanted else [tag for tag in every if tag not in tags]
    main = grouping.main_tag(groups, tags)
    if arguments.sort is not None:
        (main,) = columns.validate_tags("--sort", [arguments.sort], known)
        groups = grouping.rank_groups(groups, main)
    for note in grouping.repeated_seeds(groups):
        print(f"gan-report: {printable(note)}", file=sys.stderr)
    return grouping.Comparison(
        tuple(keys), tuple(groups), tuple(tags), main, tuple(left_out), one_run_a_group=arguments.each
    )


if __name__ == "__main__":
    main()
