"""The stations of the tour: their commands, texts and the page that is made of them."""

from __future__ import annotations

import re
import shlex

import pytest

from gan_cli.config.compose import compose, register
from gan_cli.tour.catalogue import STATIONS
from gan_cli.tour.page import COLUMNS, PAGE, markdown
from gan_cli.tour.station import Command, Station
from gan_cli.training import planning

EACH = pytest.mark.parametrize("station", STATIONS, ids=lambda station: station.name)


def runs_of(command: Command) -> list[list[str]]:
    """The overrides of each run of a command."""
    jobs: list[list[str]] = [[]]
    for item in command.arguments:
        if item == "-m":
            continue
        key, _, value = item.partition("=")
        values = split_choices(value) if command.is_multirun else [value]
        jobs = [[*job, f"{key}={each}"] for job in jobs for each in values]
    return jobs


def split_choices(value: str) -> list[str]:
    """The values of a sweep's override; commas within brackets separate none."""
    parts, depth = [""], 0
    for letter in value:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def test_names_and_commands_are_unambiguous() -> None:
    assert len({station.name for station in STATIONS}) == len(STATIONS)
    commands = [command for station in STATIONS for command in station.commands]
    lines = {command.name: command.line for command in commands}
    assert all(lines[command.name] == command.line for command in commands)


@EACH
def test_commands_can_run(station: Station) -> None:
    register()
    for command in station.commands:
        for overrides in runs_of(command):
            planning.plan(compose(overrides, None).config)


@EACH
def test_what_to_try_next_can_run(station: Station) -> None:
    register()
    tried = [shlex.split(command) for _, command in station.change]
    assert tried
    for program, *arguments in tried:
        if program == "gan-train":
            for overrides in runs_of(Command("tried", shlex.join(arguments))):
                planning.plan(compose(overrides, None).config)
        else:
            assert program in ("gan-sample", "gan-eval", "gan-report", "python")


@EACH
def test_texts_are_complete(station: Station) -> None:
    assert station.question.endswith("?")
    assert len(station.theory.split()) > 30
    assert 30 < len(station.see.split()) < 150
    assert all(sentence.endswith((".", ":")) for sentence, _ in station.change)


def test_the_page_is_made_of_the_stations() -> None:
    assert PAGE.read_text() == markdown(), "python -m gan_cli.tour.page rewrites it"


def test_the_page_has_every_station_in_order() -> None:
    text = markdown()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:-1] == [f"## {number}. {station.question}" for number, station in enumerate(STATIONS, 1)]
    assert max(len(line) for line in text.splitlines() if not line.startswith("[![")) <= COLUMNS
    for station in STATIONS:
        assert f"](images/tour/{station.name}.png)" in text
    blocks = " ".join(re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL))
    commands = shlex.split(blocks.replace("\\\n", ""), comments=True)
    for station in STATIONS:
        for command in station.commands:
            assert " ".join(command.arguments) in " ".join(commands)
