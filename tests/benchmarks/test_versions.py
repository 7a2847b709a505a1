"""The script for other versions: what it asks pip for, what cannot be had here, and its table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import versions
from benchmarks.versions import NotObtainableError, Outcome, Pair
from tests.helpers.paths import ROOT

HERE = ".".join(map(str, sys.version_info[:2]))


def test_constraints_lose_the_pin_of_torch_alone() -> None:
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    kept = versions.constraints((ROOT / "constraints.txt").read_text()).splitlines()
    assert (
        [line for line in pinned if line not in kept] == [line for line in pinned if line.startswith("torch==")] != []
    )


def test_dependencies_are_those_of_the_package_and_of_metrics_of_text() -> None:
    tomllib = pytest.importorskip("tomllib")
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    assert versions.dependencies(text) == [*project["dependencies"], *extras["text"], *extras["sweep"]]


@pytest.mark.parametrize(
    ("wanted", "torch"),
    [
        ("lowest", ["torch>=2.11"]),
        ("pinned", ["torch>=2.11"]),
        ("newest", ["torch>=2.11"]),
        ("2.12.0", ["torch==2.12.0"]),
        ("present", []),
    ],
)
def test_torch_is_asked_for_as_the_pair_wants_it(wanted: str, torch: list[str]) -> None:
    asked = versions.requirements(Pair("3.12", wanted), ["torch>=2.11", "torchvision>=1", "numpy>=1.26"])
    assert asked == [*torch, "torchvision>=1", "numpy>=1.26", *versions.TEST_PACKAGES]


def test_ends_resolve_as_their_names_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest and the newest know no pins; a torch of one's own, all pins but torch's."""
    commands: list[list[str]] = []
    monkeypatch.setattr(versions, "interpreter", lambda version: Path("python"))
    monkeypatch.setattr(versions.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(versions, "run", lambda command: commands.append([str(word) for word in command]))
    for wanted in ("lowest", "newest", "pinned", "2.12.0"):
        folder = tmp_path / wanted
        folder.mkdir()
        assert versions.environment(Pair("3.12", wanted), folder, "cpu").parent.parent == folder
        pins = (folder / "pins.txt").read_text()
        assert ("numpy==" in pins, "\ntorch==" in pins) == (wanted in ("pinned", "2.12.0"), wanted == "pinned")
        install = commands[-1]
        resolution = install[install.index("--resolution") + 1]
        assert resolution == ("lowest-direct" if wanted == "lowest" else "highest")
        assert install[install.index("--torch-backend") + 1] == "cpu"


def test_without_uv_a_pair_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "interpreter", lambda version: Path("python"))
    monkeypatch.setattr(versions.shutil, "which", lambda name: None)
    with pytest.raises(NotObtainableError, match="pip install uv"):
        versions.environment(Pair("3.12", "lowest"), tmp_path, "cpu")


def test_pythons_are_those_of_the_classifiers() -> None:
    tomllib = pytest.importorskip("tomllib")
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    prefix = "Programming Language :: Python :: 3."
    assert [f"3.{each.removeprefix(prefix)}" for each in classifiers if each.startswith(prefix)] == list(
        versions.PYTHONS
    )


def test_tests_that_it_runs_exist() -> None:
    for path in versions.TESTS:
        assert (ROOT / path).exists()


def test_interpreters_are_asked_for_their_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = tmp_path / f"python{HERE}"
    launcher.write_text("#!/bin/sh\nexit 127\n")
    launcher.chmod(0o755)
    working = tmp_path / "pyenv" / "versions" / f"{HERE}.0" / "bin" / f"python{HERE}"
    working.parent.mkdir(parents=True)
    working.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert versions.interpreter(HERE) == working
    with pytest.raises(NotObtainableError, match=r"^no Python 9\.9 on this machine$"):
        versions.interpreter("9.9")


def test_failed_commands_say_why_in_a_line() -> None:
    script = "import sys; sys.exit('WARNING: this\\nERROR: No matching distribution found for torch==9\\nhint')"
    with pytest.raises(NotObtainableError, match=r"^No matching distribution found for torch==9$"):
        versions.run((sys.executable, "-c", script))


def test_pair_that_cannot_be_had_is_a_row_and_the_next_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environment(pair: Pair, folder: Path, backend: str) -> Path:
        folder.mkdir(parents=True)
        if pair.versions == "9":
            raise NotObtainableError("no such version")
        return folder

    def test(pair: Pair, python: Path, tests: Sequence[str]) -> Outcome:
        return Outcome(pair, "5 passed", "3.12.1", "2.11.0", 3.4, ["tests/x.py::test_y"])

    monkeypatch.setattr(versions, "environment", environment)
    monkeypatch.setattr(versions, "test", test)
    pairs = [Pair("3.12", "9"), Pair("3.12", "lowest")]
    first, second = versions.outcomes(pairs, tmp_path / "environments", ["tests"], "cpu")
    assert first.line() == "| 3.12 | 9 |  | not tested: no such version |  |"
    assert second.line() == "| 3.12.1 | lowest | 2.11.0 | 5 passed | 3 |\n  failed: tests/x.py::test_y"
    assert not list((tmp_path / "environments").iterdir())


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("2 failed, 30 passed, 1 skipped, 4 warnings in 2.03s", "2 failed, 30 passed, 1 skipped"),
        ("= 1 error in 0.10s =", "1 error"),
        ("no tests ran in 0.00s", "no tests ran in 0.00s"),
    ],
)
def test_counts_are_taken_from_the_last_line(line: str, counts: str) -> None:
    assert versions.counts(line) == counts


def test_failed_tests_are_named() -> None:
    lines = ["FAILED tests/x.py::test_y[a] - assert 1 == 2", "ERROR tests/z.py", "2 failed, 1 error in 0.1s"]
    assert versions.failed_tests(lines) == ["tests/x.py::test_y[a]", "tests/z.py"]


def test_command_prints_a_table_and_fails_with_a_test(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Pair] = []

    def outcomes(pairs: list[Pair], *_: Any) -> list[Outcome]:
        asked.extend(pairs)
        return [Outcome(pairs[0], "1 failed", "3.12.1", "2.11.0", 1.0, ["tests/x.py::test_y"])]

    monkeypatch.setattr(versions, "outcomes", outcomes)
    monkeypatch.setattr(sys, "argv", ["versions", "--python", "3.12", "3.13", "--versions", "newest"])
    with pytest.raises(SystemExit) as left:
        versions.main()
    assert left.value.code == 1
    assert asked == [Pair("3.12", "newest"), Pair("3.13", "newest")]
    assert capsys.readouterr().out.splitlines()[0] == "| Python | versions | torch | tests | seconds |"
