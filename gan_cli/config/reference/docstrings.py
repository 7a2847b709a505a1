"""Google-style docstrings as data: the first sentence, and what they say of each parameter."""

from __future__ import annotations

import re
import textwrap

# Sections that describe the parameters of a class.
SECTIONS = ("Args:", "Attributes:")
ENTRY = re.compile(r"^(\w+): (.*)$")
# A period that ends a sentence, and not an abbreviation or an ellipsis.
END = re.compile(r"(?<!et al)(?<!\beq)(?<!\beqs)(?<!\bfig)(?<!\bvs)(?<!\.)\.(?=\s|$)")
# What ends a paragraph: an empty line, or an indented one.
PARAGRAPH = re.compile(r"\n\n|\n(?= )")


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, on one line, without the period at its end."""
    line = " ".join(PARAGRAPH.split(text)[0].split())
    end = END.search(line)
    return line[: end.start()] if end else line


def description(docstring: str) -> str:
    """Return a docstring up to its sections, with its paragraphs kept and their lines joined."""
    paragraphs = textwrap.dedent(docstring).strip().split("\n\n")
    kept = []
    for paragraph in paragraphs:
        if paragraph.lstrip().startswith((*SECTIONS, "Raises:", "Returns:")):
            break
        kept.append(" ".join(paragraph.split()))
    return "\n\n".join(kept)


def parameters(docstring: str) -> dict[str, str]:
    """Return the text of each parameter that the sections ``Args`` and ``Attributes`` of a docstring describe."""
    found: dict[str, str] = {}
    inside, current = False, ""
    for line in _dedented(docstring).splitlines():
        if not line.startswith(" "):
            inside = line.strip() in SECTIONS
        elif inside and (entry := ENTRY.match(line.strip())) and _indent(line) == 4:
            current = entry[1]
            found[current] = entry[2]
        elif inside and current and line.strip():
            found[current] += f" {line.strip()}"
    return found


def _dedented(docstring: str) -> str:
    """Return a docstring without the indentation of all lines but the first."""
    first, _, rest = docstring.partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
