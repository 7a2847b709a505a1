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
# Overrides of the runs whose speed is measured, by the name of their row.
WORKLOADS = {
    "digits": (),
    "ring8": ("dataset=ring8",),
    "mlp_wgan": ("experiment=bench_mlp_wgan",),
    "mlp_gan": ("experiment=bench_mlp_gan",),
    "dcgan64": ("experiment=bench_dcgan64",),
}
