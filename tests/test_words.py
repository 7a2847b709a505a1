"""Identifiers use the field's terms: words that were given up do not come back; docstrings are sentences."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

# Word -> the term that took its place (docs/architecture.md, "Words").
ABANDONED = {
    "agreed": "any_rank",
    "attended": "monitored",
    "begun": "started",
    "braid": "stacked",
    "braided": "stacked",
    "calm": "ema",
    "checkup": "probe",
    "coder": "autoencoder",
    "coders": "networks",
    "companions": "rank 0, worker",
    "culprit": "non-finite tensor",
    "doctor": "monitor",
    "examiner": "discriminator trainer",
    "fleet": "replicas",
    "given": "provided",
    "gone": "resume",
    "heeds": "supported settings",
    "judge": "discriminator",
    "judged": "scored",
    "lanes": "num_replicas",
    "ledger": "buffer, registry",
    "lookout": "track",
    "overheard": "forwarded",
    "said": "message",
    "scene": "context",
    "showcase": "preview",
    "soundness": "nonfinite",
    "sparing": "skip",
    "specimens": "probe batches",
    "spent": "elapsed",
    "strands": "runs",
    "symptom": "rule",
    "symptoms": "rules",
    "told": "reported",
    "treatment": "adjustment",
    "trouble": "nonfinite",
    "unwatched": "untimed",
    "wish": "stop request",
    "wished": "stop request",
}
# Names of libraries that happen to be among them.
LIBRARY_NAMES = {"given"}  # hypothesis
# Whole identifiers whose words are common ones.
ABANDONED_NAMES = {"looks_at", "part_ways", "put_back", "of_first", "of_each", "compared_by", "set_clock", "PARTICULAR"}
SOURCES = sorted(file for folder in ("gan_cli", "benchmarks", "tests") for file in (ROOT / folder).rglob("*.py"))
PACKAGE = sorted((ROOT / "gan_cli").rglob("*.py"))
MIN_WORDS = 5
NO_BEGINNING = ("What", "How", "Whether", "Nothing", "Nobody", "Yes", "No")


def words_of(identifier: str) -> set[str]:
    """The words that an identifier is made of, in lower case: ``LSTMOracle_nll`` -> lstm, oracle, nll."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def identifiers(file: Path) -> Iterator[tuple[int, str]]:
    """Names in a file with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Names of modules, classes and functions in a file, and the first paragraphs of their docstrings."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "name", "module"), text.split("\n\n")[0]


def test_words_of_identifiers() -> None:
    assert words_of("LSTMOracle_nll") == {"lstm", "oracle", "nll"}
    assert words_of("_JudgeTooStrong") == {"judge", "too", "strong"}


@pytest.mark.parametrize("folder", ["gan_cli", "benchmarks", "tests"])
def test_no_abandoned_word_in_an_identifier(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in SOURCES
        if file.is_relative_to(ROOT / folder)
        for line, name in identifiers(file)
        if (words_of(name) & ABANDONED.keys() or name in ABANDONED_NAMES)
        and not (name in LIBRARY_NAMES and folder == "tests")
    ]
    assert not found, "\n".join(found[:200])


def test_docstrings_are_sentences() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {name}: {text}"
        for file in PACKAGE
        for name, text in docstrings(file)
        if len(text.split()) < MIN_WORDS or text.split()[0].rstrip(",:") in NO_BEGINNING
    ]
    assert not found, "\n".join(found[:200])
