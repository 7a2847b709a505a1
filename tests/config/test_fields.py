"""Declarations of settings."""

from __future__ import annotations

import typing
from typing import Any

from gan_cli.config.schema import LossSection, NodeConfig


def test_omegaconf_sees_any_in_place_of_a_node() -> None:
    """A null of type dict could not be merged with an option (OmegaConf 2.3)."""
    assert NodeConfig is Any
    assert typing.get_type_hints(LossSection)["penalty"] == Any | None
