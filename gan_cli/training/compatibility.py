"""Compatibility of the parts of a run: settings that an algorithm does not use are rejected, not ignored."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from omegaconf import OmegaConf

from gan_cli.algorithms.spec import ALGORITHM_SPECIFIC_KEYS, AlgorithmSpec, algorithm_options
from gan_cli.config.extras import require_extra
from gan_cli.config.interfaces import may_be_instance
from gan_cli.config.nodes import Node
from gan_cli.config.schema import BackboneKind, Config, LossSection, conf_dir
from gan_cli.config.targets import resolve
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Dataset, Images, Sequences, data_kinds


def class_name(part: object) -> str:
    """Return the bare name of a class, of the class that an unparsed node names, or of the class of an object."""
    target = part.get("_target_") if isinstance(part, dict) else part
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    return name.rpartition(".")[2]


def reject_unused(config: Config, family: type[AlgorithmSpec], accepted: Collection[str]) -> None:
    """Raise ``ConfigError`` for parts and settings that this family does not use.

    Args:
        config: the typed configuration.
        family: the class of the algorithm.
        accepted: names of the parts that its constructor takes.
    """
    if "loss" not in accepted and config.loss != LossSection():
        raise ConfigError(_unused_loss(config.loss, family))
    if "loss" in accepted and config.loss.objective is None:
        raise ConfigError(f"loss: expected a loss for {class_name(family)}, got none: loss=jsd")
    for part in ("noise", "augment"):
        node = getattr(config, part)
        if part not in accepted and node is not None:
            raise ConfigError(
                f"{part}: expected none for {class_name(family)}, which has no use for it, got {class_name(node)}"
            )
    defaults = Config()
    for key in ALGORITHM_SPECIFIC_KEYS:
        value, default = _at(config, key), _at(defaults, key)
        # A value that only switches something off (device.graph=false) is no mistake.
        if key not in family.supported_settings and value and value != default:
            raise ConfigError(
                f"{key}: expected {_yaml(default)} for {class_name(family)}, which does not use it, got {value}"
            )


def _unused_loss(loss: LossSection, family: type[AlgorithmSpec]) -> str:
    reason = f"for {class_name(family)}, which has no D that a loss could be chosen for"
    if loss.objective is not None:
        return f"loss: expected none {reason}, got {class_name(loss.objective)}"
    key, default = next(_changes(loss, LossSection()))
    return f"loss.{key}: expected {_yaml(default)} {reason}"


def _changes(section: Any, defaults: Any) -> Iterator[tuple[str, Any]]:
    """Yield the key and the default of every setting that has another value; of sections inside it, too."""
    for name in (item.name for item in fields(section)):
        value, default = getattr(section, name), getattr(defaults, name)
        if is_dataclass(default):
            yield from ((f"{name}.{key}", each) for key, each in _changes(value, default))
        elif value != default:
            yield name, default


def require_architecture(architecture: Node, family: type[AlgorithmSpec], kind: Any) -> Node:
    """Return an architecture that builds what this family trains; raises ``ConfigError`` for any other."""
    if architecture.may_be(kind):
        return replace(architecture, kind=kind)
    files = sorted((conf_dir() / "architecture").glob("*.yaml"))
    targets = {file.stem: OmegaConf.select(OmegaConf.load(file), "_target_") for file in files}
    candidates = [name for name, each in targets.items() if may_be_instance(resolve(each, "architecture"), kind)]
    raise ConfigError(
        f"architecture: expected one for {class_name(family)} ({', '.join(candidates)}), got"
        f" {class_name(architecture.target)}"
    )


def reject_unsupported_data(dataset: Node, config: Config, family: type[AlgorithmSpec]) -> None:
    """Raise ``ConfigError`` for data of a kind that this family cannot learn."""
    kinds = data_kinds(dataset.target)
    if not set(kinds) & set(family.supported_data):
        wanted = " or ".join(kind.__name__.lower() for kind in family.supported_data)
        learners = [name for name, spec in algorithm_options().items() if Sequences in spec.supported_data]
        hint = " or ".join(learners) if Sequences in kinds else "dataset=oracle or dataset=text"
        raise ConfigError(
            f"dataset: expected {wanted} for {class_name(family)}, got {class_name(dataset.target)}, which gives"
            f" {' or '.join(kind.__name__.lower() for kind in kinds)}: {hint}"
        )
    if config.evaluation.backbone is not BackboneKind.auto and kinds == (Sequences,):
        raise ConfigError(
            "evaluation.backbone: expected auto for sequences, which no backbone describes, got"
            f" {config.evaluation.backbone.name}"
        )


def reject_incompatible_with_data(config: Config, dataset: Dataset) -> None:
    """Raise ``ConfigError`` for settings that these data rule out, and for metrics of theirs that are not installed."""
    if config.conditional and dataset.classes == 0:
        raise ConfigError(f"conditional: expected false for {type(dataset).__name__}, whose samples have no labels")
    if config.augment is not None and Images not in data_kinds(type(dataset)):
        raise ConfigError(f"augment: expected none for samples of shape {dataset.shape}; it changes images")
    if config.train.eval_every and Sequences in data_kinds(type(dataset)):
        require_extra("train.eval_every", "text")


def _at(config: Config, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _yaml(value: Any) -> str:
    """Return a value as it is written in YAML and on a command line."""
    return json.dumps(value)
