"""Comparison of a state from a checkpoint with the one that it is to replace, value by value."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gan_cli.storage.state_values import number

MAX_COUNT = 2**62  # counts are added up in 64 bits


def require_like(stored: object, present: object, path: str = "") -> None:
    """Raise ``TypeError`` where a stored value is of another kind than the present one of the same path.

    Entries that only one of the two has are no error: earlier versions had others, and those that are needed are missed
    when the state is loaded. Neither are shapes, which the networks compare. Where the present value is None, or the
    options of an optimizer's parameters, which depend on the device, anything may be stored.

    Args:
        stored: state from a checkpoint.
        present: state of an algorithm of the same configuration.
        path: of both in the whole state, for messages.
    """
    if isinstance(present, Mapping):
        if not isinstance(stored, Mapping):
            raise _unlike(stored, path, "entries by name")
        for key in present.keys() & stored.keys() - {"param_groups"}:
            require_like(stored[key], present[key], f"{path}.{key}" if path else str(key))
    elif isinstance(present, list | tuple):
        if not isinstance(stored, list | tuple):
            raise _unlike(stored, path, "a list")
        for index, (stored_entry, entry) in enumerate(zip(stored, present, strict=False)):
            require_like(stored_entry, entry, f"{path}.{index}")
    elif isinstance(present, Tensor):
        if not isinstance(stored, Tensor) or stored.is_floating_point() != present.is_floating_point():
            raise _unlike(stored, path, f"a tensor of {present.dtype}")
        if stored.is_complex():
            raise _unlike(stored, path, f"a tensor of {present.dtype}")
    elif isinstance(present, int) and present >= 0:
        if not isinstance(stored, int) or not 0 <= stored <= MAX_COUNT:
            raise _unlike(stored, path, "a count")
    elif isinstance(present, int | float):
        number(stored)
    elif isinstance(present, str) and not isinstance(stored, str):
        raise _unlike(stored, path, "text")


def _unlike(stored: object, path: str, wanted: str) -> TypeError:
    kind = str(stored.dtype) if isinstance(stored, Tensor) else f"a value of type {type(stored).__name__}"
    return TypeError(f"{path or 'the state'}: expected {wanted}, got {kind}")
