"""``experiment=X loss=Y``: a typed option replaces what the experiment set in its place, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gan_cli.config.compose import compose, register
from gan_cli.config.schema import conf_dir
from gan_cli.errors import ConfigError
from gan_cli.training import planning

EXPERIMENTS = sorted(file.stem for file in (conf_dir() / "experiment").glob("*.yaml"))
LOSSES = sorted(file.stem for file in (conf_dir() / "loss").glob("*.yaml"))
# Groups, and an option of each that no experiment, or hardly one, chooses.
OTHERS = {
    "optimizer": "sgd",
    "optimizer/decay": "exponential",
    "architecture": "mlp_small",
    "loss/penalty": "r1",
    "loss/anneal": "linear",
    "noise": "linear",
    "augment": "ada",
    "dataset": "two_moons",
    "algorithm": "autoencoder",
}


@pytest.fixture(autouse=True)
def registered() -> None:
    register(plugins=False)


def composed(*overrides: str) -> Any:
    return OmegaConf.to_container(compose(overrides).config, resolve=True)


def test_loss_replaces_that_of_the_experiment_and_all_below_it() -> None:
    config, alone = composed("experiment=wgan_mnist", "loss=jsd"), composed("dataset=mnist", "loss=jsd")
    assert config["loss"] == alone["loss"]
    assert config["loss"]["constraint"] is None
    assert (config["train"]["steps"], config["architecture"]["width"]) == (50000, 64)
    assert config["optimizer"]["_target_"].endswith("RMSprop"), "the experiment's own choice elsewhere stays"
    assert composed("experiment=ring8_best", "loss=wgan_gp")["loss"]["anneal"] is None


def test_same_option_leaves_the_experiment_as_it_is() -> None:
    for experiment, option in [
        ("wgan_mnist", "loss=wgan"),
        ("ring8_best", "loss/anneal=exponential"),
        ("seqgan_oracle20_short", "algorithm=seqgan"),
    ]:
        assert composed(f"experiment={experiment}", option) == composed(f"experiment={experiment}")


def test_option_below_replaces_its_own_part_alone() -> None:
    alone = composed("experiment=wgan_gp_mnist")
    config = composed("experiment=wgan_gp_mnist", "loss/penalty=r1")
    assert list(config["loss"].pop("penalty")) == ["r1"]
    assert alone["loss"].pop("penalty")["gradient"]["weight"] == 10
    assert config == alone


def test_key_that_is_typed_still_wins() -> None:
    config = composed("experiment=wgan_mnist", "loss=jsd", "loss.d_steps=3")
    assert config["loss"]["d_steps"] == 3


def test_experiment_of_ones_own_is_replaced_too(workplace: Path) -> None:
    (workplace / "mine" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\ndefaults:\n  - wgan_mnist\n  - _self_\nloss:\n  constraint:\n    c: 0.5\n"
    (workplace / "mine" / "experiment" / "wide.yaml").write_text(recipe)
    with_it = compose(["experiment=wide"], workplace / "mine").config
    assert with_it.loss.constraint.c == 0.5
    assert compose(["experiment=wide", "loss=jsd"], workplace / "mine").config.loss.constraint is None


def planned(*overrides: str) -> str:
    """What is wrong with a run; empty where it could start."""
    try:
        planning.plan(compose([*overrides, "dry_run=true"]).config)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_loss_beside_an_experiment_is_that_loss(experiment: str) -> None:
    own = compose([f"experiment={experiment}"])
    for loss in ("jsd", "wgan_gp", "roth"):
        config = compose([f"experiment={experiment}", f"loss={loss}"]).config
        # A dataset may have settings of its own for a loss.
        alone = [f"dataset={own.choices['dataset']}", f"loss={loss}"]
        expected = own if own.choices["loss"] == loss else compose(alone)
        assert OmegaConf.to_container(config.loss) == OmegaConf.to_container(expected.config.loss)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_option_goes_with_an_experiment_or_says_what_does_not(experiment: str) -> None:
    options = [*(f"loss={loss}" for loss in LOSSES), *(f"{group}={option}" for group, option in OTHERS.items())]
    for option in options:
        mistake = planned(f"experiment={experiment}", option)
        assert "\n" not in mistake, f"{option}: {mistake}"
        assert "a class and its settings" not in mistake, f"{option}: {mistake}"
