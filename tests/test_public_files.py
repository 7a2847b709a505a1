"""Files that a public project has: they name the same Pythons, versions and commands as the project itself."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.versions import PYTHONS
from gan_cli import __version__
from tests.helpers.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BLOCK = "gan-train --version --verbose"


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job["steps"]]


def test_tests_run_on_three_systems_with_every_python() -> None:
    quick = loaded(ROOT / ".github/workflows/tests.yml")["jobs"]["quick"]
    matrix = quick["strategy"]["matrix"]
    assert tuple(matrix["python"]) == PYTHONS
    assert {each.partition("-")[0] for each in matrix["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_read_alone_and_take_actions_of_one_commit(path: Path) -> None:
    assert loaded(path)["permissions"] == {"contents": "read"}
    actions = [step["uses"] for step in steps(path) if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in actions)
    assert all(job["timeout-minutes"] <= 60 for job in loaded(path)["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_of_workflows_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in (step["run"] for step in steps(path) if "run" in step):
        for line in command.splitlines():
            words = [word for word in shlex.split(line) if "=" not in word]
            assert words[0] != "make" or set(words[1:]) <= targets, line
            assert not words[0].startswith(".github/") or (ROOT / words[0]).stat().st_mode & 0o111, line


def test_releases_are_published_without_a_token() -> None:
    publish = loaded(ROOT / ".github/workflows/release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()


def test_version_is_the_same_everywhere() -> None:
    assert loaded(ROOT / "CITATION.cff")["version"] == __version__
    released = re.findall(r"^## \[(\d[\d.]*)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == (__version__, loaded(ROOT / "CITATION.cff")["date-released"])


def test_changelog_has_the_form_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for section in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert set(found) <= kinds
        assert len(found) == len(set(found))


@pytest.mark.parametrize("name", ["ISSUE_TEMPLATE/bug.yml", "ISSUE_TEMPLATE/idea.yml", "PULL_REQUEST_TEMPLATE.md"])
def test_templates_ask_for_versions_and_machine(name: str) -> None:
    assert BLOCK in (ROOT / ".github" / name).read_text()


def test_the_image_is_built_of_files_that_exist_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    admitted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(copied) == sorted(admitted)
    assert all((ROOT / name).exists() for name in copied)
    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)
    assert re.search(r'^VOLUME \[.*"/work/outputs"', text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(("target", "installed"), [("train", ["-e ."]), ("test", ["-e .", '-e ".[dev]"'])])
def test_training_installs_less_than_tests(tmp_path: Path, target: str, installed: list[str]) -> None:
    command = ["make", "--dry-run", "--directory", str(ROOT), f"VENV={tmp_path / 'venv'}", target]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.rpartition("constraints.txt ")[2] for line in done.stdout.splitlines() if "pip install" in line] == (
        installed
    )
