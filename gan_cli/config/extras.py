"""Optional packages: which extra of gan_cli brings them, and the check that names missing ones. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from gan_cli.errors import ConfigError


@dataclass(frozen=True)
class Extra:
    """Packages that are installed only on request.

    Attributes:
        name: as in ``pip install 'gan-cli[name]'``.
        packages: importable names of all that it brings; none for Hydra's plugins, which Hydra finds by itself.
    """

    name: str
    packages: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The command that installs it, into an environment from a wheel or from a checkout."""
        return f"pip install 'gan-cli[{self.name}]'"


EXTRAS: Mapping[str, Extra] = {
    extra.name: extra
    for extra in (
        Extra("arrays", ("h5py", "zarr", "pyarrow")),
        Extra("export", ("safetensors", "onnx", "onnxscript")),
        Extra("fid", ("torch_fidelity",)),
        Extra("figures", ("matplotlib",)),
        Extra("film", ("imageio_ffmpeg",)),
        Extra("hub", ("huggingface_hub", "safetensors")),
        Extra("huggingface", ("datasets",)),
        Extra("mlflow", ("mlflow",)),
        Extra("sweep"),
        Extra("text", ("nltk",)),
        Extra("trackio", ("trackio",)),
        Extra("wandb", ("wandb",)),
    )
}
# Format of gan-export -> an extra, and those of its packages that writing the format takes.
EXPORT_PACKAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "safetensors": ("export", ("safetensors",)),
    "onnx": ("export", ("onnx", "onnxscript")),
    "torch": ("export", ()),
    "hub": ("hub", ("safetensors",)),
}


def require_extra(feature: str, extra: str, packages: Sequence[str] | None = None) -> None:
    """Raise ``ConfigError`` unless the packages that a feature needs can be imported; imports none of them.

    Args:
        feature: what needs them, as the error message begins.
        extra: name of the extra that brings them.
        packages: those of the extra that are needed; None for all of them.
    """
    needed = EXTRAS[extra].packages if packages is None else packages
    missing = [package.replace("_", "-") for package in needed if find_spec(package) is None]
    if missing:
        raise ConfigError(f"{feature}: this takes {' and '.join(missing)}, not installed here: {EXTRAS[extra].install}")
