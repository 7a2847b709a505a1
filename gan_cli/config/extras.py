"""Packages that only some backbones take. Imports no torch."""

from __future__ import annotations

from importlib.util import find_spec

from gan_cli.errors import ConfigError

INCEPTION_PACKAGE = "torch_fidelity"
INSTALL = "pip install 'gan_cli[fid]'"


def require_inception() -> None:
    """Raise ``ConfigError`` unless torch-fidelity is installed."""
    if find_spec(INCEPTION_PACKAGE) is None:
        raise ConfigError(f"backbone inception: this takes torch-fidelity, not installed here: {INSTALL}")
