"""Step ``tests``: the tests that need a GPU, in several processes; each outcome is a finding at once."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.gpu.findings import Findings
from benchmarks.gpu.setting import Setting, step_parser
from benchmarks.recipes import ROOT

PROCESSES = 6
MARKER = "pytest.mark.gpu"
# Quick tests in their place, for a dry run.
DRY_FILE = "tests/runtime/test_gpu_locks.py"
DRY_EXPRESSION = "not gpu and not slow and not long"


class Outcomes:
    """Plugin of pytest that adds the outcome of each test to the findings."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test's call, and whatever went wrong before or after it."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
            right = None if report.skipped else report.passed
            error = "" if report.passed else str(report.longrepr).strip().splitlines()[-1][:300]
            self.found.add(report.nodeid, right, {"seconds": round(report.duration, 2)}, error)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self.counts["failed"] += 1
            self.found.add(report.nodeid, False, error=str(report.longrepr).strip().splitlines()[-1][:300])


def files() -> list[str]:
    """Return the files of tests that need a GPU, relative to the checkout: others may need packages that are absent."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in tests if MARKER in file.read_text()]


def arguments(setting: Setting) -> list[str]:
    """Return the arguments of pytest."""
    dry = setting.device == "cpu"
    parallel = importlib.util.find_spec("xdist") is not None and not dry
    return [
        *("-o", "addopts=", "-q", "-p", "no:cacheprovider", "--tb=short", "-ra", "--continue-on-collection-errors"),
        *(("-n", str(PROCESSES), "--dist", "worksteal") if parallel else ()),
        *(("-m", DRY_EXPRESSION, DRY_FILE) if dry else ("-m", "gpu", *files())),
    ]


def main() -> None:
    """Run the step; exit status 0 also where tests fail, which the findings tell."""
    setting = Setting.of(step_parser(__doc__).parse_args())
    found = setting.findings("tests")
    outcomes = Outcomes(found)
    status = pytest.main(
        ["--rootdir", str(ROOT), "-c", str(Path(ROOT, "pyproject.toml")), *arguments(setting)], [outcomes]
    )
    # Of a run that was killed, this last line is missing.
    found.add("end", int(status) == 0, {"pytest_status": int(status), **outcomes.counts})
    sys.exit(0)


if __name__ == "__main__":
    main()
