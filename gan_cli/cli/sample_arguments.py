"""Arguments of ``gan-sample``, and the mistakes in them that are found before anything is loaded. Imports no torch."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gan_cli.cli.arguments import CommandParser, add_checkpoint_option, add_device_option, add_model_argument, version
from gan_cli.cli.numbers import (
    MAX_SAMPLES,
    MAX_SEED,
    integer,
    number,
    require_output_file,
    require_output_folder,
)
from gan_cli.errors import ConfigError, truncated_repr

PICTURES = (".png", ".webp", ".jpg", ".jpeg")
# Largest temperature: words are drawn evenly long before. Largest truncation: N(0, 1) has no more in float32.
MAX_TEMPERATURE, MAX_TRUNCATION = 1e6, 100.0
# Of films.
FILM_SECONDS, FILM_RATE = 8.0, 12.0
MAX_SECONDS, MAX_RATE = 3600.0, 60.0
MAX_STARTS, MAX_ITERATIONS, MAX_NEIGHBOURS = 256, 100_000, 100
# Largest latent_dim that any architecture takes, and so the most directions.
MAX_DIRECTIONS = 65_536
SEED_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
GRID_SIZE = re.compile(r"([1-9][0-9]{0,5})[xX×]([1-9][0-9]{0,5})")  # noqa: RUF001 - the sign of multiplication
# Option that says what is done -> those that have no meaning beside it.
EXCLUDED: Mapping[str, Sequence[str]] = {
    "invert": ("nearest", "directions", "n", "seeds", "latents", "truncation", "grid", "separate", "walk"),
    "directions": ("nearest", "n", "seeds", "latents", "grid", "separate", "walk"),
    "nearest": ("grid", "walk", "separate"),
    "seeds": ("seed", "latents", "n"),
    "latents": ("seed", "n"),
}
# Option -> the one that it belongs to.
DEPENDENT: Mapping[str, str] = {
    "truncation_by": "truncation",
    "seconds": "walk",
    "fps": "walk",
    "starts": "invert",
    "iterations": "invert",
}
# Options of samples that are not text.
NOT_OF_TEXT = ("label", "separate", "walk", "seeds", "latents", "truncation", "grid", "invert", "directions", "nearest")


@dataclass(frozen=True)
class GridSize:
    """Size of a grid of samples, as typed."""

    rows: int
    columns: int

    @property
    def count(self) -> int:
        return self.rows * self.columns

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds and ranges of them, such as ``1,5-9``; raises ``ConfigError``."""
    seeds: list[int] = []
    for part in text.split(","):
        match = SEED_RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last <= MAX_SEED:
            raise ConfigError(
                f"--seeds: expected seeds from 0 to {MAX_SEED:,} and ranges of them, such as 1,5-9, got"
                f" {truncated_repr(text)}"
            )
        if len(seeds) + last - first + 1 > MAX_SAMPLES:
            raise ConfigError(f"--seeds: expected {MAX_SAMPLES:,} seeds at most, got more")
        seeds += range(first, last + 1)
    repeated = next((first for first, second in pairwise(sorted(seeds)) if first == second), None)
    if repeated is not None:
        raise ConfigError(f"--seeds: expected each seed once, got {repeated} twice")
    return tuple(seeds)


def parse_grid(text: str) -> GridSize:
    """Parse rows and columns, such as ``4x8``; raises ``ConfigError``."""
    match = GRID_SIZE.fullmatch(text)
    if match is None or int(match[1]) * int(match[2]) > MAX_SAMPLES:
        raise ConfigError(f"--grid: expected rows x columns, such as 4x8, got {truncated_repr(text)}")
    return GridSize(int(match[1]), int(match[2]))


def sample_parser() -> CommandParser:
    """Return the parser of ``gan-sample``."""
    parser = CommandParser(
        prog="gan-sample",
        description="Draw from the generator (its moving average) of a run. The same seed gives the same samples.",
    )
    add_model_argument(parser)
    add_checkpoint_option(parser)
    parser.add_argument("--n", type=integer("--n", 1, MAX_SAMPLES), help="how many samples [64; sentences: 16]")
    _add_latents(parser)
    parser.add_argument(
        "--label",
        metavar="LABEL",
        help="of a run with conditional=true, draw this alone: a class, by its name, such as that of a folder, or else"
        " its number from 0 on; labels that hold at once, smiling,young; or numbers in the data's own units, 0.3 or"
        " age=30,angle=1.2, of which one or two may be ranges that a grid goes over, age=20:60 [all classes or labels"
        " in turn, one row each; a grid over the range of the first number, or of the first two]",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a grid (.png, .webp, .jpg), or the raw array (.npy): images as (N, C, H, W) in [-1, 1], those of arrays"
        " and of more than 8 bits in the units of the data; points in the data's own coordinates as (N, 2); rows of a"
        " table, also with the names of its columns (.csv); of text,"
        " sentences (.txt) or tokens (.npy) as (N, T) [grid.png, unless --separate or --walk is given; text is"
        " printed; with --invert, --directions and --nearest a picture of that name]",
    )
    parser.add_argument("--grid", type=parse_grid, metavar="RxC", help="rows and columns of the grid, 4x8 [square]")
    parser.add_argument(
        "--temperature",
        type=number("--temperature", 0, MAX_TEMPERATURE),
        metavar="T",
        help="text: below 1 likely words become likelier, above 1 less likely [1]",
    )
    parser.add_argument(
        "--separate",
        type=Path,
        metavar="DIR",
        help="each image as a PNG of its own size, with its seed and label in its name and in chunks of text",
    )
    _add_film(parser)
    _add_tasks(parser)
    add_device_option(parser)
    parser.add_argument("--version", action="version", version=version())
    return parser


def _add_latents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=integer("--seed", 0, MAX_SEED), help="seed of all latents [0]")
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        metavar="LIST",
        help="one sample of each seed, 1,5-9: that of seed 5 is the first one of --seed 5, whatever else is drawn; of"
        " a run with classes, each seed with every class, unless there is --label",
    )
    parser.add_argument("--latents", type=Path, metavar="FILE", help="draw from these latents (.npy): (N, latent_dim)")
    parser.add_argument(
        "--truncation",
        type=number("--truncation", 0, MAX_TRUNCATION),
        metavar="T",
        help="draw latents closer to the mean: samples are more typical and vary less",
    )
    parser.add_argument(
        "--truncation-by",
        choices=("bound", "scale"),
        help="bound: each coordinate of z is of the normal distribution truncated at T (BigGAN); scale: z times T"
        " [bound]",
    )


def _add_film(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--walk", type=Path, metavar="FILE", help="a film of walks through the latents (.webp, .gif, .mp4), endless"
    )
    parser.add_argument(
        "--seconds", type=number("--seconds", 0, MAX_SECONDS), help=f"length of the film [{FILM_SECONDS:g}]"
    )
    parser.add_argument(
        "--fps", type=number("--fps", 0, MAX_RATE), metavar="RATE", help=f"frames in a second [{FILM_RATE:g}]"
    )


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--invert",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="find the latents of pictures of the run's size, or of samples in an array (.npy), by gradient descent:"
        " a picture of what was found [inversion.png] and the latents, (N, latent_dim), beside it (.npy)",
    )
    parser.add_argument(
        "--starts",
        type=integer("--starts", 1, MAX_STARTS),
        help="latents from which each descent begins, of which the best is kept [8]",
    )
    parser.add_argument(
        "--iterations", type=integer("--iterations", 1, MAX_ITERATIONS), help="steps of each descent [500]"
    )
    parser.add_argument(
        "--directions",
        type=integer("--directions", 1, MAX_DIRECTIONS),
        metavar="K",
        help="the K directions of the latents in which samples change most, a strip each [directions.png], and the"
        " directions, (K, latent_dim), beside it (.npy)",
    )
    parser.add_argument(
        "--nearest",
        type=integer("--nearest", 1, MAX_NEIGHBOURS),
        metavar="K",
        help="draw each sample beside the K training pictures that are nearest to it [nearest.png; 8 samples]",
    )


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raise ``ConfigError`` for options that exclude each other, and for outputs that cannot be written."""
    present = {name for name, value in vars(arguments).items() if value is not None}
    for option, excluded in EXCLUDED.items():
        other = next((name for name in excluded if name in present), None)
        if option in present and other is not None:
            raise ConfigError(f"{flag(other)}: has no meaning beside {flag(option)}")
    for option, needed in DEPENDENT.items():
        if option in present and needed not in present:
            raise ConfigError(f"{flag(option)}: belongs to {flag(needed)}, which is missing")
    out = arguments.out
    if out is not None and out.suffix.lower() not in (*PICTURES, ".npy", ".csv", ".txt"):
        allowed = ", ".join((*PICTURES, ".npy", ".csv"))
        raise ConfigError(f"--out: expected a name that ends in {allowed} or .txt, got {str(out)!r}")
    require_output_file("--out", out)
    require_output_file("--walk", arguments.walk)
    if arguments.walk is not None:
        from gan_cli.telemetry.film import check_film

        check_film("--walk", arguments.walk, arguments.fps or FILM_RATE)
    require_output_folder("--separate", arguments.separate)


def flag(name: str) -> str:
    """Return an option as it is typed."""
    return f"--{name.replace('_', '-')}"
