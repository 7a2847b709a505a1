"""Curves of a comparison as a figure for a paper, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_cli.config.extras import require_extra
from gan_cli.errors import ConfigError
from gan_cli.report import charts, columns
from gan_cli.report.charts import Chart
from gan_cli.report.grouping import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".pdf", ".svg", ".png")
# Inches: a column of a page of two, and a panel in it. Letters as large as a caption's.
WIDTH, PANEL_HEIGHT, LEGEND_LINE = 3.3, 2.1, 0.16
STYLE: Any = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # letters that can be searched and edited
    "svg.fonttype": "none",
    "svg.hashsalt": "gan-report",
}
DPI = 300
MAX_PANELS = 4
# Okabe and Ito's colors, which people with any color vision can distinguish; then the same dashed, and dotted.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
DASHES = ("-", "--", ":", "-.")


def check_file(option: str, file: Path) -> None:
    """Check before runs are read that a figure can be drawn to a file of that name.

    Raises:
        ConfigError: its suffix is none of a figure's, or matplotlib is not installed.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{option}: expected a name that ends in {', '.join(SUFFIXES)}, got {str(file)!r}")
    require_extra(option, "figures")


def format_of(file: Path) -> str:
    """Return the format of a figure by the suffix of its file."""
    return file.suffix.lower().removeprefix(".")


def draw(comparison: Comparison, kind: str) -> bytes:
    """Return the curves of the table's metrics as a file, a panel each: mean over seeds, band of one deviation.

    Args:
        comparison: the groups and their metrics.
        kind: format of the file: ``pdf``, ``svg`` or ``png``.

    Raises:
        ConfigError: no run has a curve of these metrics.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = charts.charts(comparison, _tags(comparison))
    labels = {line.index: line.label for chart in drawn for line in chart.lines}
    legend = LEGEND_LINE * (len(labels) + 1) if len(labels) > 1 else 0.0
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(drawn) + legend), layout="constrained", dpi=DPI)
        panels = figure.subplots(len(drawn), squeeze=False)[:, 0]
        for axes, chart in zip(panels, drawn, strict=True):
            _draw_panel(axes, chart)
        if len(labels) > 1:
            drawn_lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
            handles = [drawn_lines[labels[index]] for index in sorted(labels)]
            figure.legend(handles=handles, loc="outside lower left", frameon=False, handlelength=2.5)
        # Without a date, equal runs give equal files.
        dated = {"pdf": "CreationDate", "svg": "Date"}.get(kind)
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata=None if dated is None else {dated: None})
        return content.getvalue()


def _tags(comparison: Comparison) -> Sequence[str]:
    known = {tag for run in comparison.runs for tag in run.curves}
    tags = [tag for tag in comparison.tags if tag in known][:MAX_PANELS]
    if not tags:
        tags = columns.curve_tags(sorted(known), ())[0][:1]
    if not tags:
        raise ConfigError("--figure: no run has a curve of these metrics; --metric TAG chooses others")
    return tags


def _draw_panel(axes: Axes, chart: Chart) -> None:
    for line in chart.lines:
        color, dashes = COLORS[line.index % len(COLORS)], DASHES[line.index // len(COLORS) % len(DASHES)]
        band = line.band
        (mean,) = axes.plot(band.steps, band.mean, dashes, color=color, label=line.label, linewidth=1.1)
        if len(band.steps) == 1:
            mean.set(marker="o", markersize=3)
        if band.deviation.any():
            low, high = band.mean - band.deviation, band.mean + band.deviation
            if chart.unit in columns.SHARES:
                low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
            axes.fill_between(band.steps, low, high, color=color, alpha=0.18, linewidth=0)
    if chart.ceiling is not None:
        axes.axhline(chart.ceiling[0], color="black", linewidth=0.6, linestyle=(0, (5, 4)))
        axes.annotate(
            chart.ceiling[1], (1, chart.ceiling[0]), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    if chart.logarithmic:
        axes.set_yscale("log")
    unit = f" ({chart.unit})" if chart.unit else ""
    about = f", {chart.about}" if chart.about else ""
    axes.set_ylabel(f"{chart.tag}{about}{unit}")
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, linewidth=0.4, alpha=0.4)
