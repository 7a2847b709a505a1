"""Option files (``conf/``, ``--config-dir``, ``hydra.searchpath``), read as any YAML of unknown origin is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from gan_cli.errors import ConfigError
from gan_cli.storage import untrusted_yaml

HEADER_LENGTH = 512  # in which Hydra looks for `# @package`


# Hydra registers its own again when it finds its plugins anew; it leaves the one that is there if it has the same name.
class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's source of YAML files in folders, with types and sizes bounded: aliases may expand to gigabytes."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Load an option; raises ``ConfigError`` where the file is not one of plain values."""
        file = (Path(self.path) / self._normalize_file_name(config_path)).resolve()
        if not file.exists():
            raise ConfigLoadError(f"Config not found : {file}")
        text = untrusted_yaml.read_text(file)
        plain = untrusted_yaml.parse(text, str(file))
        if not isinstance(plain, dict | None):
            raise ConfigError(f"{file}: expected a mapping")
        _expand_home(plain or {})
        header = ConfigSource._get_header_dict(text[:HEADER_LENGTH])
        place = f"{self.scheme()}://{self.path}"
        return ConfigResult(config=OmegaConf.create(plain or {}), path=place, provider=self.provider, header=header)


def _expand_home(option: dict[str, Any]) -> None:
    """Replace ``~`` in the directories of runs and sweeps, which Hydra itself makes, in an option that sets them."""
    hydra = option.get("hydra")
    for section in hydra.values() if isinstance(hydra, dict) else ():
        directory = section.get("dir") if isinstance(section, dict) else None
        if isinstance(directory, str):
            section["dir"] = os.path.expanduser(directory)  # noqa: PTH111 - never raises


def register() -> None:
    """Put the bounded source in the place of Hydra's own; may be called repeatedly."""
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
