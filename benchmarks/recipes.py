"""Locate the recipes of claims, benchmarks and comparisons: options of their own, which ``--config-dir`` adds."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
# Relative to the checkout, as commands in the docs name it.
CONF = "benchmarks/conf"
CONF_DIR = ROOT / CONF
EXPERIMENT_DIR = CONF_DIR / "experiment"
# For commands that are started in whatever working directory.
CONFIG_DIR_FLAGS = ("--config-dir", str(CONF_DIR))
