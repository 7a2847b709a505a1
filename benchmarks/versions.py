"""Run tests with other versions of Python and torch, each in an environment of its own, and print a table in Markdown.

    python -m benchmarks.versions                               # all pairs that can be had here
    python -m benchmarks.versions --python 3.12 --torch 2.11.0  # one of them
    python -m benchmarks.versions --python 3.13 --torch present # torch as that Python has it already
    python -m benchmarks.versions --tests tests                 # the whole default tier; by default what torch decides

Interpreters are looked for on PATH and among those of pyenv. What pip would install is asked first: a torch of more
megabytes than ``--most`` (a build for CUDA, which brings gigabytes with it) is left out, and so is a pair that has no
wheel. CPU builds come from wherever pip is configured to look. Other packages are those of ``constraints.txt``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from benchmarks.formatting import heading, row
from benchmarks.recipes import ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PRESENT, NEWEST = "present", "newest"
TORCHES = ("2.11.0", "2.13.0", NEWEST)
# What depends on torch: steps of every family, optimizers, random streams, CUDA graphs by a stand-in, files, runs.
TESTS = (
    *("tests/components", "tests/algorithms", "tests/runtime", "tests/storage", "tests/architectures", "tests/data"),
    *("tests/datasets", "tests/diagnostics", "tests/runs", "tests/inference", "tests/telemetry", "tests/bench"),
    *("tests/config/test_options.py", "tests/integration/test_resume.py", "tests/integration/test_families.py"),
)
# Beside the dependencies of pyproject.toml.
TEST_PACKAGES = ("pytest", "pytest-xdist", "hypothesis", "matplotlib", "safetensors", "setuptools")
MOST_MEGABYTES = 400.0
# Seconds of the installation, and of the tests, of a pair.
LIMIT = 3600.0
COLUMNS = ("Python", "torch", "tests", "seconds")


@dataclass(frozen=True)
class Pair:
    """Versions of Python and torch.

    Attributes:
        python: ``3.12``.
        torch: ``2.11.0``; ``newest``; or ``present``: as the interpreter has it.
    """

    python: str
    torch: str


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Attributes:
        python: full version, as far as it is known.
        torch: the same.
        result: the last line of the tests, or why there were none.
        seconds: that the tests took.
        failed: tests that failed.
    """

    python: str
    torch: str
    result: str
    seconds: float = 0.0
    failed: Sequence[str] = ()

    def line(self) -> str:
        """Format as a row of the table, with the names of failed tests below."""
        cells = (self.python, self.torch, self.result, f"{self.seconds:.0f}" if self.seconds else "")
        return "\n".join((row(cells), *(f"  failed: {name}" for name in self.failed)))


class NotObtainableError(Exception):
    """A pair that cannot be had here; the message says why."""


def interpreter(version: str) -> Path:
    """Find the interpreter of a version such as ``3.12``.

    Raises:
        NotObtainableError: there is none on this machine.
    """
    folders = sorted(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob(f"versions/{version}.*/bin"))
    for folder in (None, *reversed(folders)):
        found = shutil.which(f"python{version}", path=None if folder is None else str(folder))
        if found is not None and _answers(found, version):
            return Path(found)
    raise NotObtainableError(f"no Python {version} on this machine")


def _answers(python: str, version: str) -> bool:
    """Return whether an interpreter runs and has this version: launchers of pyenv may stand for none."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def requirement(torch: str) -> str:
    """Return what pip is asked for."""
    return "torch" if torch == NEWEST else f"torch=={torch}"


def constraints(text: str) -> str:
    """Return the constraints without the pin of torch."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("torch=="))


def dependencies(pyproject: str) -> list[str]:
    """Return the dependencies of the package but torch; Python 3.10 reads no TOML by itself."""
    block = re.search(r"^dependencies = \[\n(.*?)^\]", pyproject, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    return [name for name in re.findall(r'"([^"]+)"', block[1]) if not name.startswith("torch>")]


def run(command: Iterable[object], **options: object) -> str:
    """Return what a command prints; raise ``NotObtainableError`` with its last line where it fails."""
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or words[0]).splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise NotObtainableError(errors[-1].removeprefix("ERROR: "))
    return str(done.stdout)


def megabytes(url: str) -> float:
    """Return the size of a file that pip would download."""
    if url.startswith("file:"):
        return Path(unquote(urlsplit(url).path)).stat().st_size / 1e6
    with urlopen(Request(url, method="HEAD"), timeout=60) as answer:
        return int(answer.headers["Content-Length"]) / 1e6


def require_small(pair: Pair, most: float) -> None:
    """Raise ``NotObtainableError`` where torch has no wheel for that Python, or one of more than ``most`` megabytes."""
    asked = ("--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-", "--only-binary=:all:")
    python = ("--python-version", pair.python, "--target", "unused")
    report = json.loads(run((sys.executable, "-m", "pip", "install", *asked, *python, requirement(pair.torch))))
    (wheel,) = report["install"]
    size = megabytes(wheel["download_info"]["url"])
    if size > most:
        raise NotObtainableError(f"torch {wheel['metadata']['version']} is a wheel of {size:,.0f} MB, more than --most")


def environment(pair: Pair, folder: Path, most: float) -> Path:
    """Make an environment for a pair, and return its interpreter.

    Raises:
        NotObtainableError: it cannot be made here.
    """
    base = interpreter(pair.python)
    if pair.torch != PRESENT:
        require_small(pair, most)
    present = ("--system-site-packages",) if pair.torch == PRESENT else ()
    run((base, "-m", "venv", "--clear", *present, folder))
    python = folder / "bin" / "python"
    pins = folder / "constraints.txt"
    pins.write_text(constraints((ROOT / "constraints.txt").read_text()))
    torch = [] if pair.torch == PRESENT else [requirement(pair.torch)]
    needed = dependencies((ROOT / "pyproject.toml").read_text())
    run((python, "-m", "pip", "install", "--quiet", "-c", pins, *torch, *needed, *TEST_PACKAGES))
    return python


def versions(python: Path) -> tuple[str, str]:
    """Return the full versions of Python and torch of an environment; raise where torch cannot be imported."""
    code = "import platform, torch; print(platform.python_version(), torch.__version__)"
    found, torch = run((python, "-c", code)).split()
    return found, torch


def test(python: Path, tests: Sequence[str]) -> Outcome:
    """Run tests of this checkout in an environment."""
    found, torch = versions(python)
    start = time.monotonic()
    command = [str(python), "-m", "pytest", "--tb=line", "-p", "no:cacheprovider", *tests]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {**inherited, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LIMIT, check=False)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip() or "pytest printed nothing"]
    return Outcome(found, torch, counts(lines[-1]), time.monotonic() - start, failed_tests(lines))


def failed_tests(lines: Iterable[str]) -> list[str]:
    """Return the names of tests that failed, of what pytest prints."""
    words = (line.split() for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return [name for _, name, *_ in words]


def counts(line: str) -> str:
    """Return how many tests passed, failed and so on, of the last line that pytest prints."""
    return ", ".join(re.findall(r"\d+ (?:passed|failed|skipped|errors?|xfailed)", line)) or line


def outcomes(pairs: Iterable[Pair], folder: Path, tests: Sequence[str], most: float) -> Iterator[Outcome]:
    """Test pair after pair; one that cannot be had is an outcome, too. Environments are deleted afterwards."""
    for pair in pairs:
        place = folder / f"python_{pair.python}_torch_{pair.torch}"
        try:
            yield test(environment(pair, place, most), tests)
        except (NotObtainableError, subprocess.TimeoutExpired, OSError) as error:
            yield Outcome(pair.python, pair.torch, f"not tested: {error}")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """Run the command; exit status 1 where a test failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.versions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="VERSION", help=f"[{' '.join(PYTHONS)}]")
    parser.add_argument("--torch", nargs="+", default=TORCHES, metavar="VERSION", help=f"[{' '.join(TORCHES)}]")
    parser.add_argument(
        "--tests", nargs="+", default=TESTS, metavar="PATH", help="of tests, or other arguments of pytest"
    )
    parser.add_argument("--folder", type=Path, default=Path("outputs/versions"), help="of the environments")
    parser.add_argument("--most", type=float, default=MOST_MEGABYTES, help=f"megabytes of a torch [{MOST_MEGABYTES:g}]")
    arguments = parser.parse_args()
    pairs = [Pair(python, torch) for python in arguments.python for torch in arguments.torch]
    print(heading(COLUMNS), flush=True)
    failed = False
    for outcome in outcomes(pairs, arguments.folder.absolute(), arguments.tests, arguments.most):
        print(outcome.line(), flush=True)
        failed |= bool(outcome.failed)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
