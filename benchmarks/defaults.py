"""Train the default run of each dataset that needs no download, and put their table and pictures into docs/defaults.md.

    python -m benchmarks.defaults [--only ring8 mnist] [--photos DIR]
    python -m benchmarks.defaults --losses [--only wgan_gp jsd] [--seeds 3]

A run is ``gan-train dataset=NAME`` as it stands, in a process of its own. Finished runs are kept below
``outputs/defaults`` and not trained again. ``--losses`` trains the losses on ``dataset=ring8`` instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from PIL import Image

from benchmarks import mixtures
from benchmarks.formatting import heading, row
from benchmarks.machine import cpu_model
from benchmarks.recipes import ROOT
from gan_cli.config.schema import conf_dir
from gan_cli.storage.run_directory import RunDirectory

PAGE = ROOT / "docs" / "defaults.md"
PICTURES = Path("images", "defaults")  # beside the page
# Those that need no download, with MNIST, whose files most people have, and a folder of photos; the quick ones first.
DATASETS = (
    *("ring8", "two_moons", "swiss_roll", "parallel_lines", "grid25"),
    *("digits", "mnist", "image_folder", "fashion_mnist"),
)
MIXTURES = ("ring8", "grid25")
SIDE = 320  # pixels of a picture beside others
COST = "cost.json"  # in the folder of a run, beside what gan-train writes


@dataclass(frozen=True)
class Run:
    """A run as it is typed, and its name.

    Attributes:
        name: of its folder.
        overrides: as on the command line.
    """

    name: str
    overrides: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line to show."""
        return " ".join(("gan-train", *self.overrides))


@dataclass(frozen=True)
class Cost:
    """Seconds of a run, start and imports included.

    Attributes:
        processor: seconds of all processors.
        wall: seconds; more beside other work.
    """

    processor: float
    wall: float


def is_finished(directory: RunDirectory) -> bool:
    """Return whether the folder holds a completed run, and what it took."""
    return directory.stored_summary().get("status") == "completed" and (directory.path / COST).exists()


def train(run: Run, folder: Path, extra: Sequence[str]) -> None:
    """Train a run in a process of its own, unless the folder holds it already, and write what it took beside it."""
    directory = RunDirectory(folder / run.name)
    if is_finished(directory):
        return
    print(run.command, flush=True)
    start = time.monotonic()
    arguments = [*run.overrides, f"hydra.run.dir={directory.path}", *extra]
    process = subprocess.Popen([sys.executable, "-m", "gan_cli", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{run.command}: exit status {process.returncode}; see {directory.log}")
    cost = Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start)
    (directory.path / COST).write_text(json.dumps(vars(cost)))


def result(run: Run, directory: RunDirectory) -> str:
    """Say how many modes a run on a mixture found; other data are for the eye."""
    if not any(f"dataset={name}" in run.overrides for name in MIXTURES):
        return "see below"
    found = mixtures.measure(directory.path)
    quality = found.spread_modes.high_quality
    return f"{found.protocol_modes.captured} of {found.total} modes, {quality:.0%} of high quality"


def last_picture(directory: RunDirectory) -> Image.Image:
    """Return the last grid of a run."""
    with Image.open(max(directory.samples.glob("step_*.png"))) as picture:
        return picture.convert("RGB")


def keep_pictures(directories: Sequence[RunDirectory], name: str) -> str:
    """Keep the last grids of runs beside the page, as one picture of rows of five; returns its path from the page."""
    pictures = [last_picture(directory) for directory in directories]
    if len(pictures) > 1:
        pictures = [picture.resize((SIDE, SIDE)) for picture in pictures]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width * min(len(pictures), 5), height * -(-len(pictures) // 5)), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (width * (index % 5), height * (index // 5)))
    target = PICTURES / f"{name}.webp"
    (PAGE.parent / target).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(PAGE.parent / target, quality=85, method=6)
    return target.as_posix()


def replace_part(text: str, name: str, content: str) -> str:
    """Return a page with the part between ``<!-- NAME -->`` and ``<!-- end of NAME -->`` replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{PAGE}: expected {begin} and {end} once each")
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    torch.set_num_threads(1)
    if arguments.losses:
        _losses(arguments)
    else:
        _datasets(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of these datasets, or losses with --losses")
    parser.add_argument("--photos", type=Path, help="folder of images for dataset=image_folder; left out without it")
    parser.add_argument("--losses", action="store_true", help="every loss on ring8, in place of every dataset")
    parser.add_argument("--seeds", type=int, default=3, help="of each loss; default: 3")
    parser.add_argument("--folder", type=Path, default=Path("outputs/defaults"))
    parser.add_argument("--override", action="append", default=[], help="for every run: --override device.threads=1")
    return parser


def _datasets(arguments: argparse.Namespace) -> None:
    for name in DATASETS:
        wanted = name in (arguments.only or DATASETS)
        if wanted and (name != "image_folder" or arguments.photos is not None):
            train(_dataset_run(name, arguments.photos), arguments.folder, arguments.override)
    rows, pictures = [], []
    for name in DATASETS:
        directory, run = RunDirectory(arguments.folder / name), _dataset_run(name, Path("photos"))
        if is_finished(directory):
            rows.append(row([f"`{run.command}`", *_settings(directory), *_cost(directory), result(run, directory)]))
            pictures.append(f"![Samples of `{run.command}`]({keep_pictures([directory], name)})\n\n`{run.command}`")
    table = "\n".join([heading(["command", "steps", "batch", "processor s", "wall s", "result"]), *rows])
    _write({"runs": f"{_machine()}\n\n{table}", "pictures": "\n\n".join(pictures)})


def _dataset_run(name: str, photos: Path | None) -> Run:
    if name == "digits":  # what `gan-train` alone learns
        return Run(name, ())
    path = (f"dataset.path={photos}",) if name == "image_folder" else ()
    return Run(name, (f"dataset={name}", *path))


def _losses(arguments: argparse.Namespace) -> None:
    names = [file.stem for file in sorted((conf_dir() / "loss").glob("*.yaml")) if file.stem != "none"]
    for seed in range(arguments.seeds):
        for name in arguments.only or names:
            train(_loss_run(name, seed), arguments.folder, arguments.override)
    rows, shown = [], dict[str, RunDirectory]()
    for name in names:
        directories = [RunDirectory(arguments.folder / _loss_run(name, seed).name) for seed in range(arguments.seeds)]
        finished = [directory for directory in directories if is_finished(directory)]
        if finished:
            shown[name] = finished[0]
            cells = [_outcome(directory) if directory in finished else "" for directory in directories]
            seconds = fmean(_read_cost(directory).processor for directory in finished)
            rows.append(row([f"`{name}`", *cells, f"{seconds:.0f}"]))
    columns = ["loss", *(f"seed {seed}: modes, HQ (alarms)" for seed in range(arguments.seeds)), "processor s"]
    caption = f"First seed, by rows: {', '.join(shown)}"
    picture = f"![{caption}.]({keep_pictures(list(shown.values()), 'ring8_losses')})\n\n{caption}."
    _write({"losses": "\n".join([heading(columns), *rows]) + f"\n\n{picture}"})


def _loss_run(name: str, seed: int) -> Run:
    return Run(f"ring8_{name}_{seed}", ("dataset=ring8", f"loss={name}", f"seed={seed}"))


def _outcome(directory: RunDirectory) -> str:
    """Return modes and quality of a run on the ring, and the alarms that it raised."""
    found = mixtures.measure(directory.path)
    alarms = sorted({alarm["name"] for alarm in directory.stored_summary()["alarms"]})
    suffix = f" ({', '.join(alarms)})" if alarms else ""
    return f"{found.protocol_modes.captured}, {found.spread_modes.high_quality:.0%}{suffix}"


def _settings(directory: RunDirectory) -> tuple[int, int]:
    train_section = directory.stored_config().train
    return train_section.steps, train_section.batch_size


def _read_cost(directory: RunDirectory) -> Cost:
    return Cost(**json.loads((directory.path / COST).read_text()))


def _cost(directory: RunDirectory) -> tuple[str, str]:
    cost = _read_cost(directory)
    return f"{cost.processor:.0f}", f"{cost.wall:.0f}"


def _machine() -> str:
    return f"Measured on: {cpu_model()}, {os.cpu_count()} cores, torch {torch.__version__}."


def _write(parts: dict[str, str]) -> None:
    text = PAGE.read_text()
    for name, content in parts.items():
        text = replace_part(text, name, content)
    PAGE.write_text(text)
    print(PAGE)


if __name__ == "__main__":
    main()
