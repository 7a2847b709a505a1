"""A folder of pictures that changes between stop and resume: noticed by what is in it, and refused unless allowed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.soak import recipes
from tests.soak.children import completed, train
from tests.soak.equality import same_run

STOPPED_AT = 60
REFUSED = 3


def _one_more(pictures: Path) -> None:
    shutil.copy(pictures / "class_0" / "0.jpg", pictures / "class_0" / "another.jpg")


def _one_less(pictures: Path) -> None:
    (pictures / "class_1" / "7.jpg").unlink()


def _one_pixel(pictures: Path) -> None:
    file = pictures / "class_0" / "4.jpg"
    with Image.open(file) as image:
        changed = image.copy()
    red, green, blue = changed.getpixel((6, 5))
    changed.putpixel((6, 5), (255 - red, 255 - green, 255 - blue))
    changed.save(file)


def _other_times(pictures: Path) -> None:
    for number, file in enumerate(sorted(pictures.rglob("*.jpg"), reverse=True)):
        os.utime(file, (1e9 + number, 1e9 + number))


CHANGES: dict[str, Callable[[Path], None]] = {
    "one picture more": _one_more,
    "one picture less": _one_less,
    "one pixel of one picture": _one_pixel,
}


def soak(place: Path) -> str:
    """Raise AssertionError unless each change is refused in one line, and allowed where that is asked for."""
    pictures, data, undisturbed = recipes.make_pictures(place / "pictures"), place / "data", place / "undisturbed"
    arguments = recipes.folder_run(pictures)
    completed((*arguments, f"hydra.run.dir={undisturbed}"), data)
    stopped, kept = place / "stopped", place / "kept"
    completed((*arguments, f"train.steps={STOPPED_AT}", f"hydra.run.dir={stopped}"), data)
    shutil.copytree(pictures, kept)

    for output, change in CHANGES.items():
        _restore(kept, pictures)
        change(pictures)
        run = shutil.copytree(stopped, place / output.replace(" ", "_"))
        before = _content(run)
        refused = train((f"resume={run}", f"train.steps={recipes.STEPS}"), data)
        assert refused.status == REFUSED, f"{output}: status {refused.status}, expected {REFUSED}:\n{refused.err}"
        assert "Traceback" not in refused.err, refused.err
        assert "train.allow_changed_data=true" in refused.complaint, f"{output}: {refused.complaint}"
        assert _content(run) == before, f"{output}: the run's files have changed"
        completed((f"resume={run}", f"train.steps={recipes.STEPS}", "train.allow_changed_data=true"), data)
        completed((f"resume={run}", f"train.steps={recipes.STEPS + 1}"), data)  # these data are the run's now

    _restore(kept, pictures)
    _other_times(pictures)
    completed((f"resume={stopped}", f"train.steps={recipes.STEPS}"), data)
    same_run(stopped, undisturbed)
    rejected = f"{len(CHANGES)} of {len(CHANGES)} changes rejected, and accepted when allowed"
    return f"{rejected}; changed file times alone: bitwise equal"


def _restore(kept: Path, pictures: Path) -> None:
    shutil.rmtree(pictures)
    shutil.copytree(kept, pictures)


def _content(run: Path) -> dict[str, bytes]:
    """All that matters of a run; its log may say what was refused."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.suffix != ".log"
    }
