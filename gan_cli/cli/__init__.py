"""Commands, one thin module each, and their entry points, which answer Ctrl-C before they import anything."""

from __future__ import annotations

import importlib
from typing import NoReturn

from gan_cli.runtime import keyboard_interrupt


def gan_train() -> NoReturn:
    """Run ``gan-train`` on the command line of this process."""
    _run("train")


def gan_sample() -> NoReturn:
    """Run ``gan-sample`` on the command line of this process."""
    _run("sample")


def gan_eval() -> NoReturn:
    """Run ``gan-eval`` on the command line of this process."""
    _run("evaluate")


def gan_report() -> NoReturn:
    """Run ``gan-report`` on the command line of this process."""
    _run("report")


def gan_export() -> NoReturn:
    """Run ``gan-export`` on the command line of this process."""
    _run("export")


def gan_bench() -> NoReturn:
    """Run ``gan-bench`` on the command line of this process."""
    _run("bench")


def gan_tour() -> NoReturn:
    """Run ``gan-tour`` on the command line of this process."""
    _run("tour")


def _run(command: str) -> NoReturn:
    keyboard_interrupt.leave_on_interrupt()
    importlib.import_module(f"gan_cli.cli.{command}").main()
    raise AssertionError("unreachable: the command ends the process")
