"""Imports between packages point one way, transitively, and the commands answer before torch is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gan_cli

PACKAGE = Path(gan_cli.__file__).parent

# Each package may import those of later lines, and none of its own line (docs/architecture.md lists it).
ORDER = (
    ("cli", "interface"),
    ("tour",),
    ("sweeps", "bench"),
    ("training",),
    ("evaluation",),
    ("telemetry",),
    ("algorithms", "datasets"),
    ("report", "inference", "data"),
    ("diagnostics", "runtime"),
    ("config",),
    ("architectures", "metrics"),
    ("storage", "components", "theory"),
    ("protocols", "errors"),
)
RANK = {package: rank for rank, packages in enumerate(ORDER) for package in packages}
MAX_LEVELS = 14
# What may lie at the root of the package.
ROOT_FILES = {"__init__.py", "__main__.py", "errors.py"}

# Packages whose functions may draw with matplotlib.
MAY_DRAW = {"tour", "report", "config"}

# Imported before a command knows that it needs torch.
WITHOUT_TORCH = (
    "cli.train",
    "cli.sample",
    "cli.export",
    "cli.evaluate",
    "cli.bench",
    "cli.report",
    "cli.tour",
    "components.schedules",
    "config",
    "errors",
    "evaluation.document",
    "inference.export_folder",
    "interface.functions",
    "inference.hub",
    "inference.model_search",
    "metrics",
    "report",
    "training.launch",
    "runtime.cpu_contention",
    "runtime.openmp",
    "runtime.torchrun",
    "storage.run_directory",
    "storage.untrusted_yaml",
    "sweeps.command",
    "sweeps.job",
    "sweeps.job_registry",
    "sweeps.job_status",
    "sweeps.summary_callback",
    "telemetry.run_log",
    "theory",
    "tour.catalogue",
    "tour.runner",
)


def _files() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found[name] = file
    return found


def _imports(node: ast.AST, at_runtime: bool) -> Iterator[tuple[str, bool]]:
    """Names that are imported from this package, and whether that happens when the module is loaded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and child.module and child.module.split(".")[0] == "gan_cli":
            for alias in child.names:
                yield f"{child.module}.{alias.name}".removeprefix("gan_cli."), at_runtime
        elif isinstance(child, ast.Import):
            names = [alias.name for alias in child.names if alias.name.startswith("gan_cli.")]
            yield from ((name.removeprefix("gan_cli."), at_runtime) for name in names)
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        yield from _imports(child, at_runtime and not typing_only and not isinstance(child, ast.FunctionDef))


@cache
def modules(at_runtime: bool = False) -> dict[str, frozenset[str]]:
    """Module of this package -> modules of this package that it imports; at loading time alone, or anywhere."""
    files = _files()
    found = {}
    for name, file in files.items():
        imported = set()
        for target, loading in _imports(ast.parse(file.read_text()), at_runtime=True):
            if loading or not at_runtime:
                imported.add(target if target in files else target.rpartition(".")[0])
        found[name] = frozenset(imported - {name, ""})
    return found


def package_of(module: str) -> str:
    """The package that a module belongs to; a module at the root is a package of its own."""
    return module.split(".")[0]


def reachable(module: str) -> set[str]:
    """All modules that a module imports, directly or through others, at any time."""
    found: set[str] = set()
    pending = [module]
    while pending:
        pending += (new := modules()[pending.pop()] - found)
        found |= new
    return found


def test_the_root_holds_nothing_else() -> None:
    assert {file.name for file in PACKAGE.glob("*.py")} == ROOT_FILES
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} | {"errors"} == set(RANK)


def test_imports_have_no_cycle() -> None:
    TopologicalSorter(modules()).prepare()


@pytest.mark.parametrize("package", RANK)
def test_package_reaches_only_those_of_later_lines(package: str) -> None:
    for module in modules():
        if package_of(module) == package:
            others = {package_of(target) for target in reachable(module)} - {package}
            assert {other for other in others if RANK[other] <= RANK[package]} == set(), module


def test_interfaces_import_nothing_of_ours() -> None:
    for module, imported in modules().items():
        if package_of(module) in ("protocols", "errors"):
            assert {package_of(target) for target in imported} <= {"protocols"}, module


def test_families_do_not_know_each_other() -> None:
    families = [path.name for path in (PACKAGE / "algorithms").iterdir() if (path / "__init__.py").is_file()]
    for family in families:
        for module, imported in modules().items():
            if module.startswith(f"algorithms.{family}"):
                others = {target for target in imported if target.startswith("algorithms.") and target.count(".") == 2}
                others = {target for target in others if not target.startswith(f"algorithms.{family}.")}
                # SeqGAN's discriminator is scored as a GAN's is.
                assert others <= ({"algorithms.gan.statistics"} if family == "seqgan" else set()), module


def test_levels_are_few() -> None:
    levels: dict[str, int] = {}
    for module in TopologicalSorter(modules(at_runtime=True)).static_order():
        levels[module] = 1 + max((levels[target] for target in modules(at_runtime=True)[module]), default=0)
    assert max(levels.values()) <= MAX_LEVELS, max(levels, key=lambda module: levels[module])


def test_matplotlib_is_imported_where_a_picture_is_drawn() -> None:
    # It is in an extra, and slow to import.
    named = [name for name, file in _files().items() if "matplotlib" in file.read_text()]
    assert {package_of(name) for name in named} <= MAY_DRAW
    statements = "\n".join(f"import gan_cli.{name}" for name in named)
    code = f"import sys\n{statements}\nassert 'matplotlib' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_these_loads_no_torch() -> None:
    names = [name for name in modules() if name in WITHOUT_TORCH or package_of(name) in WITHOUT_TORCH]
    names += [name for name in modules() if name.startswith("algorithms.") and name.endswith(".tags")]
    assert set(WITHOUT_TORCH) <= set(names)
    code = "import sys, importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(f'gan_cli.{name}')\n"
    code += "    assert 'torch' not in sys.modules, name\n"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_composing_loads_no_torch() -> None:
    code = "import sys\nfrom gan_cli.config.compose import compose, register\nregister(plugins=False)\n"
    code += "for dataset in ('digits', 'ring8', 'text'):\n    compose([f'dataset={dataset}', 'loss=wgan_gp'])\n"
    code += "    assert 'torch' not in sys.modules, dataset"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_only_unix_has_is_not_imported_when_a_module_is_loaded() -> None:
    for name, file in _files().items():
        statements = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import)]
        imported = {alias.name for node in statements for alias in node.names}
        assert imported.isdisjoint({"fcntl", "grp", "pwd", "resource", "termios"}), name
