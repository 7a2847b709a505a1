"""Real data in a data root that can be written."""

from __future__ import annotations

from pathlib import Path


def linked(real_data: Path, root: Path) -> Path:
    """A data root that can be written, with MNIST in it."""
    (root / "mnist").mkdir(parents=True)
    for file in (real_data / "mnist").iterdir():
        (root / "mnist" / file.name).symlink_to(file)
    return root
