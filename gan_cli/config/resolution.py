"""Resolution for good: what a resolver (``${oc.env:X}``, ``${now:%Y}``, ``${hydra:job.num}``) returns, in its place.

The value of a resolver belongs to a moment, a process and a machine; what a run stores has to mean the same later and
elsewhere, and must call nothing when it is read. Interpolations of other keys stay, as these may change when a run is
resumed; and so does the environment's ``GAN_DATA``, since data may lie elsewhere then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.hydra_errors import explain_hydra_error
from gan_cli.config.override_text import OverrideText, value_text
from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.storage.interpolations import calls_resolver, escape


def resolve_for_good(config: DictConfig) -> DictConfig:
    """Return a copy of a run's own configuration in which no value calls a resolver any more.

    Raises:
        ConfigError: a resolver fails.
    """
    resolved, schema = config.copy(), OmegaConf.structured(Config)
    try:
        for *parents, key in _resolver_calls(OmegaConf.to_container(config, resolve=False), ()):
            source, target = _descend(config, parents), _descend(resolved, parents)
            value = _literal(source[key])
            if not parents and key in schema:  # Hydra's composition has types below this level alone
                schema[key] = value
                value = schema[key]
            target[key] = value
    except OmegaConfBaseException as error:
        raise explain_hydra_error(error) from error
    return resolved


def resolve_overrides(overrides: Sequence[str], resolved: DictConfig, choices: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a run with the values that their resolvers had; those of Hydra itself as they are.

    Args:
        overrides: as the run was composed of.
        resolved: the composed configuration without resolvers.
        choices: option chosen from each config group.
    """
    return [_resolve_override(override, resolved, choices) for override in overrides]


def reject_undecodable(value: object) -> None:
    """Raise ``ConfigError`` for text with bytes that are no UTF-8, which no configuration could be stored with."""
    if isinstance(value, dict | list):
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            reject_undecodable(inner)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"expected text in UTF-8, got {truncated_repr(value)}") from error


def _resolve_override(override: str, resolved: DictConfig, choices: Mapping[str, Any]) -> str:
    item = OverrideText.split(override)
    if item.is_of_hydra or not item.calls_resolver:
        return override
    if item.prefix == "~":
        return f"~{item.key}"
    if item.key in choices:
        return item.with_value(value_text(choices[item.key]))
    value = OmegaConf.to_container(resolved, resolve=False)
    for key in item.key.split("."):
        if not isinstance(value, dict) or key not in value:
            return override
        value = value[key]
    return item.with_value(value_text(value))


def _resolver_calls(value: object, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of the values that call a resolver."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _resolver_calls(inner, (*path, key))
    elif isinstance(value, str) and calls_resolver(value):
        yield path


def _descend(node: Any, path: Sequence[Any]) -> Any:
    for key in path:
        node = node[key]
    return node


def _literal(value: object) -> object:
    """Return the value of a resolver as one that stands for itself."""
    if isinstance(value, DictConfig | ListConfig):
        value = OmegaConf.to_container(value, resolve=True)
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(inner) for inner in value]
    return escape(value) if isinstance(value, str) else value
