"""A run as a notebook shows it: its last samples and its summary, as a fragment of HTML. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from gan_cli.errors import ConfigError, printable
from gan_cli.interface.arguments import shown_path
from gan_cli.report.formatting import format_number
from gan_cli.report.loading import read_run
from gan_cli.report.records import CEILING, RunRecord
from gan_cli.report.samples import first_readable_image, read_quote
from gan_cli.telemetry.quantities import format_duration

# Width and height at most at which samples are shown, in pixels.
MAX_SIDE = 400
# Rows of metrics at most, and beginnings of the tags that are shown, in their order.
MAX_METRICS = 10
SHOWN = ("metrics/", "frechet/", "divergence/", "loss/", "elbo", "modes")
# Groups whose options are named, in their order.
GROUPS = ("experiment", "algorithm", "dataset", "architecture", "loss", "noise", "augment", "optimizer", "sweep")


def run_html(path: Path, status: str) -> str:
    """Return a fragment of HTML with the last samples of a run and a table of its summary; all text is escaped.

    Args:
        path: of the run directory.
        status: of the run.
    """
    try:
        record = read_run(path, path.name)
    except ConfigError as error:
        return f"<pre>{escape(str(error))}</pre>"
    rows = "".join(_row(name, text) for name, text in _facts(record, status).items())
    table = f'<table style="margin:0"><tbody>{rows}</tbody></table>'
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{_samples(record)}{table}</div>'


def _facts(record: RunRecord, status: str) -> Mapping[str, str]:
    """Return name -> text of what is known of a run."""
    options = (record.options.get(group) for group in GROUPS)
    chosen = ", ".join(option for option in options if option is not None and option != "none")
    seconds = "" if record.seconds is None else f" in {format_duration(record.seconds)}"
    facts = {"run": str(shown_path(record.path)), "status": f"{status} at step {record.step:,}{seconds}"}
    if chosen:
        facts["options"] = chosen
    if record.overrides:
        facts["overrides"] = " ".join(record.overrides)
    facts.update((tag, format_number(record.final[tag])) for tag in _shown_tags(record))
    if record.alarms:
        facts["alarms"] = ", ".join(f"{alarm.name} (step {alarm.step:,})" for alarm in record.alarms)
    return facts


def _shown_tags(record: RunRecord) -> list[str]:
    """Return tags of the metrics that say most: how good samples are, then the losses."""
    evaluated = [tag for tag in record.evaluated if tag in record.final]
    others = [tag for head in SHOWN for tag in record.final if tag.startswith(head) and tag != CEILING]
    return list(dict.fromkeys([*evaluated, *others]))[:MAX_METRICS]


def _row(name: str, text: str) -> str:
    left = 'style="text-align:left;vertical-align:top"'
    return f"<tr><th {left}>{escape(printable(name))}</th><td {left}>{escape(printable(text))}</td></tr>"


def _samples(record: RunRecord) -> str:
    """Return the last samples that can be read: a picture, or sentences; empty where there are none."""
    image = first_readable_image(record.samples)
    if image is not None:
        size = f"max-width:{MAX_SIDE}px;max-height:{MAX_SIDE}px"
        return f'<img src="{image.uri}" alt="{escape(image.name)}" style="{size}">'
    return "".join(_sentences(record))


def _sentences(record: RunRecord) -> Iterator[str]:
    quote = next((found for file in record.samples[:1] if (found := read_quote(file)) is not None), None)
    if quote is not None:
        lines = "<br>".join(map(escape, quote.lines))
        yield f'<div style="max-width:{MAX_SIDE}px;text-align:left">{lines}</div>'
