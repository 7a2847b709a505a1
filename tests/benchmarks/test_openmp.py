"""Benchmarks that compute in their own process do so with the OpenMP settings of the commands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gan_cli.runtime.openmp import OPENMP_SETTINGS
from tests.helpers.paths import ROOT

PRINT_SETTING = """
import os, sys
from benchmarks.openmp import restart_with_settings
restart_with_settings()
print(os.environ["GOMP_SPINCOUNT"], *sys.argv[1:])
"""


@pytest.mark.parametrize(("given", "used"), [({}, OPENMP_SETTINGS["GOMP_SPINCOUNT"]), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_restart_adds_what_the_environment_does_not_set(given: dict[str, str], used: str) -> None:
    others = {name: value for name, value in os.environ.items() if name not in OPENMP_SETTINGS}
    environment = {**others, "PYTHONPATH": str(ROOT), **given}
    command = [sys.executable, "-c", PRINT_SETTING, "an argument"]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert printed == f"{used} an argument\n"
