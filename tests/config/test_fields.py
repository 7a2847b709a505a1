"""The list of settings that --help prints."""

from __future__ import annotations

import typing
from typing import Any

from gan_cli.config.fields import describe
from gan_cli.config.schema import Config, LossSection, NodeConfig


def test_settings_are_listed_with_defaults_and_names_of_enumerations() -> None:
    rows = {key: default for key, default, _ in describe(Config)}
    assert rows["train.steps"] == "2000"
    assert rows["loss.warmup.d_steps"] == "100"
    assert rows["device.precision"] == "auto; auto|fp32|bf16"
    assert rows["train.non_finite"] == "null; stop|rollback|skip"


def test_nodes_are_not_among_the_settings_because_they_are_options_of_groups() -> None:
    keys = {key for key, _, _ in describe(Config)}
    assert not keys & {"dataset", "architecture", "algorithm", "optimizer", "noise", "augment"}
    assert {key for key in keys if key.startswith("loss.") and "warmup" not in key} == {"loss.d_steps", "loss.reuse"}


def test_omegaconf_sees_any_in_place_of_a_node() -> None:
    """A null of type dict could not be merged with an option (OmegaConf 2.3)."""
    assert NodeConfig is Any
    assert typing.get_type_hints(LossSection)["penalty"] == Any | None
