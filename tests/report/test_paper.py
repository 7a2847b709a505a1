"""``gan-report --latex`` and ``--figure``: a table and curves as a paper takes them."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.config import extras
from gan_cli.report import latex
from gan_cli.report.grouping import Spread
from tests.conftest import Command
from tests.helpers.run_directories import write_run, write_sweep

# What LaTeX reads otherwise than as letters, unless a backslash stands before it.
UNESCAPED = re.compile(r"(?<!\\)[&#_^~%]")


def rows_of(text: str) -> list[list[str]]:
    """The cells of a table, which has to have as many in each row as it has columns."""
    for opened, closed in ("{}", ("\\begin", "\\end")):
        assert text.count(opened) == text.count(closed)
    (alignment,) = re.findall(r"\\begin{tabular}{([lr]+)}", text)
    body = text.split("\\toprule")[1].split("\\bottomrule")[0].replace("\\midrule", "")
    rows = [re.split(r"(?<!\\)&", row) for row in body.split("\\\\\n") if row.strip()]
    assert {len(row) for row in rows} == {len(alignment)}
    return [[cell.strip() for cell in row] for row in rows]


def latex_of(gan_report: Command, *arguments: object) -> str:
    done = gan_report("--latex", "out/table.tex", *arguments)
    assert (done.status, done.out) == (0, "out/table.tex\n"), done.err
    return Path("out/table.tex").read_text()


def test_latex_table_has_means_deviations_and_the_best_in_bold(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    text = latex_of(gan_report, "sweep", "--metric", "frechet/pixels", "--metric", "divergence/jsd")
    header, *rows = rows_of(text)
    assert header == ["loss", "optimizer.lr", "seeds", "frechet/pixels $\\downarrow$", "divergence/jsd"]
    assert rows[0] == ["jsd", "0.0002", "3", "$\\mathbf{1.37 \\pm 0.21}$", "$0.3 \\pm 0$"]
    assert rows[1] == ["jsd", "0.001", "3", "$2.17 \\pm 0.21$", "$0.3 \\pm 0$"]
    assert rows[2][4] == "--"
    assert text.count("\\mathbf") == 1
    assert "\\caption{loss and lr on ring8. Mean and sample standard deviation over seeds. Best in bold.}" in text


def test_latex_table_of_runs_measured_differently_has_no_best(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    evaluation = workplace / "sweep" / "3" / "evaluation.json"
    evaluation.write_text(evaluation.read_text().replace('"generated": 9', '"generated": 10'))
    text = latex_of(gan_report, "sweep", "--metric", "frechet/pixels")
    assert "mathbf" not in text
    assert "Not measured alike, and so not to be compared: samples 9 (11 runs), 10 (1 run)." in text


@pytest.mark.parametrize(
    ("mean", "deviation", "count", "text"),
    [
        (1.2345, None, 1, "1.234"),
        (12345.6, None, 1, "12346"),
        (1.2345, 0.0, 3, "1.234 \\pm 0"),
        (0.14042, 0.0123, 4, "0.140 \\pm 0.012"),
        (0.14042, 0.03, 4, "0.140 \\pm 0.030"),
        (0.14042, 0.09, 4, "0.14 \\pm 0.09"),
        (1234.5, 321.0, 4, "1230 \\pm 320"),
        (-0.5, 0.3, 4, "-0.50 \\pm 0.30"),
        (4.74e-8, 4.4e-9, 3, "(4.7 \\pm 0.4) \\times 10^{-8}"),
        (2e-9, None, 1, "2.00 \\times 10^{-9}"),
    ],
)
def test_digits_are_those_that_the_standard_error_leaves(
    mean: float, deviation: float | None, count: int, text: str
) -> None:
    assert latex.format_spread(Spread(mean, deviation, count)) == text


@pytest.mark.parametrize("text", ["a_b & 50% {x} #1 $2 ~ ^ \\n", '<>|"`'])
def test_what_latex_would_interpret_is_escaped(text: str) -> None:
    escaped = latex.escape(text)
    assert not UNESCAPED.search(escaped)
    without_commands = re.sub(r"\\text\w+{}", "", escaped)
    assert not re.search(r"(?<!\\)[{}$]|\\(?![&%$#_{}])", without_commands)


@pytest.mark.slow
def test_latex_compiles(gan_report: Command, workplace: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex")
    for number in range(2):
        write_run(workplace / str(number), config={"name": f'{number} _&%$#{{}}~^\\<>|"`'})
    latex_of(gan_report, ".")
    preamble = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}"
    Path("paper.tex").write_text(f"{preamble}\\begin{{document}}\\input{{out/table.tex}}\\end{{document}}")
    done = subprocess.run(["pdflatex", "-halt-on-error", "paper.tex"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_figure_is_written_in_each_format(kind: str, gan_report: Command, workplace: Path) -> None:
    pytest.importorskip("matplotlib")
    write_sweep(workplace / "sweep")
    done = gan_report("sweep", "--figure", f"out/curves.{kind}", "--metric", "divergence/jsd")
    assert (done.status, done.out) == (0, f"out/curves.{kind}\n"), done.err
    content = Path(f"out/curves.{kind}").read_bytes()
    if kind == "png":
        with Image.open(f"out/curves.{kind}") as picture:
            assert picture.width == pytest.approx(3.3 * 300, abs=1)
            assert len(np.unique(np.asarray(picture))) > 50
    elif kind == "svg":
        for words in ("divergence/jsd (nats)", "step", "loss=jsd, lr=0.001", "log 2"):
            assert words.encode() in content, words
    else:
        assert content.startswith(b"%PDF")
    gan_report("sweep", "--figure", f"out/again.{kind}", "--metric", "divergence/jsd")
    assert Path(f"out/again.{kind}").read_bytes() == content


def test_several_forms_are_written_at_once(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    done = gan_report("sweep", "--latex", "a.tex", "--html", "a.html")
    assert (done.status, done.out) == (0, "a.html\na.tex\n"), done.err


def test_mistakes_about_a_figure_cost_one_line(
    gan_report: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(workplace / "run", figures={"metrics/recall": (0.5,)})
    write_run(workplace / "none", figures={}, status=None)
    name = gan_report("run", "--figure", "a.jpg")
    assert (name.status, name.out) == (2, "")
    assert name.err == "gan-report: --figure: expected a name that ends in .pdf, .svg, .png, got 'a.jpg'\n"
    pytest.importorskip("matplotlib")
    empty = gan_report("none", "--figure", "a.pdf")
    assert empty.err == "gan-report: --figure: no run has a curve of these metrics; --metric TAG chooses others\n"
    assert not Path("a.pdf").exists()
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "matplotlib" else PathFinder.find_spec(name))
    missing = gan_report("run", "--figure", "a.pdf")
    assert missing.status == 2
    assert missing.err.endswith("this takes matplotlib, not installed here: pip install 'gan-cli[figures]'\n")
