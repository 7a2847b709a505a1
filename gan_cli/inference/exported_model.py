"""Models that ``gan-export --format hub`` wrote, of whatever origin, loaded as data. Imports no torch before weights.

Nothing in such a folder is executed: the weights are arrays (safetensors), the description is JSON, and the
configuration is read as that of a run is, with targets of the permitted prefixes alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gan_cli.config.data_places import without_folders
from gan_cli.config.extras import require_extra
from gan_cli.errors import ConfigError, printable, truncated_repr
from gan_cli.inference.export_folder import CONFIGURATION, DESCRIPTION, WEIGHTS
from gan_cli.storage import untrusted_yaml
from gan_cli.storage.json_files import mapping, read_object
from gan_cli.storage.reading import MIB, open_regular
from gan_cli.storage.run_directory import parse_stored_config
from gan_cli.storage.run_search import run_around

# Key of the description that only folders have from which networks can be built again, and the version of its content.
KEY, VERSION = "stored_model", 1
FILES = (WEIGHTS, DESCRIPTION, CONFIGURATION)
# Far above what networks of this package take; the header lists the tensors, some hundred bytes each.
MAX_WEIGHTS_BYTES, MAX_HEADER_BYTES = 2**34, 8 * MIB


@dataclass(frozen=True)
class ExportedModel:
    """An exported model in a folder, as a stored model: the moving average of what generates samples.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / CONFIGURATION

    @property
    def weights_path(self) -> Path:
        return self.path / WEIGHTS

    @property
    def written_by(self) -> str | None:
        try:
            version = read_object(self.path / DESCRIPTION).get("gan_cli")
        except OSError:
            return None
        return version[:50] if isinstance(version, str) else None

    def stored_config(self) -> DictConfig:
        """Read the configuration that it was trained with; nothing in it is resolved or built.

        The data are not beside it: of their places on the machine of its author only the names are left.
        """
        return without_folders(parse_stored_config(untrusted_yaml.load(self.config_file), self.config_file))

    def load_state(self) -> dict[str, Any]:
        """Load the weights in the form of a checkpoint: the moving average alone, also in the place of raw weights.

        Raises:
            ConfigError: a file cannot be read, is damaged, or has not been written to be loaded again.
        """
        described = self.description()
        weights = read_weights(self.weights_path)
        algorithm = {"generator": weights, "average": weights, "classes": described.get("condition")}
        return {"step": described.get("step"), "data": described.get("data"), "algorithm": algorithm}

    def description(self) -> Mapping[str, Any]:
        """Read what ``config.json`` says of a model that can be loaded again; raises ``ConfigError``."""
        file = self.path / DESCRIPTION
        try:
            described = mapping(read_object(file).get(KEY))
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error
        if not described:
            raise ConfigError(f"{file} describes no model that can be loaded: gan-export --format hub writes one")
        if described.get("version") != VERSION:
            version = truncated_repr(described.get("version"))
            raise ConfigError(f"{file}: expected a model of version {VERSION}, got {version}: another gan_cli wrote it")
        return described


def read_weights(file: Path) -> dict[str, Any]:
    """Read the tensors of a safetensors file by name, to the CPU; raises ``ConfigError``."""
    where = printable(str(file))
    try:
        with open_regular(file) as opened:
            size, header = os.fstat(opened.fileno()).st_size, int.from_bytes(opened.read(8), "little")
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror or error}") from error
    # safetensors checks that the header's tensors are as long as the rest of the file, neither more nor less.
    if size > MAX_WEIGHTS_BYTES or header > MAX_HEADER_BYTES:
        limit = f"{MAX_WEIGHTS_BYTES:,} bytes, and {MAX_HEADER_BYTES:,} of a header"
        raise ConfigError(f"{where}: expected {limit}, at most, as safetensors has them")
    require_extra("exported weights", "hub", ("safetensors",))

    from safetensors.torch import load_file

    try:
        weights: dict[str, Any] = load_file(file)
    except Exception as error:  # safetensors has an error of its own, and damaged bytes can raise others
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{where} cannot be read: {reason}") from error
    if any(tensor.is_complex() for tensor in weights.values()):
        raise ConfigError(f"{where}: expected real numbers, got complex ones")
    return weights


def find_exported(typed: Path) -> ExportedModel | None:
    """Return the exported model that a path is, or is a file of; None where it is no such folder.

    Other exports within a run stand for the run, as all of its files do.
    """
    folder = typed.parent if typed.name in FILES else typed
    if not all(os.path.isfile(folder / name) for name in (WEIGHTS, DESCRIPTION)):  # noqa: PTH113 - raises for no name
        return None
    try:
        has_key = bool(read_object(folder / DESCRIPTION).get(KEY))
    except OSError:
        has_key = False
    return ExportedModel(folder) if has_key or run_around(folder) is None else None
