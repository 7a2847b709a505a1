"""The pages on the code's structure name files, functions and packages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.test_imports import ORDER

ARCHITECTURE = ROOT / "docs" / "architecture.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
INDEX = ROOT / "docs" / "decisions" / "README.md"
PAGES = (ARCHITECTURE, *DECISIONS, INDEX, ROOT / "CONTRIBUTING.md")
HEADINGS = (("Context",), ("Decision",), ("What was tried", "What was considered"), ("Consequences",))
MAX_DECISION_LINES = 80
MAX_ARCHITECTURE_LINES = 250

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
# `name` or `Class.name`, as the text of a link to a Python file.
SYMBOL = re.compile(r"`(?:\w+\.)*(\w+)`")
PYTHON_PATH = re.compile(r"\b(?:gan_cli|tests|benchmarks)/[\w/]*\.py\b")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def links(page: Path) -> list[tuple[str, str]]:
    """Text and target of every relative link of a page."""
    found = LINK.findall(page.read_text())
    return [(text, target.partition("#")[0]) for text, target in found if "://" not in target]


def defines(source: str, name: str) -> bool:
    """Whether a module defines a function, class, method, field or constant of that name."""
    definition = rf"^\s*(?:(?:async )?def|class) {name}\b|^\s*(?:self\.)?{name}\b[^=\n(]*[:=]"
    return re.search(definition, source, flags=re.MULTILINE) is not None


@by_page
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [target for _, target in links(page) if not (page.parent / target).exists()]
    assert missing == []


@by_page
def test_every_path_of_the_text_exists(page: Path) -> None:
    assert [path for path in PYTHON_PATH.findall(page.read_text()) if not (ROOT / path).is_file()] == []


@by_page
def test_linked_files_define_what_the_link_says(page: Path) -> None:
    missing = []
    for text, target in links(page):
        match = SYMBOL.fullmatch(text)
        if match and target.endswith(".py") and f"{match[1]}.py" != Path(target).name and not text.endswith(".py`"):
            source = (page.parent / target).read_text()
            names = text.strip("`").split(".")
            missing += [f"{target}: {name}" for name in names if not defines(source, name)]
    assert missing == []


@by_page
def test_constants_exist(page: Path) -> None:
    source = "\n".join(file.read_text() for file in (ROOT / "gan_cli").rglob("*.py"))
    constants = set(re.findall(r"`(_?[A-Z][A-Z0-9]*_[A-Z0-9_]+)", page.read_text()))
    assert {name for name in constants if not re.search(rf"\b{name}\b", source)} == set()


def test_symbols_are_linked_at_all() -> None:
    """The check above would hold for a page whose links it cannot read."""
    symbols = [text for text, target in links(ARCHITECTURE) if SYMBOL.fullmatch(text) and target.endswith(".py")]
    assert len(symbols) > 60


def test_packages_stand_in_the_order_that_is_tested() -> None:
    (listed,) = re.findall(r"^```text\n(.*?)```", ARCHITECTURE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert tuple(tuple(line.split(", ")) for line in listed.splitlines()) == ORDER


def test_every_package_has_a_sentence() -> None:
    section = ARCHITECTURE.read_text().split("\n## Packages\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| \[`(\w+)/?`\]\([^)]*\) \| (.+) \|$", section, flags=re.MULTILINE))
    assert rows.keys() == {package for packages in ORDER for package in packages}
    assert all(sentence.endswith(".") for sentence in rows.values())


def test_architecture_is_short_enough_to_be_read() -> None:
    assert len(ARCHITECTURE.read_text().splitlines()) <= MAX_ARCHITECTURE_LINES


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_decision_has_its_headings_and_fits_a_page(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert len(lines) <= MAX_DECISION_LINES
    assert lines[0].startswith(f"# {int(page.name[:4])}. ")
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert len(headings) == len(HEADINGS)
    for heading, allowed in zip(headings, HEADINGS, strict=True):
        assert heading in allowed


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = [target for _, target in links(INDEX) if re.match(r"\d{4}-", target)]
    assert listed == [page.name for page in DECISIONS]
