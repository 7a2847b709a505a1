"""Run tests with other versions of Python and of the dependencies, each in an environment of its own; print a table.

    python -m benchmarks.versions                                # every Python of this machine, each with three ends
    python -m benchmarks.versions --python 3.12 --versions lowest
    python -m benchmarks.versions --python 3.12 --versions 2.12.0  # that torch, and what constraints.txt pins
    python -m benchmarks.versions --tests tests                  # all quick tests; by default what torch decides
    python -m benchmarks.versions --backend ""                   # torch as the package index has it: on Linux with CUDA

``lowest`` is the lowest version of each dependency that pyproject.toml allows and that has a wheel for that Python,
``pinned`` what constraints.txt says, ``newest`` the newest release of everything. uv (``pip install uv``) resolves and
installs them. Interpreters are looked for on PATH and among those of pyenv; one that is missing is a row of the table.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.formatting import heading, row
from benchmarks.recipes import ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LOWEST, PINNED, NEWEST = "lowest", "pinned", "newest"
# Torch as the interpreter has it already, and of the rest what is pinned.
PRESENT = "present"
ENDS = (LOWEST, PINNED, NEWEST)
# Compiled packages, to be taken as wheels: what has none for a Python is not of its versions.
COMPILED = ("matplotlib", "numpy", "pillow", "safetensors", "scikit-learn", "scipy")
# What depends on torch: steps of every family, optimizers, random streams, CUDA graphs by a stand-in, files, runs.
TESTS = (
    *("tests/components", "tests/algorithms", "tests/runtime", "tests/storage", "tests/architectures", "tests/data"),
    *("tests/datasets", "tests/diagnostics", "tests/training", "tests/inference", "tests/telemetry", "tests/bench"),
    *("tests/config/test_options.py", "tests/integration/test_resume.py", "tests/integration/test_families.py"),
)
# Extras of pyproject.toml whose functions the tests need, and what they need themselves.
EXTRAS = ("text", "sweep")
TEST_PACKAGES = (
    "build>=1.2",
    "hatchling>=1.26",
    "hypothesis>=6.140",
    "matplotlib>=3.8",
    "pytest>=9.2",
    "pytest-xdist>=3.6",
    "safetensors>=0.5",
    "setuptools",
)
# Seconds of the installation, and of the tests, of a pair.
LIMIT = 3600.0
COLUMNS = ("Python", "versions", "torch", "tests", "seconds")


@dataclass(frozen=True)
class Pair:
    """A Python with versions of the dependencies.

    Attributes:
        python: ``3.12``.
        versions: ``lowest``, ``pinned`` or ``newest``; a version of torch, or ``present``, beside what is pinned.
    """

    python: str
    versions: str


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Attributes:
        pair: what was asked for.
        python: full version, as far as it is known.
        torch: the same.
        result: the last line of the tests, or why there were none.
        seconds: that the tests took.
        failed: tests that failed.
    """

    pair: Pair
    result: str
    python: str = ""
    torch: str = ""
    seconds: float = 0.0
    failed: Sequence[str] = ()

    def line(self) -> str:
        """Format as a row of the table, with the names of failed tests below."""
        seconds = f"{self.seconds:.0f}" if self.seconds else ""
        cells = (self.python or self.pair.python, self.pair.versions, self.torch, self.result, seconds)
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


def constraints(text: str) -> str:
    """Return the constraints without the pin of torch."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("torch=="))


def dependencies(pyproject: str) -> list[str]:
    """Return the dependencies of the package and of the extras that tests need; Python 3.10 reads no TOML by itself."""
    lists = dict(re.findall(r"^(\w+) = \[(.*?)\]$", pyproject, re.MULTILINE | re.DOTALL))
    return [requirement for name in ("dependencies", *EXTRAS) for requirement in re.findall(r'"([^"]+)"', lists[name])]


def requirements(pair: Pair, declared: Sequence[str]) -> list[str]:
    """Return what is asked for: the dependencies as declared, with torch as the pair wants it, and what tests need."""
    others = [name for name in declared if not name.startswith("torch>")]
    torch = [name for name in declared if name.startswith("torch>")] if pair.versions in ENDS else []
    if pair.versions not in (*ENDS, PRESENT):
        torch = [f"torch=={pair.versions}"]
    return [*torch, *others, *TEST_PACKAGES]


def run(command: Iterable[object], **options: object) -> str:
    """Return what a command prints; raise ``NotObtainableError`` with its last line where it fails."""
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or words[0]).splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise NotObtainableError(errors[-1].removeprefix("ERROR: "))
    return str(done.stdout)


def environment(pair: Pair, folder: Path, backend: str) -> Path:
    """Make an environment for a pair, and return its interpreter.

    Args:
        pair: what is wanted.
        folder: of the environment.
        backend: of torch, as uv names it (``cpu``); empty for that of the package index.

    Raises:
        NotObtainableError: it cannot be made here.
    """
    base, uv = interpreter(pair.python), shutil.which("uv")
    if uv is None:
        raise NotObtainableError("no uv on PATH: pip install uv")
    run((base, "-m", "venv", "--clear", *(("--system-site-packages",) if pair.versions == PRESENT else ()), folder))
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    asked, pins = folder / "asked.txt", folder / "pins.txt"
    asked.write_text("\n".join(requirements(pair, dependencies((ROOT / "pyproject.toml").read_text()))))
    text = (ROOT / "constraints.txt").read_text()
    pins.write_text({LOWEST: "", NEWEST: "", PINNED: text}.get(pair.versions, constraints(text)))
    options = ["--quiet", "--python", python, "--constraint", pins]
    options += ["--resolution", "lowest-direct" if pair.versions == LOWEST else "highest"]
    options += [word for name in COMPILED for word in ("--only-binary", name)]
    options += ["--torch-backend", backend] if backend else []
    run((uv, "pip", "install", *options, "--requirements", asked))
    return python


def versions(python: Path) -> tuple[str, str]:
    """Return the full versions of Python and torch of an environment; raise where torch cannot be imported."""
    code = "import platform, torch; print(platform.python_version(), torch.__version__)"
    found, torch = run((python, "-c", code)).split()
    return found, torch


def test(pair: Pair, python: Path, tests: Sequence[str]) -> Outcome:
    """Run tests of this checkout in the environment of a pair."""
    found, torch = versions(python)
    start = time.monotonic()
    command = [str(python), "-m", "pytest", "--tb=line", "-p", "no:cacheprovider", *tests]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {**inherited, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LIMIT, check=False)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip() or "pytest printed nothing"]
    return Outcome(pair, counts(lines[-1]), found, torch, time.monotonic() - start, failed_tests(lines))


def failed_tests(lines: Iterable[str]) -> list[str]:
    """Return the names of tests that failed, of what pytest prints."""
    words = (line.split() for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return [name for _, name, *_ in words]


def counts(line: str) -> str:
    """Return how many tests passed, failed and so on, of the last line that pytest prints."""
    return ", ".join(re.findall(r"\d+ (?:passed|failed|skipped|errors?|xfailed)", line)) or line


def outcomes(pairs: Iterable[Pair], folder: Path, tests: Sequence[str], backend: str) -> Iterator[Outcome]:
    """Test pair after pair; one that cannot be had is an outcome, too. Environments are deleted afterwards."""
    for pair in pairs:
        place = folder / f"python_{pair.python}_{pair.versions}"
        try:
            yield test(pair, environment(pair, place, backend), tests)
        except (NotObtainableError, subprocess.TimeoutExpired, OSError) as error:
            yield Outcome(pair, f"not tested: {error}")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """Run the command; exit status 1 where a test failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.versions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", nargs="+", default=PYTHONS, metavar="VERSION", help=f"[{' '.join(PYTHONS)}]")
    parser.add_argument("--versions", nargs="+", default=ENDS, metavar="VERSION", help=f"[{' '.join(ENDS)}]")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="of tests [what torch decides]")
    parser.add_argument("--folder", type=Path, default=Path("outputs/versions"), help="of the environments")
    parser.add_argument("--backend", default="cpu", help='of torch; "": as the package index has it [cpu]')
    arguments = parser.parse_args()
    pairs = [Pair(python, versions) for python in arguments.python for versions in arguments.versions]
    print(heading(COLUMNS), flush=True)
    failed = False
    for outcome in outcomes(pairs, arguments.folder.absolute(), arguments.tests, arguments.backend):
        print(outcome.line(), flush=True)
        failed |= bool(outcome.failed)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
