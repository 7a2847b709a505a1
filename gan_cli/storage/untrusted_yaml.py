"""Safe loading of the YAML in a run directory, which may be of unknown origin. Imports no torch."""

from __future__ import annotations

import io
from pathlib import Path

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_cli.errors import ConfigError
from gan_cli.storage.interpolations import calls_resolver
from gan_cli.storage.reading import open_regular

# The files that gan-train writes have some 10 kB (with Hydra's help page 40) and five levels.
MAX_BYTES = 2**20
MAX_DEPTH = 40
# The C parser where there is one, as the one in Python is slow.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(file: Path) -> DictConfig | ListConfig:
    """Load the YAML of a file without resolving interpolations.

    Raises:
        ConfigError: it is too large or too deep, or has aliases, by which a few lines can expand to gigabytes.
        OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException: it cannot be read.
    """
    with open_regular(file) as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{file}: expected {MAX_BYTES} bytes at most")
    text, depth = content.decode(), 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{file}: expected no aliases (*{event.anchor})"[:300])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{file}: expected {MAX_DEPTH} levels at most")
    return OmegaConf.load(io.StringIO(text))


def reject_resolvers(config: DictConfig, file: Path) -> None:
    """Raise ``ConfigError`` if access to a value would call a resolver."""
    pending: list[object] = [OmegaConf.to_container(config, resolve=False)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and calls_resolver(value):
            raise ConfigError(f"{file}: expected plain values and keys (${{key}}), got {value[:100]!r}")
