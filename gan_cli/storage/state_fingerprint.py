"""Fingerprint of a checkpoint's content: equal for equal states, whatever file they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def state_fingerprint(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the step and of all numbers, texts and tensors of the algorithm in a state."""
    digest = hashlib.sha256()
    for path, value in _leaves({key: state[key] for key in ("step", "algorithm")}, ""):
        digest.update(path.encode(errors="surrogatepass"))
        if isinstance(value, Tensor):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().data)
        else:
            digest.update(repr(value).encode(errors="surrogatepass"))
    return digest.hexdigest()


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield everything in nested containers that is none, in their order, with its path."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}/{index}")
    else:
        yield path, value
