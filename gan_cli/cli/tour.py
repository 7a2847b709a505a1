"""``gan-tour``: GANs in an afternoon, one question after the other, each answered by short runs and a picture."""

from __future__ import annotations

import argparse
import textwrap
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gan_cli.cli.arguments import CommandParser, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.errors import printable

if TYPE_CHECKING:
    from gan_cli.tour.runner import Tour
    from gan_cli.tour.station import Station

COLUMNS = 100


def main() -> NoReturn:
    """Run ``gan-tour`` on the command line of this process."""
    exit_with_status("gan-tour", lambda: _tour(_parser().parse()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-tour",
        description="GANs in an afternoon: stations of one question each. Without a station, lists them. A station"
        " trains for a minute or two, draws a picture, and says what to see in it and what to try next."
        " docs/tour.md is the same to read.",
    )
    parser.add_argument("stations", nargs="*", metavar="STATION", help="numbers or names; all: every one, half an hour")
    parser.add_argument(
        "--folder", type=Path, default=Path("outputs", "tour"), help="where runs and pictures are kept [outputs/tour]"
    )
    parser.add_argument("--open", action="store_true", help="open each picture")
    parser.add_argument("--fresh", action="store_true", help="train finished runs anew")
    parser.add_argument(
        "--short", action="store_true", help="a few steps for each run, to see whether all of it works here"
    )
    parser.add_argument("--version", action="version", version=version())
    return parser


def _tour(arguments: argparse.Namespace) -> int:
    from gan_cli.config.extras import require_extra
    from gan_cli.tour.catalogue import STATIONS, find_station
    from gan_cli.tour.runner import SHORT, Tour

    if not arguments.stations:
        print(_list())
        return 0
    every = range(1, len(STATIONS) + 1)
    numbers = every if arguments.stations == ["all"] else [find_station(each) for each in arguments.stations]
    require_extra("the pictures of the tour", "figures")
    tour = Tour(arguments.folder, SHORT if arguments.short else (), arguments.fresh)
    for number in numbers:
        _visit(tour, number, STATIONS[number - 1], arguments.open)
    return 0


def _list() -> str:
    from gan_cli.tour.catalogue import STATIONS

    rows = [f"{number:3}  {station.question}" for number, station in enumerate(STATIONS, 1)]
    return "\n".join(["GANs in an afternoon. gan-tour 1 begins.", "", *rows])


def _visit(tour: Tour, number: int, station: Station, opens: bool) -> None:
    print(f"\n{number}. {station.question}\n\n{textwrap.fill(station.theory, COLUMNS)}", flush=True)
    picture = tour.visit(station)
    print(f"\npicture: {printable(picture)}\n\n{textwrap.fill(station.see, COLUMNS)}\n\nTry next:")
    for sentence, command in station.change:
        print(f"  {sentence}\n    {command}")
    if opens:
        webbrowser.open(picture.absolute().as_uri())


if __name__ == "__main__":
    main()
