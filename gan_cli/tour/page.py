"""The page docs/tour.md, made of the stations: ``python -m gan_cli.tour.page`` rewrites it. Imports no torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from gan_cli.tour.catalogue import STATIONS
from gan_cli.tour.station import Station

PAGE = Path(__file__).parents[2] / "docs" / "tour.md"
COLUMNS = 120

HEAD = """\
# GANs in an afternoon

Fifteen questions, in the order in which the theory is taught. Each has one or two commands that train for a minute or
less on two CPU cores, a picture that they give, what to see in it, and what to change next. Everything is offline: the
data are points in the plane and the handwritten digits inside scikit-learn.

```bash
pip install 'gan-cli[figures]'
gan-tour          # lists the stations
gan-tour 1        # runs one: theory, runs, picture, what to see
gan-tour all      # runs every one
```

Runs and pictures are kept below `outputs/tour`; a run that was interrupted is continued, and a finished one is not
trained again. `gan-tour 3 --open` opens the picture. The pictures below are those of one seed; where the same is
measured over five, a station ends with a link to the [claims of the literature](claims.md).
"""

TAIL = """\
## Your own data

A folder of pictures is enough; sub-folders are classes. [What you have seen here](diagnosis.md) is what the alarms of a
run look for.

```bash
gan-train dataset=image_folder dataset.path=photos
gan-train algorithm=seqgan dataset=text dataset.path=captions.txt
```

From here: [what is going wrong](diagnosis.md), [how to measure samples](evaluation.md),
[sweeps](sweeps.md), [parts of your own](extending.md), and [the claims of the literature, measured](claims.md).
"""


def markdown() -> str:
    """Return the text of docs/tour.md."""
    sections = (_section(number, station) for number, station in enumerate(STATIONS, 1))
    return "\n".join([HEAD, *sections, TAIL])


def _section(number: int, station: Station) -> str:
    picture = f"images/tour/{station.name}.png"
    return "\n".join(
        [
            f"## {number}. {station.question}\n",
            _paragraph(station.theory),
            *_code([f"gan-tour {number}"], "bash"),
            *_runs(station),
            # Of a narrow window a wide picture takes little: it opens by itself.
            f"[![{station.question}]({picture})]({picture})\n",
            _paragraph(station.see),
            *_next(station),
        ]
    )


def _runs(station: Station) -> Iterator[str]:
    if station.commands:
        yield "which runs\n" if len(station.commands) == 1 else "which runs, one after the other,\n"
        yield from _code([_continued(str(command)) for command in station.commands], "bash")


def _next(station: Station) -> Iterator[str]:
    yield "**Try next.**\n"
    for sentence, command in station.change:
        yield _paragraph(sentence)
        yield from _code([_continued(command)], "bash")
    if station.claim:
        yield f"Measured over several seeds: [{station.claim.split('#')[1]}]({station.claim}).\n"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False) + "\n"


def _continued(command: str) -> str:
    """Return a command over several lines, as a shell takes it."""
    return " \\\n    ".join(textwrap.wrap(command, COLUMNS - 8, break_long_words=False, break_on_hyphens=False))


def _code(lines: list[str], language: str) -> list[str]:
    return [f"```{language}", *lines, "```\n"]


def main() -> None:
    """Rewrite docs/tour.md from the stations."""
    PAGE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
