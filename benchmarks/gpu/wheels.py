"""Collect the packages that a machine without a network lacks, as wheels in a folder that git ignores.

    python -m benchmarks.gpu.wheels                        # those below that a usual image with torch lacks
    python -m benchmarks.gpu.wheels --python 3.12 hydra-core omegaconf

On that machine, in the checkout with the folder in it:

    python3 -m pip install --no-index --no-deps --target site .gpu_wheels/*.whl
    PYTHONPATH=site python3 -m benchmarks.gpu
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.recipes import ROOT
from gan_cli.errors import ConfigError, UserError

FOLDER = ROOT / ".gpu_wheels"
CONSTRAINTS = ROOT / "constraints.txt"
# Pure Python, all of them: what images with torch, the usual scientific packages and TensorBoard lack of our own ones.
PACKAGES = ("hydra-core", "omegaconf", "antlr4-python3-runtime==4.9.3", "pooch", "platformdirs", "nltk", "defusedxml")
# Those that are published as source alone: their wheels are built here.
BUILT = ("antlr4-python3-runtime",)
PURE = "-none-any.whl"


def main() -> None:
    """Run the command: print the wheels, one a line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.wheels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("packages", nargs="*", default=PACKAGES, help=f"default: {' '.join(PACKAGES)}")
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="of that machine [3.12]")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where they go [{FOLDER.name}]")
    arguments = parser.parse_args()
    try:
        for wheel in collect(arguments.packages, arguments.python, arguments.folder):
            print(wheel)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def collect(packages: list[str], python: str, folder: Path) -> list[Path]:
    """Download or build one wheel of each package, in the version that the constraints pin.

    Raises:
        ConfigError: a package cannot be had, or is not pure Python.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    for command in commands(packages, python, folder):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    wheels = sorted(folder.glob("*.whl"))
    others = [wheel.name for wheel in wheels if not wheel.name.endswith(PURE)]
    if others:
        raise ConfigError(f"not pure Python, so not for every machine: {', '.join(others)}")
    return wheels


def commands(packages: list[str], python: str, folder: Path) -> list[list[str]]:
    """Return the calls of pip that collect the packages: wheels for another Python, and those that are built."""
    built = [package for package in packages if package.partition("==")[0] in BUILT]
    others = [package for package in packages if package not in built]
    pip = [sys.executable, "-m", "pip", "--quiet"]
    options = ["--no-deps", "-c", str(CONSTRAINTS)]
    found = []
    if others:
        target = ["--only-binary=:all:", "--python-version", python, "--implementation", "py", "--platform", "any"]
        found.append([*pip, "download", *options, *target, "-d", str(folder), *others])
    if built:
        found.append([*pip, "wheel", *options, "-w", str(folder), *built])
    return found


if __name__ == "__main__":
    main()
