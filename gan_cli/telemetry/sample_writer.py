"""The folder ``samples/`` of a run: grids, panels and sentences of every preview, and an animation at the end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.protocols.algorithm import Sentences
from gan_cli.protocols.callbacks import Callback, EncodedImage, EndEvent, PreviewEvent, StartEvent
from gan_cli.storage.files import WriteErrorHandler, write_atomic, writing
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import figures, images

SAMPLE_NAME = re.compile(r"(?:[a-z]+_)?step_(\d{8,})\.(?:png|txt)")
GRID_NAME = "step_*.png"


class SampleWriter(Callback):
    """Writes preview samples, images or text, to files, and hands the encoded images on."""

    def __init__(self, directory: RunDirectory, errors: WriteErrorHandler, dtype: np.dtype[Any] = images.BYTE) -> None:
        """Write with a policy for write errors, and pixels of a type, uint8 or uint16."""
        self._folder = directory.samples
        self._errors = errors
        self._dtype = dtype

    def on_start(self, event: StartEvent) -> None:
        """Make the folder, and delete samples of this step and later, which an earlier process has written."""
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
            for file in self._files():
                if _step_of(file) >= event.step:
                    file.unlink()

    def on_preview(self, event: PreviewEvent) -> PreviewEvent:
        preview = event.preview
        if isinstance(preview, Sentences):
            text = "".join(f"{line}\n" for line in preview.lines)
            self._write(f"step_{event.step:08d}.txt", text.encode())
            return event
        grids = {"": figures.preview_figure(preview, event.step, self._dtype)}
        for name, panel in preview.panels.items():
            grids[name] = figures.panel_figure(panel, name, event.step, self._dtype)
        encoded = {name: EncodedImage(images.png(image), *image.size) for name, image in grids.items()}
        for name, image in encoded.items():
            self._write(f"{name}_step_{event.step:08d}.png".lstrip("_"), image.png)
        return replace(event, images=encoded)

    def on_end(self, event: EndEvent) -> None:
        """Write the animation of all grids, unless an error has ended the run."""
        grids = [file for file in self._files() if file.match(GRID_NAME)]
        if grids and not event.by_error:
            animation = self._folder / "progress.webp"
            with self._errors.writing("samples/progress.webp", animation):
                images.write_progress_animation(grids, animation)

    def _write(self, name: str, content: bytes) -> None:
        file = self._folder / name
        with self._errors.writing("samples", file):
            write_atomic(file, content)

    def _files(self) -> list[Path]:
        """Return all files of samples, grids and others, in the order of their steps."""
        files = self._folder.glob("*step_*")
        return sorted(filter(lambda file: SAMPLE_NAME.fullmatch(file.name), files), key=_step_of)


def _step_of(sample: Path) -> int:
    match = SAMPLE_NAME.fullmatch(sample.name)
    assert match is not None
    return int(match[1])
