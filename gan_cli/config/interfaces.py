"""Questions to a class about the kinds of its instances: building one may have any side effect."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any


def may_be_instance(target: type, kind: Any) -> bool:
    """Return whether instances of a class may be of a kind: a class, or an interface (``Protocol``).

    A class offers an interface if it has the interface's class variables, and defines its methods such that they can
    be called with the interface's parameters. Whether annotations differ is asked as well, where both are classes.
    """
    if not getattr(kind, "_is_protocol", False):
        return issubclass(target, kind)
    return all(hasattr(target, name) for name in _class_variables(kind)) and all(
        _offers(target, name, method) for name, method in _methods(kind)
    )


def lacking(target: type, interface: Any) -> list[str]:
    """Return what a class lacks to offer an interface: names of variables, and methods with their parameters."""
    variables = [name for name in _class_variables(interface) if not hasattr(target, name)]
    methods = [
        f"{name}({', '.join(list(inspect.signature(method).parameters)[1:])})"
        for name, method in _methods(interface)
        if not _offers(target, name, method)
    ]
    return list(dict.fromkeys([*variables, *methods]))


def _class_variables(interface: type) -> Iterator[str]:
    for base in interface.__mro__:
        for name, annotation in inspect.get_annotations(base).items():
            if "ClassVar" in str(annotation):
                yield name


def _methods(interface: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for base in interface.__mro__[:-1]:
        for name, part in vars(base).items():
            if inspect.isfunction(part) and (name == "__call__" or not name.startswith("_")):
                yield name, part


def _offers(target: type, name: str, wanted: Callable[..., Any]) -> bool:
    """Return whether a class has a method that can be called as the one of an interface is."""
    owner = _owner(target, name)
    if owner is not None and name == "__call__" and _is_of_torch(owner):
        # Any module of torch can be called; with what, its `forward` says.
        name, owner = "forward", _owner(target, "forward")
    if owner is None or (name == "forward" and _is_of_torch(owner)):
        return False
    offered = vars(owner)[name]
    if not inspect.isfunction(offered):
        return True  # a class method or a descriptor, which may do anything
    parameters = list(inspect.signature(wanted).parameters)
    try:
        bound = inspect.signature(offered).bind(*parameters)
    except TypeError:
        return False
    own, others = _hints(offered), _hints(wanted)
    # What is left over for `*args` is a tuple.
    pairs = [("return", "return"), *((mine, name) for mine, name in bound.arguments.items() if isinstance(name, str))]
    return all(_agree(own.get(mine), others.get(theirs)) for mine, theirs in pairs)


def _owner(target: type, name: str) -> type | None:
    """Return the class that defines an attribute of ``target``. Not ``hasattr``: every class can be called."""
    return next((base for base in target.__mro__[:-1] if name in vars(base)), None)


def _is_of_torch(owner: type) -> bool:
    return owner.__module__.partition(".")[0] == "torch"


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names that are imported for type checkers alone
        return {}


def _agree(first: Any, second: Any) -> bool:
    """Return whether two annotations may mean the same; all do that are not both plain classes."""
    plain = all(
        inspect.isclass(each) and each is not Any and not getattr(each, "_is_protocol", False)
        for each in (first, second)
    )
    numbers = (bool, int, float)
    if not plain or (first in numbers and second in numbers):
        return True
    return issubclass(first, second) or issubclass(second, first)
