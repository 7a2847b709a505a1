"""Numbers of every size in every place of a configuration that holds one: through composition and plan."""

from __future__ import annotations

import contextlib
import functools
import math

from hypothesis import strategies as st

from gan_cli.config.compose import compose, register
from gan_cli.config.flat import flatten_config
from gan_cli.errors import UserError
from gan_cli.training import planning
from gan_cli.training.plan_summary import rows_of_plan, table

# Command lines that have every algorithm, architecture, dataset and component with a number of its own among them.
RECIPES = (
    ("architecture=mlp", "dataset=ring8", "loss=wgan_gp", "noise=adaptive", "optimizer/decay=linear"),
    ("architecture=dcgan", "augment=ada", "loss=wgan", "noise=linear", "optimizer=sgd"),
    ("architecture=resnet", "dataset=cifar10", "loss=dragan", "loss/top_k=exponential", "optimizer=rmsprop"),
    ("architecture=r3gan", "dataset=stacked_mnist", "loss=r3gan", "loss/anneal=linear"),
    ("architecture=maxout", "loss=lsgan", "noise=exponential", "augment=diffaugment"),
    ("architecture=gaussian", "dataset=grid25"),
    ("architecture=segment", "dataset=parallel_lines", "loss=roth"),
    ("algorithm=vae", "algorithm/beta=linear", "algorithm/likelihood=gaussian"),
    ("algorithm=autoencoder", "architecture=vae_conv"),
    ("algorithm=diffusion", "architecture=unet"),
    ("algorithm=diffusion", "architecture=denoiser_mlp", "dataset=two_moons"),
    ("algorithm=seqgan", "dataset=oracle", "algorithm/estimator=rollouts"),
)
SIZES = st.one_of(
    st.integers(-3, 40),
    st.integers(0, 80).map(lambda bits: 2**bits),
    st.integers(0, 30).map(lambda digits: 10**digits + 1),
    st.integers(0, 400).map(lambda digits: -(10**digits)),
    st.sampled_from([2**31 - 1, 2**63 - 1, 2**63, 65_536, 1_048_576, 10**400]),
    st.floats(),
    st.sampled_from([0.1, 1e-300, 1e300, 3.4e38, math.nan, math.inf, -math.inf]),
)


@functools.cache
def numeric_keys(recipe: tuple[str, ...]) -> list[str]:
    """Return the keys of a recipe whose values are numbers, null or lists of numbers."""
    register()
    flat = flatten_config(compose(list(recipe)).config)
    # What is null at the top is a group without an option.
    return [key for key, value in flat.items() if _numeric(value) and (value is not None or "." in key)]


def _numeric(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_numeric, value))
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def overrides(recipe: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Command lines with one to three numbers of a recipe replaced; lists by lists."""
    flat = dict.fromkeys(numeric_keys(recipe))
    value = SIZES.map(str) | st.lists(SIZES.map(str), max_size=3).map(lambda items: f"[{','.join(items)}]")
    changed = st.lists(st.tuples(st.sampled_from(list(flat)), value), min_size=1, max_size=3)
    return changed.map(lambda pairs: [*recipe, *(f"{key}={value}" for key, value in pairs)])


INPUTS = st.sampled_from(RECIPES).flatmap(overrides)


def read(command: list[str]) -> None:
    """Check and describe a run, as a dry run does."""
    register()
    with contextlib.suppress(UserError):
        table(rows_of_plan(planning.plan(compose(command).config)))
