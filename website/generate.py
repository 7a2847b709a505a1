"""Write the pages of the site that are made of other files than those of ``docs/``; run by mkdocs-gen-files."""

from __future__ import annotations

import json

import mkdocs_gen_files
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

from website import reference
from website.links import ROOT, TOP_PAGES, linked_sources, site_path


def write_pages() -> None:
    """Write every generated page."""
    for name, page in TOP_PAGES.items():
        _write(page, (ROOT / name).read_text())
    for path in linked_sources():
        _write(site_path(path), _notebook_page(path) if path.endswith(".ipynb") else _source_page(path))
    for page, text in reference.pages():
        _write(page, text)


def _source_page(path: str) -> str:
    """Return a page with the source of a file, with an anchor ``line-N`` at each line."""
    text = (ROOT / path).read_text()
    lexer = get_lexer_for_filename(path, stripnl=False)
    code = highlight(text, lexer, HtmlFormatter(lineanchors="line", linenos="inline", cssclass="highlight"))
    return f"---\nsearch: {{exclude: true}}\nhide: [navigation, toc]\n---\n\n# {path}\n\n{code}\n"


def _notebook_page(path: str) -> str:
    """Return a page with the cells of a notebook, which is stored without outputs."""
    cells = json.loads((ROOT / path).read_text())["cells"]
    sources = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    text = "\n\n".join(f"```python\n{source}\n```" if is_code else source for source, is_code in sources)
    return f"---\nsearch: {{exclude: true}}\n---\n\n{text}\n"


def _write(page: str, text: str) -> None:
    with mkdocs_gen_files.open(page, "w") as file:
        file.write(text)


write_pages()
