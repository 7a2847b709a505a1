"""Links of the pages, which are relative to files of the repository, as links between pages of the site.

The pages are read on their own as well as on the site: there a link to a module leads to the file, here to a page with
its source, at the line where the symbol is defined that the link's text names. A hook of mkdocs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages of the site that lie at the top of the repository.
TOP_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
LINK = re.compile(r"(\[(?P<text>[^\]]*)\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(\))")
ROLE = re.compile(r":(?:meth|class|func|attr|data|mod):(?=<code>)")
SYMBOL = re.compile(r"`([\w.]+)`")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of one page; mkdocs calls this."""
    return site_links(markdown, page.file.src_uri)


def on_page_content(html: str, **_: Any) -> str:
    """Leave out Sphinx's roles, which docstrings have in front of code; mkdocs calls this."""
    return ROLE.sub("", html)


def site_links(markdown: str, page: str) -> str:
    """Return the text of a page of the site with its links between files of the repository as links of the site."""
    source = repository_path(page)

    def rewrite(match: re.Match[str]) -> str:
        target = _resolve(source, match["target"])
        if target is None or not (ROOT / target).is_file():
            return match[0]
        anchor = match["anchor"] or line_anchor(target, match["text"])
        return f"{match[1]}{posixpath.relpath(site_path(target), posixpath.dirname(page) or '.')}{anchor}{match[5]}"

    return LINK.sub(rewrite, markdown)


def repository_path(page: str) -> str:
    """Return the file of the repository that a page of the site is made of."""
    return next((top for top, name in TOP_PAGES.items() if name == page), f"docs/{page}")


def site_path(path: str) -> str:
    """Return the page of the site, or its file, that shows a file of the repository."""
    if path in TOP_PAGES:
        return TOP_PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md"


def linked_sources() -> list[str]:
    """Return the files outside of ``docs/`` that the pages link to and that are no pages themselves."""
    pages = [*(ROOT / name for name in TOP_PAGES), *DOCS.rglob("*.md")]
    linked = {target for page in pages for target in _file_links(page)}
    return sorted(target for target in linked if site_path(target).startswith("source/"))


def line_anchor(path: str, text: str) -> str:
    """Return the anchor of the line that defines the symbol a link's text names, or nothing."""
    named = SYMBOL.fullmatch(text)
    if named is None or not path.endswith(".py"):
        return ""
    start, lines = 0, (ROOT / path).read_text().splitlines()
    for name in named[1].split("."):
        definition = re.compile(rf"\s*(?:(?:async )?def|class) {name}\b|\s*(?:self\.)?{name}\b[^=(]*=")
        start = next((number for number in range(start, len(lines)) if definition.match(lines[number])), -1)
        if start < 0:
            return ""
    return f"#line-{start + 1}"


def _file_links(page: Path) -> Iterator[str]:
    source = page.relative_to(ROOT).as_posix()
    for match in LINK.finditer(page.read_text()):
        target = _resolve(source, match["target"])
        if target is not None and (ROOT / target).is_file():
            yield target


def _resolve(source: str, target: str) -> str | None:
    """Return the path in the repository that a relative link of a file leads to, or None."""
    if ":" in target or target.startswith("/"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
