"""Files as torch writes them, and an object that does harm when such a file is opened."""

from __future__ import annotations

import io
import os
from typing import Any

import torch


class Harm:
    """What a pickle may do to whoever opens it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harmed",))


def saved(stored: Any) -> bytes:
    file = io.BytesIO()
    torch.save(stored, file)
    return file.getvalue()
