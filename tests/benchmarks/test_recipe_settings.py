"""Recipes of claims and comparisons: the settings that the numbers of their pages were measured with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from benchmarks.recipes import CONF_DIR
from gan_cli.config.compose import compose, register

# What the recipes composed to at the release before 0.2.0: what all of them share, and what each one adds. A change of
# a default must not change an experiment; a setting that is new since then needs a default that changes nothing.
FILE = Path(__file__).with_name("recipe_settings.json")
MEASURED: Mapping[str, Mapping[str, Any]] = json.loads(FILE.read_text())
NAMES = sorted(MEASURED["recipes"])
# Settings that the samples and their metrics depend on. Alarms are claimed to come with their default thresholds.
SECTIONS = ("dataset", "architecture", "algorithm", "loss", "noise", "augment", "optimizer", "ema", "evaluation")
TRAIN = ("steps", "batch_size", "log_every", "eval_every", "replicas", "held_out")
RUN = ("conditional", "pac", "seed")
PLACES = ("dataset.root", "dataset.mirrors")


def settings(name: str) -> dict[str, Any]:
    """Compose a recipe, and return the settings that its results depend on: dotted key -> value."""
    register()
    config = OmegaConf.to_container(compose([f"experiment={name}"], CONF_DIR).config, resolve=True, enum_to_str=True)
    assert isinstance(config, dict)
    chosen = {key: config[key] for key in (*SECTIONS, *RUN)} | {"train": {key: config["train"][key] for key in TRAIN}}
    flat = _flatten(chosen)
    return {key: value for key, value in flat.items() if key not in PLACES}


def _flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def test_every_claim_and_comparison_is_pinned() -> None:
    recipes = [file.stem for kind in ("claim", "versus") for file in (CONF_DIR / "experiment").glob(f"{kind}_*.yaml")]
    assert sorted(recipes) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_recipe_has_the_settings_that_were_measured(name: str) -> None:
    measured = {**MEASURED["common"], **MEASURED["recipes"][name]}
    now = settings(name)
    assert {key: now.get(key, "no such setting") for key in measured} == measured
