"""The documentation site: its pages link to each other, and it builds without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.config.reference.groups import GROUPS
from gan_cli.config.reference.options import Catalog
from gan_cli.config.reference.settings import sections
from tests.helpers.paths import ROOT
from website import reference
from website.links import line_anchor, linked_sources, site_links, site_path


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "[a](docs/claims.md)", "[a](claims.md)"),
        ("index.md", "[a](docs/images/alarm.png)", "[a](images/alarm.png)"),
        ("claims.md", "[a](diagnosis.md#alarms)", "[a](diagnosis.md#alarms)"),
        ("decisions/README.md", "[a](../../README.md)", "[a](../index.md)"),
        ("architecture.md", "[`errors`](../gan_cli/errors.py)", "[`errors`](source/gan_cli/errors.py.md)"),
        ("claims.md", "[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
        ("claims.md", "[a](nowhere.md)", "[a](nowhere.md)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(page: str, link: str, expected: str) -> None:
    assert site_links(link, page) == expected


def test_link_with_a_symbol_leads_to_its_line() -> None:
    anchor = line_anchor("gan_cli/errors.py", "`ConfigError`")
    line = int(anchor.removeprefix("#line-"))
    assert (ROOT / "gan_cli/errors.py").read_text().splitlines()[line - 1].startswith("class ConfigError")


def test_linked_sources_have_pages() -> None:
    assert "gan_cli/algorithms/gan/trainer.py" in linked_sources()
    assert site_path("gan_cli/errors.py") == "source/gan_cli/errors.py.md"


def test_reference_has_every_option_parameter_setting_and_argument() -> None:
    pages = dict(reference.pages())
    for group in GROUPS:
        page = pages[f"reference/options/{group.replace('/', '-')}.md"]
        for option in Catalog().options(group):
            assert f"`{option.name}`" in page
            assert group == "experiment" or all(f"| `{each.key}` |" in page for each in option.parameters)
        assert f"({group.replace('/', '-')}.md)" in pages["reference/options/SUMMARY.md"]
    assert all(
        f"| `{each.key}` |" in pages["reference/settings.md"] for section in sections() for each in section.settings
    )
    for argument in ("--label LABEL", "--backbone", "--html FILE", "--format", "STATION"):
        assert argument in pages["reference/commands.md"]


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "site" / "index.html").exists()
