"""The comparison as one HTML page that needs nothing else: no network, no script but its own few lines."""

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
from gan_cli.report import charts, columns, grouping, samples, summary_text, svg
from gan_cli.report.formatting import MISSING, format_count, format_number, format_mean_and_deviation
from gan_cli.report.grouping import Comparison, RunGroup, Spread
from gan_cli.report.records import RunRecord, RunState
from gan_cli.report.samples import EmbeddedImage, Quote

TEMPLATES = Path(__file__).parent / "templates"
# A page is to be sent: so many pictures of a group at most, and so many in all.
MAX_PICTURES_PER_GROUP = 4
MAX_PICTURES = 60


@dataclass(frozen=True)
class Cell:
    """A cell of the table.

    Attributes:
        heading: of its column, shown beside it where the page is narrow.
        text: what it says.
        value: what to sort by.
        notes: smaller lines below.
        kind: ``choice``, ``number`` or ``words``, for its looks.
    """

    heading: str
    text: str
    value: str
    notes: tuple[str, ...] = ()
    kind: str = "words"


@dataclass(frozen=True)
class TableRow:
    """A group in the table, with the classes of its colour and the key of its lines."""

    style: str
    key: Markup
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Picture:
    """A sample grid, or sentences, with what to say below."""

    caption: str
    image: EmbeddedImage | None = None
    quote: Quote | None = None


@dataclass(frozen=True)
class Card:
    """The last samples of a group.

    Attributes:
        style: classes of its colour.
        label: what the group is called.
        pictures: of its first runs.
        left_out: how many more runs have some.
    """

    style: str
    label: str
    pictures: tuple[Picture, ...]
    left_out: int


def page(comparison: Comparison) -> str:
    """The page's HTML."""
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
        shared=grouping.shared_settings(comparison.runs),
        summary=summary_text.summary(comparison),
        legend=summary_text.legend(comparison),
        rows=[_row(comparison, place, group) for place, group in enumerate(comparison.groups)],
        keys=[(svg.style(place), svg.key(place), group.label) for place, group in enumerate(comparison.groups)],
        charts=[(chart, svg.draw(chart)) for chart in charts.charts(comparison, first)],
        more_charts=[(chart, svg.draw(chart)) for chart in charts.charts(comparison, more)],
        several=any(len(group.runs) > 1 for group in comparison.groups),
        alarmed=any(group.alarms for group in comparison.groups),
        cards=list(_cards(comparison)),
        without_cards=max(0, len(comparison.groups) - MAX_PICTURES),
        groups=[(group, _settings(group.runs[0])) for group in comparison.groups],
        runs=[_run(run) for run in comparison.runs],
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        sheet=sheet,
        version=__version__,
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _breakable(tag: str) -> Markup:
    """A tag that may be broken into lines behind its slashes and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", tag))


def _row(comparison: Comparison, place: int, group: RunGroup) -> TableRow:
    keys = comparison.keys or ("run",)
    values = group.values or (group.label,)
    count = len(group.runs)
    cells = [
        *(Cell(key, value, value, kind="choice") for key, value in zip(keys, values, strict=True)),
        Cell("seeds", str(count), str(count), kind="number"),
        Cell("state", group.states, group.states, (f"step {group.step:,}",)),
        _alarms(group),
        *(_cell(tag, group.final(tag), group.best(tag), count) for tag in comparison.tags),
        _cell("seconds", group.seconds, None, count),
    ]
    return TableRow(svg.style(place), svg.key(place), tuple(cells))


def _cell(heading: str, final: Spread | None, best: Spread | None, of: int) -> Cell:
    """A figure: its mean, and on lines below its deviation, of how many runs where not all, and the best value."""
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
    """Pictures of every group, of fewer runs of each where there are many groups."""
    most = max(1, min(MAX_PICTURES_PER_GROUP, MAX_PICTURES // len(comparison.groups)))
    for place, group in enumerate(comparison.groups[:MAX_PICTURES]):
        having = [run for run in group.runs if run.samples]
        pictures = []
        for run in having[:most]:
            grids, texts = (tuple(file for file in run.samples if file.suffix == end) for end in (".png", ".txt"))
            image, quote = samples.first_readable_image(grids), samples.read_quote(texts[0]) if texts else None
            shown = image or quote
            if shown is not None:
                step = int(Path(shown.name).stem.removeprefix("step_"))
                ended = "" if run.state is RunState.completed else f", {run.state.value}"
                pictures.append(Picture(f"seed {run.seed}, step {step:,}{ended}", image, quote))
        if pictures:
            yield Card(svg.style(place), group.label, tuple(pictures), len(having) - len(pictures))


def _settings(run: RunRecord) -> str:
    """The configuration of a run, a setting a line."""
    return "\n".join(f"{key}: {grouping.format_setting(value)}" for key, value in run.leaves.items())


def _run(run: RunRecord) -> dict[str, str]:
    """A run in the list of all of them."""
    return {
        "name": run.name,
        "seed": run.seed,
        "state": run.state.value,
        "step": f"{run.step:,}",
        "seconds": "" if run.seconds is None else format_number(run.seconds),
        "overrides": " ".join(run.overrides),
        "provenance": json.dumps(run.provenance, indent=1) if run.provenance else "",
    }
