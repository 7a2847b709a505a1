"""The classes that a ``_target_`` may name, and what their constructors ask for.

A target is a class of this package, of ``torch.nn`` or of ``torch.optim``, and nothing else: a configuration, also one
read back from a run directory, is data and must not name code of its choice. Whoever runs a command may name modules
of their own in the environment variable ``GAN_PLUGINS``; nothing stored can.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from typing import Any

from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.storage.moved_targets import present_name
from gan_cli.storage.plugins import PLUGINS, plugin_modules

ALLOWED_PREFIXES = ("gan_cli.", "torch.nn.", "torch.optim.")


def resolve(target: object, path: str) -> type:
    """Return the class that a ``_target_`` names.

    The class must be *defined* below an allowed prefix: a dotted path that leads through a module's own
    imports (``gan_cli.x.os.popen``) is rejected like any other.

    Args:
        target: the value of ``_target_``.
        path: where the node stands in the configuration, for messages (``"loss.objective"``).
    """
    prefixes = allowed_prefixes()
    if not isinstance(target, str) or not target.startswith(prefixes):
        allowed = ", ".join(f"{prefix}*" for prefix in prefixes)
        raise ConfigError(
            f"{path}._target_: only {allowed} may be built, got {truncated_repr(target)}. A module of your own has to"
            f" be named in the environment variable {PLUGINS}; see docs/extending.md"
        )
    target = present_name(target)
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name, None)
    except (ImportError, ValueError) as error:
        if not target.startswith(ALLOWED_PREFIXES):
            raise ConfigError(f"{path}._target_: {module_name} cannot be imported: {error}") from error
        found = None
    if not inspect.isclass(found) or not f"{found.__module__}.".startswith(prefixes):
        raise ConfigError(f"{path}._target_: there is no class {target!r}")
    if inspect.isabstract(found) or getattr(found, "_is_protocol", False) or issubclass(found, BaseException):
        raise ConfigError(f"{path}._target_: {target!r} is nothing that can be built")
    return found


def allowed_prefixes() -> tuple[str, ...]:
    """Return the prefixes of allowed targets: this package, parts of torch, and the modules of ``GAN_PLUGINS``."""
    return (*ALLOWED_PREFIXES, *(f"{name}." for name in plugin_modules()))


def parameters(target: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of the constructor by name, with their annotations resolved to types and ranges."""
    hints = _constructor_hints(target)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _constructor_hints(target: type) -> dict[str, Any]:
    """Return the types of a constructor's parameters; none of them where one can be read by a type checker alone.

    Those of fields are looked up in the modules of the classes that declare them.
    """
    names = set(inspect.signature(target).parameters)
    fields = dataclasses.fields(target) if dataclasses.is_dataclass(target) else ()
    generated = fields and names == {field.name for field in fields if field.init}
    typed = target if generated else inspect.getattr_static(target, "__init__")
    try:
        return typing.get_type_hints(typed, include_extras=True)
    except NameError:  # imported under ``if TYPE_CHECKING:``, as in some releases of torch
        return {}
