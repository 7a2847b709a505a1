"""Self-contained HTML page of a comparison: it loads nothing, and runs no script but its own few lines."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gan_cli import __version__
from gan_cli.errors import printable
from gan_cli.report import charts, columns, family_tree, samples, settings, summary_text, svg
from gan_cli.report.formatting import MISSING, format_count, format_mean_and_deviation, format_number
from gan_cli.report.grouping import Comparison, RunGroup, Spread
from gan_cli.report.records import RunRecord, RunState
from gan_cli.report.samples import EmbeddedImage, Quote

TEMPLATES = Path(__file__).parent / "templates"
# Most pictures of a group and of all groups, so that a page can be sent by mail.
MAX_PICTURES_PER_GROUP = 4
MAX_PICTURES = 60


@dataclass(frozen=True)
class Cell:
    """A cell of the table, with the value to sort by.

    Attributes:
        heading: of its column, shown beside the cell on narrow screens.
        text: content of the cell.
        value: to sort by.
        notes: smaller lines below the text.
        kind: ``choice``, ``number``, ``alarm`` or ``words``, its CSS class.
    """

    heading: str
    text: str
    value: str
    notes: tuple[str, ...] = ()
    kind: str = "words"


@dataclass(frozen=True)
class TableRow:
    """Row of a group in the table, with the CSS classes of its color and the legend key of its lines."""

    style: str
    key: Markup
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Picture:
    """A sample grid, or sentences, with a caption."""

    caption: str
    image: EmbeddedImage | None = None
    quote: Quote | None = None


@dataclass(frozen=True)
class Card:
    """Last samples of a group.

    Attributes:
        style: CSS classes of the color of the group.
        label: of the group.
        pictures: of its first runs.
        left_out: number of further runs with samples.
    """

    style: str
    label: str
    pictures: tuple[Picture, ...]
    left_out: int


def page(comparison: Comparison) -> str:
    """Render a comparison as the HTML of a page."""
    first, more = columns.curve_tags(columns.known_tags(comparison.runs), comparison.tags)
    script, sheet = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("page.js", "page.css"))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html").render(
        title=summary_text.title(comparison),
        extent=summary_text.extent(comparison),
        varied=summary_text.varied(comparison),
        shared=settings.shared_settings(comparison.runs),
        summary=summary_text.summary(comparison),
        legend=summary_text.legend(comparison),
        rows=[_row(comparison, index, group) for index, group in enumerate(comparison.groups)],
        keys=[(svg.style(index), svg.key(index), group.label) for index, group in enumerate(comparison.groups)],
        charts=[(chart, svg.draw(chart)) for chart in charts.charts(comparison, first)],
        more_charts=[(chart, svg.draw(chart)) for chart in charts.charts(comparison, more)],
        several=any(len(group.runs) > 1 for group in comparison.groups),
        alarmed=any(group.alarms for group in comparison.groups),
        cards=list(_cards(comparison)),
        without_cards=max(0, len(comparison.groups) - MAX_PICTURES),
        groups=[(group, _settings(group.runs[0])) for group in comparison.groups],
        family=family_tree.family_tree(comparison.runs),
        runs=[_run(group, run) for group in comparison.groups for run in group.runs],
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        sheet=sheet,
        version=__version__,
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _breakable(tag: str) -> Markup:
    """Return a tag with possible line breaks after its slashes and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", tag))


def _row(comparison: Comparison, index: int, group: RunGroup) -> TableRow:
    keys = comparison.named_keys or ("run",)
    values = comparison.named_values(group) or (group.label,)
    count = len(group.runs)
    cells = [
        *(Cell(key, value, value, kind="choice") for key, value in zip(keys, values, strict=True)),
        Cell("seeds", str(count), str(count), kind="number"),
        Cell("state", group.states, group.states, (f"step {group.step:,}",)),
        _alarms(group),
        *(_cell(tag, group.final(tag), group.best(tag), count) for tag in comparison.tags),
        _cell("seconds", group.seconds, None, count),
    ]
    return TableRow(svg.style(index), svg.key(index), tuple(cells))


def _cell(heading: str, final: Spread | None, best: Spread | None, of: int) -> Cell:
    """Return the cell of a metric: its mean, with notes on deviation, number of runs if not all, and best value."""
    if final is None:
        return Cell(heading, MISSING, "", kind="number")
    mean, _, deviation = format_mean_and_deviation(final.mean, final.deviation).partition(" ± ")
    notes = [
        f"± {deviation}" if deviation else "",
        f"n = {final.count}" if final.count < of else "",
        f"best {best.mean:.3g}" if best else "",
    ]
    return Cell(heading, mean, str(final.mean), tuple(note for note in notes if note), "number")


def _alarms(group: RunGroup) -> Cell:
    alarms = group.alarms
    notes = tuple(summary_text.format_alarm(each).replace("_", " ") for each in alarms)
    text = format_count(len(alarms), "alarm") if alarms else "none"
    return Cell("alarms", text, str(len(alarms)), notes, "alarm" if alarms else "words")


def _cards(comparison: Comparison) -> Iterator[Card]:
    """Yield the last samples of every group, of fewer runs of each where there are many groups."""
    limit = max(1, min(MAX_PICTURES_PER_GROUP, MAX_PICTURES // len(comparison.groups)))
    for index, group in enumerate(comparison.groups[:MAX_PICTURES]):
        sampled = [run for run in group.runs if run.samples]
        pictures = []
        for run in sampled[:limit]:
            grids, texts = (tuple(file for file in run.samples if file.suffix == end) for end in (".png", ".txt"))
            image, quote = samples.first_readable_image(grids), samples.read_quote(texts[0]) if texts else None
            content = image or quote
            if content is not None:
                step = int(Path(content.name).stem.removeprefix("step_"))
                ended = "" if run.state is RunState.completed else f", {run.state.value}"
                pictures.append(Picture(f"seed {run.seed}, step {step:,}{ended}", image, quote))
        if pictures:
            yield Card(svg.style(index), group.label, tuple(pictures), len(sampled) - len(pictures))


def _settings(run: RunRecord) -> str:
    """Return the configuration of a run, one setting on each line."""
    return "\n".join(f"{key}: {settings.format_setting(value)}" for key, value in run.leaves.items())


def _run(group: RunGroup, run: RunRecord) -> dict[str, str]:
    """Return the texts of a run for the list of all runs."""
    return {
        "name": run.name,
        "label": group.label,
        "path": printable(run.path),
        "seed": run.seed,
        "state": run.state.value,
        "step": f"{run.step:,}",
        "seconds": "" if run.seconds is None else format_number(run.seconds),
        "overrides": " ".join(run.overrides),
        "provenance": json.dumps(run.provenance, indent=1) if run.provenance else "",
    }
