"""Make the pictures of the README again: ``python -m website.pictures [run] [alarm] [tensorboard]``.

The runs are kept in ``outputs/pictures/`` and continued, not repeated. ``tensorboard`` needs Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageSequence

from gan_cli.storage.run_directory import RunDirectory
from website.links import DOCS, ROOT

RUNS = ROOT / "outputs" / "pictures"
IMAGES = DOCS / "images"
GOOD = ["dataset=ring8"]
COLLAPSED = [
    "dataset=ring8",
    "optimizer.lr_g=1e-3",
    "optimizer.lr_d=2e-4",
    "optimizer/decay=none",
    "train.batch_size=64",
    "train.steps=1000",
]
SIDE = 360
FRAME_MS, LAST_FRAME_MS = 120, 2000
# The drawn console: characters a line, and its colours.
COLUMNS, FONT_SIZE, INK, PAPER, PROMPT = 62, 15, "#d6dbe5", "#1b1f27", "#7aa2f7"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WINDOW = (1500, 1050)


def main() -> None:
    """Make the pictures that the command line names, or all of them."""
    pictures: dict[str, Callable[[], None]] = {"run": run, "alarm": alarm, "tensorboard": tensorboard}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", choices=[*pictures, []], help="which [all]")
    for name in parser.parse_args().pictures or pictures:
        pictures[name]()
        print(f"{name}: done")


def run() -> None:
    """Write ``run.webp``, the progress of a run that finds all modes."""
    directory = _trained("good", GOOD)
    with Image.open(directory.samples / "progress.webp") as animation:
        frames = [_square(frame) for frame in ImageSequence.Iterator(animation)]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    frames[0].save(
        IMAGES / "run.webp", save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6
    )


def alarm() -> None:
    """Write ``alarm.png``: the last samples of a run that collapses, beside the alarm of its console."""
    directory = _trained("collapsed", COLLAPSED)
    log = directory.log.read_text().splitlines()
    raised = [line.partition(" WARNING ")[2] for line in log if " WARNING step " in line]
    if not raised:
        raise SystemExit(f"{directory.path}: no alarm was raised; choose another run")
    with Image.open(max(directory.samples.glob("step_*.png"))) as grid:
        samples = _square(grid)
    console = _console(" ".join(["$ gan-train", *COLLAPSED]), raised)
    canvas = Image.new("RGB", (SIDE + console.width, SIDE), PAPER)
    canvas.paste(samples, (0, 0))
    canvas.paste(console, (SIDE, 0))
    canvas.save(IMAGES / "alarm.png", optimize=True)


def tensorboard() -> None:
    """Write ``tensorboard.webp``: the page Custom Scalars over both runs."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        raise SystemExit("tensorboard: Chromium is needed")
    _trained("good", GOOD)
    _trained("collapsed", COLLAPSED)
    with _tensorboard() as url, tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WINDOW[0]},{WINDOW[1]}"]
        page = [f"--screenshot={shot}", "--virtual-time-budget=60000", f"{url}#custom_scalars"]
        subprocess.run([browser, *flags, *page], check=True, capture_output=True)
        with Image.open(shot) as picture:
            picture.convert("RGB").resize((1000, 700), Image.Resampling.LANCZOS).save(
                IMAGES / "tensorboard.webp", quality=80, method=6
            )


def _square(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _trained(name: str, overrides: Sequence[str]) -> RunDirectory:
    """Return a completed run with these settings; train it, or resume it, where there is none."""
    directory = RunDirectory(RUNS / name)
    if directory.stored_summary().get("status") == "completed":
        return directory
    started = [*overrides, "device.threads=1", f"hydra.run.dir={directory.path}"]
    arguments = [f"resume={directory.path}"] if directory.has_checkpoint else started
    subprocess.run([sys.executable, "-m", "gan_cli", *arguments], cwd=ROOT, check=True)
    return directory


def _console(command: str, messages: Sequence[str]) -> Image.Image:
    """Return a terminal with a command and the messages of its run, as wide as its lines."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), FONT_SIZE)
    typed = textwrap.wrap(command, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
    said = [
        line
        for message in messages
        for line in ["", *textwrap.wrap(message, COLUMNS, break_on_hyphens=False, break_long_words=False)]
    ]
    height = round(FONT_SIZE * 1.45)
    width = round(font.getlength("x" * (COLUMNS + 3)))
    image = Image.new("RGB", (width, SIDE), PAPER)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate([*typed, *said]):
        colour = PROMPT if row < len(typed) else INK
        draw.text((FONT_SIZE, FONT_SIZE + row * height), line, font=font, fill=colour)
    return image


@contextlib.contextmanager
def _tensorboard() -> Iterator[str]:
    """Serve the runs, and yield the address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--logdir",
        str(RUNS.relative_to(ROOT)),
        "--port",
        str(port),
        "--samples_per_plugin",
        "images=1000",
        "--load_fast=false",
    ]
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *options], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                time.sleep(10)  # it reads the runs after it answers
                yield f"http://127.0.0.1:{port}/"
                return
            time.sleep(1)
        raise SystemExit("tensorboard: ended before it answered")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
