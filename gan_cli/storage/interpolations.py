"""Interpolations (``${key}``, ``${resolver:...}``) in plain text, examined without resolving any. Imports no torch."""

from __future__ import annotations

import re

# A resolver is code: it may read the environment or make directories. Only the variable of the data root is allowed.
# An interpolation inside another one counts as a resolver, as its text is known only once it is resolved.
RESOLVER = re.compile(r"(?<!\\)(?:\\\\)*(?:\$\{\s*(?!oc\.env:GAN_DATA\s*[,}])[^${}]*:|\$\{[^}:]*\$\{)")
INTERPOLATION_START = re.compile(r"(\\*)\$\{")


def calls_resolver(text: str) -> bool:
    """Return whether access to a value of this text would call a resolver, other than for the data root."""
    return RESOLVER.search(text) is not None


def escape(text: str) -> str:
    """Return text in which each ``${`` stands for itself: what a resolver has returned is no interpolation."""
    return INTERPOLATION_START.sub(lambda found: rf"{found[1] * 2}\${{", text)
