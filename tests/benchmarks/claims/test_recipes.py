"""Recipes of the claims: each belongs to a claim, composes and has the claim's data."""

from __future__ import annotations

import pytest

from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.harness import Job
from benchmarks.recipes import EXPERIMENT_DIR
from gan_cli.training import planning
from tests.helpers.claims import NAMES

RECIPES = sorted({arm.recipe for claim in CLAIMS.values() for arm in claim.arms})


def test_every_claim_is_there_and_every_recipe_of_a_claim_belongs_to_one() -> None:
    assert tuple(CLAIMS) == NAMES
    assert sorted(file.stem for file in EXPERIMENT_DIR.glob("claim_*.yaml")) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_plan(recipe: str) -> None:
    (arm, *_) = (arm for claim in CLAIMS.values() for arm in claim.arms if arm.recipe == recipe)
    plan = planning.plan(Job(arm, 0).composition().config)
    assert plan.config.device.threads == 1
    # Figures that are looked at are those of the network, or of the last checkpoint.
    assert plan.config.train.steps % plan.config.train.checkpoint_every == 0
    assert plan.config.train.eval_every % plan.config.train.log_every == 0


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if "mode_collapse" in recipe or "covers" in recipe])
def test_rings_are_those_of_the_claim(recipe: str) -> None:
    text = (EXPERIMENT_DIR / f"{recipe}.yaml").read_text()
    wanted = (
        "radius: 2.0",
        "std: 0.02",
        "unit: 1.0",
        "latent_dim: 256",
        "generator_hidden: [128, 128]",
        "half_life: 0",
    )
    for setting in (*wanted, "discriminator_hidden: [128, 128]"):
        assert setting in text
