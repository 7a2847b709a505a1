"""Directions of tags: whether lower or higher values are better; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from gan_cli.metrics.registry import MetricInfo, metric_infos
from gan_cli.metrics.training_tags import training_tags

SIGNS = {"lower": -1, "higher": 1}


@cache
def training_tag_directions() -> Mapping[str, int]:
    """Return -1 where lower is better and 1 where higher is, of the tags of families' own reports that have either."""
    return MappingProxyType({tag.name: SIGNS[tag.better] for tag in training_tags() if tag.better in SIGNS})


def directed(infos: Mapping[str, MetricInfo]) -> frozenset[str]:
    """Return those of the described tags of which lower or higher values are better."""
    return frozenset(tag for tag, info in infos.items() if info.better in SIGNS)


def direction(tag: str) -> int:
    """Return -1 where lower is better, 1 where higher is, else 0, of a tag or of a name in ``evaluation.json``."""
    declared = training_tag_directions()
    if tag in declared:
        return declared[tag]
    group, _, name = tag.partition("/")
    if group == "divergence":
        return 0 if name == "ceiling" else -1
    info = metric_infos().get(metric_name(tag))
    return 0 if info is None else SIGNS.get(info.better, 0)


def metric_name(tag: str) -> str:
    """Return the metric's name without group and backbone: ``frechet`` of ``metrics/frechet/classifier``."""
    return tag.removeprefix("metrics/").partition("/")[0]
