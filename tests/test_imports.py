"""The arrows between the rooms point one way, and the commands answer before torch is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gan_cli

PACKAGE = Path(gan_cli.__file__).parent

# Rooms that must not know of one another, whatever else changes.
FORBIDDEN = {
    "loop": {"algorithms", "build", "compose", "losses", "architectures", "device", "run", "cli"},
    "losses": {"algorithms", "optim", "noise", "config", "build", "constraints", "penalties"},
    "penalties": {"algorithms", "losses", "optim", "noise", "config", "build", "constraints"},
    "augment": {"algorithms", "losses", "noise", "config", "build"},
    "schedules": {"optim", "noise", "algorithms", "config"},
    "noise": {"schedules", "algorithms", "config"},
    "checkpoint": {"algorithms", "build", "telemetry", "protocols"},
    "architectures": {"losses", "algorithms", "build", "datasets"},
    "algorithms": {
        "build",
        "compose",
        "telemetry",
        "losses",
        "penalties",
        "augment",
        "architectures",
        "datasets",
        "run",
        "cli",
    },
    "telemetry": {"algorithms", "build", "run", "cli"},
    "metrics": {"algorithms", "losses", "telemetry", "run", "cli"},
    "backbones": {"algorithms", "losses", "telemetry", "run", "cli", "build", "evaluation"},
    "evaluation": {"algorithms", "losses", "telemetry", "run", "cli"},
    "report": {
        "algorithms",
        "architectures",
        "build",
        "compose",
        "datasets",
        "losses",
        "pictures",
        "protocols",
        "run",
        "telemetry",
        "cli",
    },
    "export": {"algorithms", "losses", "telemetry", "run", "cli"},
    "config": {"build", "compose", "protocols", "sweeps"},
    "run": {"sweeps", "cli"},
}
# Imported before a command knows that it needs torch.
WITHOUT_TORCH = (
    "config",
    "compose",
    "rundir",
    "errors",
    "cli.train",
    "cli.sample",
    "cli.export",
    "cli.evaluate",
    "backbones.optional",
    "evaluation.figures",
    "evaluation.table",
    "cli.bench",
    "cli.report",
    "export.files",
    "report",
    "report.page",
    "report.reading",
    "report.search",
    "report.tables",
    "nodes",
    "schedules",
    "logs",
    "sweeps.command",
    "sweeps.job",
    "sweeps.ledger",
    "sweeps.standing",
    "sweeps.tally",
)


def modules() -> dict[str, set[str]]:
    """Module of this package -> modules of this package that it imports anywhere at its top level."""
    found: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        found[name] = set()
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gan_cli"):
                base = node.module.removeprefix("gan_cli").lstrip(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".lstrip(".")
                    path = PACKAGE / Path(*inner.split("."))
                    found[name].add(inner if path.with_suffix(".py").exists() or path.is_dir() else base)
    return {name: {target for target in targets if target and target != "__init__"} for name, targets in found.items()}


def test_imports_have_no_cycle() -> None:
    TopologicalSorter(modules()).prepare()


@pytest.mark.parametrize("room", FORBIDDEN)
def test_room_keeps_to_its_own(room: str) -> None:
    for name, imported in modules().items():
        if name == room or name.startswith(f"{room}."):
            assert not {target.split(".")[0] for target in imported} & FORBIDDEN[room], name


def test_nothing_but_the_commands_imports_the_commands() -> None:
    for name, imported in modules().items():
        if not name.startswith("cli") and name != "__main__":
            assert not any(target.startswith("cli") for target in imported), name


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_module_imports_no_torch(module: str) -> None:
    code = f"import sys, gan_cli.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
