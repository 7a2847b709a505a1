"""Modules of the user's own, which the environment of a command names; nothing stored can name any."""

from __future__ import annotations

import os

# Names of modules, separated by commas.
PLUGINS = "GAN_PLUGINS"


def plugin_modules() -> tuple[str, ...]:
    """Return the names of the modules in ``GAN_PLUGINS``, whose code whoever runs the command trusts."""
    names = (name.strip() for name in os.environ.get(PLUGINS, "").split(","))
    return tuple(name for name in names if name)
