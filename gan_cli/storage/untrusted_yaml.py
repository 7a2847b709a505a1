"""YAML that lies in a run directory: data of unknown origin, looked at before anything is made of it. No torch."""

from __future__ import annotations

import io
import re
from pathlib import Path

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_cli.errors import ConfigError

# What gan-train writes has some 10 kB (with Hydra's help page 40) and is five levels deep.
MAX_BYTES = 2**20
MAX_DEPTH = 40
# A resolver is code: it may read the environment or make directories. The data root's variable alone is asked for.
RESOLVER = re.compile(r"\$\{\s*(?!oc\.env:GAN_DATA\s*[,}])[^${}]*:|\$\{[^}:]*\$\{")
# The C parser where there is one: the other one takes long.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(file: Path) -> DictConfig | ListConfig:
    """The YAML of a file, nothing resolved.

    Raises:
        ConfigError: it is too large or too deep, or has aliases, which a few lines can make gigabytes of.
        OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException: it cannot be read.
    """
    with file.open("rb") as stream:
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
    """Raise ``ConfigError`` if a value would call a resolver once it is looked at."""
    pending: list[object] = [OmegaConf.to_container(config, resolve=False)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and RESOLVER.search(value):
            raise ConfigError(f"{file}: expected plain values and keys (${{key}}), got {value[:100]!r}")
