"""One run of ``gan-train``: new, resumed (``resume=``) or forked (``fork=``), in this process."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gan_cli.training.launch import Launch


def train_one(overrides: Sequence[str], user_conf_dir: Path | None) -> int:
    """Train one run, or describe it with ``dry_run=true``, and return the exit status.

    The directory of a new run is made once the configuration is checked and the data are read.
    """
    from gan_cli.training.launch import compose_launch

    with gc_paused():  # to count the images of a folder takes torch
        launch = compose_launch(overrides, user_conf_dir)
    with gc_paused():
        from gan_cli.training import fork, replicas, single  # noqa: F401 - the long imports, with garbage collection off

    with launch.explained_errors():
        if launch.composition.dry_run:
            _print_dry_run(launch)
            return 0
        return launch.train()


def _print_dry_run(launch: Launch) -> None:
    """Print the description of a run, and write the picture of augmented images where it is asked for."""
    lines = [launch.describe()]
    if launch.composition.augment_preview:
        from gan_cli.training.augmentation_preview import write_preview

        lines.append(write_preview(launch.composition.config, Path()))
    print("\n".join(lines))


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Disable garbage collection inside, and freeze all objects afterwards; meant for imports.

    Importing torch alone makes half a million objects that stay alive. To traverse them again and again takes a fifth
    of the time to the first step. Frozen objects are still freed when their reference count drops to zero, but cycles
    among them are not collected.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()
