"""Classes of this package and of torch in every place of a configuration that holds a node."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import inspect
import pkgutil
from typing import Any

from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import nn, optim

import gan_cli
from gan_cli.config.compose import compose, register
from gan_cli.errors import UserError
from gan_cli.training import planning
from tests.fuzz.numbers import RECIPES, SIZES


@functools.cache
def targets() -> list[str]:
    """Return the names of all classes of this package, and of torch's layers and optimizers."""
    names = {
        f"{module.__name__}.{name}" for module in (nn, optim) for name, _ in inspect.getmembers(module, inspect.isclass)
    }
    for info in pkgutil.walk_packages(gan_cli.__path__, "gan_cli."):
        if not info.name.endswith("__main__"):
            module = importlib.import_module(info.name)
            names |= {f"{info.name}.{name}" for name, _ in inspect.getmembers(module, inspect.isclass)}
    return sorted(names)


@functools.cache
def composed(recipe: tuple[str, ...]) -> Any:
    """Return the configuration of a recipe as plain values, which are not to be changed."""
    register()
    return OmegaConf.to_container(compose(list(recipe)).config)


@functools.cache
def places(recipe: tuple[str, ...]) -> list[str]:
    """Return the keys of the nodes of a recipe, and of a penalty and a callback more."""
    found = ["loss.penalty.other", "callback.other", "logger.other"]

    def walk(node: object, path: str) -> None:
        if isinstance(node, dict):
            found.extend([path] if "_target_" in node else [])
            for key, value in node.items():
                walk(value, f"{path}.{key}" if path else str(key))

    walk(composed(recipe), "")
    return found


VALUES = SIZES | st.none() | st.booleans() | st.sampled_from(["x", "relu", ""]) | st.lists(SIZES, max_size=2)


@st.composite
def configurations(draw: Any) -> tuple[tuple[str, ...], str, dict[str, Any]]:
    """A recipe, the key of a node, and what stands there: a class, with any value for each required parameter."""
    recipe = draw(st.sampled_from(RECIPES))
    place, target = draw(st.sampled_from(places(recipe))), draw(st.sampled_from(targets()))
    node: dict[str, Any] = {"_target_": target}
    module, _, name = target.rpartition(".")
    with contextlib.suppress(ValueError, TypeError):  # classes without a signature
        for key, parameter in inspect.signature(getattr(importlib.import_module(module), name)).parameters.items():
            if parameter.default is parameter.empty or draw(st.booleans()):
                node[key] = draw(VALUES)
    return recipe, place, node


def read(drawn: tuple[tuple[str, ...], str, dict[str, Any]]) -> None:
    """Plan a run with the node in its place, as of a stored configuration."""
    recipe, place, node = drawn
    config = copy.deepcopy(composed(recipe))
    *parents, last = place.split(".")
    parent = config
    for key in parents:
        parent[key] = parent[key] or {}
        parent = parent[key]
    parent[last] = node
    with contextlib.suppress(UserError):
        planning.plan(OmegaConf.create(config))
