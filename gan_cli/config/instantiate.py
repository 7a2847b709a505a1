"""Construction of objects from nodes with a ``_target_``: the target's signature is the node's schema.

:func:`find_problems` compares a node with the signature and reports every mistake with its full path; :func:`create`
builds the object. A target is a class of this package, of ``torch.nn`` or of ``torch.optim``, and nothing else:
a configuration, also one read back from a run directory, is data and must not name code of its choice. Whoever
runs a command may name modules of their own in the environment variable ``GAN_PLUGINS``; nothing stored can.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Union

from gan_cli.errors import ConfigError, InvalidValueError, did_you_mean, truncated_repr
from gan_cli.storage.moved_targets import present_name
from gan_cli.storage.plugins import PLUGINS, plugin_modules

MAX_FLOAT32 = 3.4e38
ALLOWED_PREFIXES = ("gan_cli.", "torch.nn.", "torch.optim.")


def create(node: Mapping[str, Any], path: str, kind: Any, provided: Mapping[str, Any] | None = None) -> Any:
    """Check ``node`` and build the object that it describes.

    Args:
        node: plain mapping with ``_target_`` and the target's parameters; nodes inside it are built first.
        path: where the node stands in the configuration, for messages (``"loss.objective"``).
        kind: what the object must be: a class, or a protocol that can be checked at run time.
        provided: parameters that the program supplies; the configuration may not set them.

    Raises:
        ConfigError: the node does not fit the target's signature, or the target rejects a value.
    """
    provided = provided or {}
    problems = find_problems(node, path, provided)
    if problems:
        raise ConfigError("\n".join(problems))
    return _build(node, path, provided, kind)


def find_problems(node: Any, path: str, provided: Collection[str] = ()) -> list[str]:
    """List everything that is wrong with a node, one line each, without building anything.

    Args:
        node: mapping with a ``_target_``, or anything else, which is then the one problem.
        path: where the node stands in the configuration.
        provided: names of parameters that the program supplies, and that the node may not set.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        return [f"{path}: expected a node with a _target_, got {truncated_repr(node)}"]
    try:
        target = resolve(node["_target_"], path)
    except ConfigError as error:
        return [str(error)]
    signature = parameters(target)
    settable = [name for name in signature if name not in provided]
    problems = []
    for key, value in node.items():
        if key == "_target_":
            continue
        if key not in settable:
            hint = did_you_mean(str(key), settable) or f" Allowed: {', '.join(settable) or 'no keys'}."
            problems.append(f"{path}.{key}: {target.__name__} has no such key.{hint}")
        else:
            problems += _mismatches(value, signature[key].annotation, f"{path}.{key}")
    for name in settable:
        if name not in node and signature[name].default is inspect.Parameter.empty:
            problems.append(f"{path}.{name}: required by {target.__name__}, but not set")
    return problems


def resolve(target: Any, path: str) -> type:
    """Return the class that a ``_target_`` names.

    The class must be *defined* below an allowed prefix: a dotted path that leads through a module's own
    imports (``gan_cli.x.os.popen``) is rejected like any other.
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
    """Return the parameters of the constructor by name, with their annotations resolved to types."""
    hints = typing.get_type_hints(inspect.getattr_static(target, "__init__"))
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _build(node: Mapping[str, Any], path: str, provided: Mapping[str, Any], kind: Any) -> Any:
    target = resolve(node["_target_"], path)
    if not any(may_be_instance(target, choice) for choice in _union_members(kind) if _is_interface(choice)):
        raise ConfigError(f"{path}._target_: expected {_type_name(kind)}, got {node['_target_']!r}")
    signature = parameters(target)
    arguments: dict[str, Any] = {
        key: _convert(value, signature[key].annotation, f"{path}.{key}")
        for key, value in node.items()
        if key != "_target_"
    }
    try:
        built = target(**arguments, **provided)
    except InvalidValueError as error:
        raise error.with_path(path) from error
    except (TypeError, ValueError, RuntimeError) as error:
        if not target.__module__.startswith("torch."):
            raise  # classes of ours raise InvalidValueError; anything else is a bug
        raise ConfigError(f"{path}: {target.__name__} rejects its parameters: {error}") from error
    if not any(isinstance(built, choice) for choice in _union_members(kind) if _is_interface(choice)):
        raise ConfigError(f"{path}._target_: expected {_type_name(kind)}, got {node['_target_']!r}")
    return built


def may_be_instance(target: type, kind: Any) -> bool:
    """Return whether instances of a class may be of a kind, without building one, which may have any side effect."""
    if not getattr(kind, "_is_protocol", False):
        return issubclass(target, kind)
    methods = [name for base in kind.__mro__[:-1] for name, part in vars(base).items() if inspect.isfunction(part)]
    return all(hasattr(target, name) for name in methods if not name.startswith("_") or name == "__call__")


def _is_interface(kind: Any) -> bool:
    """Return whether a node may stand for a value of this type."""
    return inspect.isclass(kind) and kind not in (bool, int, float, str, type(None)) and not issubclass(kind, Enum)


def _is_finite(value: float) -> bool:
    """Return whether a number is finite as a float32."""
    return abs(value) <= MAX_FLOAT32


def _union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _mismatches(value: Any, annotation: Any, path: str) -> list[str]:
    """List the problems of a value against an annotation; a union is satisfied by any of its members."""
    choices = _union_members(annotation)
    if isinstance(value, Mapping) and "_target_" in value and any(map(_is_interface, choices)):
        return find_problems(value, path)
    if any(_has_type(value, choice) for choice in choices):
        return []
    expected = " or ".join(_type_name(choice) for choice in choices)
    return [f"{path}: expected {expected}, got {truncated_repr(value)}"]


def _has_type(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind in (None, type(None)):
        return value is None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and Ellipsis not in arguments:
            return len(value) == len(arguments) and all(map(_has_type, value, arguments))
        return all(_has_type(item, arguments[0]) for item in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return isinstance(value, str) and value in kind.__members__
    return inspect.isclass(kind) and kind in (bool, str) and isinstance(value, kind)


def _convert(value: Any, annotation: Any, path: str) -> Any:
    """Return a checked value in the type of its annotation: nodes built, enums looked up, lists as tuples."""
    if isinstance(value, Mapping) and "_target_" in value:
        return _build(value, path, {}, annotation)
    for kind in _union_members(annotation):
        if inspect.isclass(kind) and issubclass(kind, Enum) and isinstance(value, str) and value in kind.__members__:
            return kind[value]
        if kind is float and _has_type(value, float):
            return float(value)
        if typing.get_origin(kind) is tuple and isinstance(value, (list, tuple)):
            kinds = typing.get_args(kind)
            kinds = kinds[:1] * len(value) if Ellipsis in kinds else kinds
            return tuple(_convert(item, each, path) for item, each in zip(value, kinds, strict=True))
    return value


def _type_name(kind: Any) -> str:
    """Return the description of a type for a message."""
    if kind in (None, type(None)):
        return "null"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return " or ".join(kind.__members__)
    if typing.get_origin(kind) is tuple and Ellipsis not in typing.get_args(kind):
        return f"a list [{', '.join(map(_type_name, typing.get_args(kind)))}]"
    if typing.get_origin(kind) in (tuple, list, Sequence):
        return f"a list of {_type_name(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) is not None:
        return str(kind).replace("typing.", "").replace("collections.abc.", "")
    return str(getattr(kind, "__name__", kind))
