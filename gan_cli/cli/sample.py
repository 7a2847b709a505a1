"""``gan-sample``: images, points, a latent walk or sentences from a trained generator."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gan_cli.cli.arguments import (
    CommandParser,
    add_checkpoint_option,
    add_device_option,
    add_model_argument,
    typed_model,
    version,
)
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.cli.numbers import (
    MAX_SAMPLES,
    MAX_SEED,
    integer,
    number,
    require_memory,
    require_output_file,
    require_output_folder,
)
from gan_cli.errors import ConfigError, printable

if TYPE_CHECKING:
    from torch import Tensor

    from gan_cli.inference.label_choice import LabelChoice
    from gan_cli.protocols.inference import TrainedSampler
    from gan_cli.storage.stored_model import StoredModel

PICTURES = (".png", ".webp", ".jpg", ".jpeg")
# Default number of samples: of images or points, and of sentences.
SAMPLES, SENTENCES = 64, 16
WALKERS = 16
# Largest temperature: words are drawn evenly long before.
MAX_TEMPERATURE = 1e6
# Memory for each value of the samples, as drawn and joined, and for each pixel of a grid.
BYTES_PER_VALUE, BYTES_PER_PIXEL = 16, 3
# Longest side of a grid in pixels: that of WebP, and far more than a person looks at.
MAX_SIDE = 16_383
WALK_CORNERS, WALK_FRAMES = 6, 16


def main() -> NoReturn:
    """Run ``gan-sample`` on the command line of this process."""
    exit_with_status("gan-sample", lambda: _sample(_parser().parse()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-sample",
        description="Draw from the generator (its moving average) of a run. The same seed gives the same samples.",
    )
    add_model_argument(parser)
    add_checkpoint_option(parser)
    parser.add_argument("--n", type=integer("--n", 1, MAX_SAMPLES), help="how many samples [64; sentences: 16]")
    parser.add_argument("--seed", type=integer("--seed", 0, MAX_SEED), default=0, help="seed of the latents [0]")
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
        " printed]",
    )
    parser.add_argument(
        "--temperature",
        type=number("--temperature", 0, MAX_TEMPERATURE),
        metavar="T",
        help="text: below 1 likely words become likelier, above 1 less likely [1]",
    )
    parser.add_argument("--separate", type=Path, metavar="DIR", help="each image as a PNG of its own size")
    parser.add_argument("--walk", type=Path, metavar="FILE", help="an animated walk through the latents (.webp)")
    add_device_option(parser)
    parser.add_argument("--version", action="version", version=version())
    return parser


def _sample(arguments: argparse.Namespace) -> int:
    # Before anything is loaded, so that a mistake in the command is reported at once.
    _check_names(arguments)
    model = typed_model("gan-sample", arguments.run, arguments.checkpoint)

    from gan_cli.config.stored_errors import stored_errors
    from gan_cli.inference.loading import learned_sequences

    with stored_errors(model):
        sample = _sample_text if learned_sequences(model) else _sample_images
        return sample(arguments, model)


def _check_names(arguments: argparse.Namespace) -> None:
    """Raise ``ConfigError`` for names of output files with a suffix that is not supported."""
    out = arguments.out
    if out is not None and out.suffix.lower() not in (*PICTURES, ".npy", ".csv", ".txt"):
        allowed = ", ".join((*PICTURES, ".npy", ".csv"))
        raise ConfigError(f"--out: expected a name that ends in {allowed} or .txt, got {str(out)!r}")
    if arguments.walk is not None and arguments.walk.suffix.lower() != ".webp":
        raise ConfigError(f"--walk: expected a name that ends in .webp, got {str(arguments.walk)!r}")
    require_output_file("--out", out)
    require_output_file("--walk", arguments.walk)
    require_output_folder("--separate", arguments.separate)


def _sample_text(arguments: argparse.Namespace, model: StoredModel) -> int:
    """Sample sentences, and print them or write them to a file; returns the exit status."""
    for option in ("label", "separate", "walk"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option}: this run learned text, not images")
    out, count = arguments.out, arguments.n or SENTENCES
    if out is not None and out.suffix.lower() not in (".txt", ".npy"):
        raise ConfigError(f"--out: expected a name that ends in .txt or .npy for text, got {str(out)!r}")

    import numpy as np

    from gan_cli.algorithms.spec import spec_of
    from gan_cli.runtime.device import inference_device
    from gan_cli.storage.files import writing
    from gan_cli.telemetry import run_log

    with run_log.console():
        trained = spec_of(model).load_text_sampler(model)
        device = inference_device(arguments.device)
        trained.network.to(device)
    require_memory("--n", count, count * math.prod(trained.dataset.shape) * BYTES_PER_VALUE)
    tokens = trained.sample(count, arguments.seed, arguments.temperature or 1.0)
    # One on each line, whatever the words are: line breaks and lone surrogates are escaped.
    sentences = list(map(printable, trained.vocabulary.to_sentences(tokens)))
    if out is None:
        print("\n".join(sentences))
    else:
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.suffix.lower() == ".npy":
                np.save(out, tokens)
            else:
                out.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
        print(printable(out))
    print(f"{count} samples, seed {arguments.seed}, step {trained.step}, on {device.type}", file=sys.stderr)
    return 0


def _sample_images(arguments: argparse.Namespace, model: StoredModel) -> int:
    """Sample images or points, and write them as a grid, an array, single files or a latent walk."""
    if arguments.temperature is not None:
        raise ConfigError("--temperature: this run learned images or points, not text")
    out, count = arguments.out, arguments.n or SAMPLES
    if out is None and not (arguments.separate or arguments.walk):
        out = Path("grid.png")
    if out is not None and out.suffix.lower() == ".txt":
        raise ConfigError(f"--out: expected a name that ends in {', '.join(PICTURES)} or .npy, got {str(out)!r}")

    import numpy as np  # torch and what needs it are imported once the command is known to be right

    from gan_cli.algorithms.spec import spec_of
    from gan_cli.inference.loading import GeneratorWeights
    from gan_cli.inference.sample_tables import require_table, write_csv
    from gan_cli.protocols.inference import LatentPath
    from gan_cli.runtime.device import inference_device
    from gan_cli.storage.files import writing
    from gan_cli.telemetry import images, run_log
    from gan_cli.telemetry.figures import sample_figure

    with run_log.console():
        trained = spec_of(model).load_sampler(model, GeneratorWeights.average)
        device = inference_device(arguments.device)
        trained.network.to(device)
    if out is not None and out.suffix.lower() == ".csv":
        require_table(trained.dataset)
    if len(trained.dataset.shape) == 1 and (arguments.separate or arguments.walk):
        raise ConfigError("--separate and --walk: this run learned points, not images; use --out points.npy")
    choice = _choice(arguments.label, trained)
    columns = choice.columns(count)
    _check_size(trained.dataset.shape, count, columns, out)
    samples = trained.draw(count, arguments.seed, _labels(choice, count), choice.shared(count))
    dtype = images.pixel_type(trained.dataset)
    written = []
    if out is not None:
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.suffix.lower() == ".npy":
                np.save(out, trained.dataset.coordinates(samples))
            elif out.suffix.lower() == ".csv":
                write_csv(out, samples, trained, choice.values(count))
            else:
                depth = dtype if out.suffix.lower() == ".png" else images.BYTE
                images.save(sample_figure(samples, columns, trained.dataset, depth), out)
        written.append(out)
    if arguments.separate is not None:
        with writing(arguments.separate):
            arguments.separate.mkdir(parents=True, exist_ok=True)
            for index, sample in enumerate(samples):
                images.save(images.to_image(sample, dtype), arguments.separate / f"{index:05d}.png")
                if not images.is_one_picture(sample):
                    np.save(arguments.separate / f"{index:05d}.npy", trained.dataset.coordinates(sample[None])[0])
        written.append(arguments.separate)
    if arguments.walk is not None:
        path, walking = LatentPath(WALKERS, WALK_CORNERS, WALK_FRAMES), _labels(choice, WALKERS)
        frames = [images.grid(frame) for frame in trained.walk(path, arguments.seed, walking)]
        with writing(arguments.walk):
            arguments.walk.parent.mkdir(parents=True, exist_ok=True)
            images.write_animation(frames, arguments.walk)
        written.append(arguments.walk)
    for path_written in written:
        print(printable(path_written))
    for line in choice.lines:
        print(printable(line), file=sys.stderr)
    print(f"{count} samples, seed {arguments.seed}, step {trained.step}, on {device.type}", file=sys.stderr)
    return 0


def _check_size(shape: tuple[int, ...], count: int, columns: int | None, out: Path | None) -> None:
    """Raise ``ConfigError`` where samples do not fit in memory, or a grid of them in a picture of its format."""
    from gan_cli.telemetry.images import grid_size

    require_memory("--n", count, count * math.prod(shape) * BYTES_PER_VALUE)
    if out is None or out.suffix.lower() in (".npy", ".csv") or len(shape) == 1:
        return
    width, height = grid_size(shape, count, columns)
    if max(width, height) > MAX_SIDE:
        raise ConfigError(
            f"--n: {count:,} samples make a grid of {width:,} x {height:,} pixels, more than {MAX_SIDE:,} a side;"
            " --out FILE.npy and --separate DIR take any number"
        )
    require_memory("--n", count, width * height * shape[0] * BYTES_PER_PIXEL)


def _choice(label: str | None, trained: TrainedSampler) -> LabelChoice:
    """Return the labels that ``--label`` asks for."""
    from gan_cli.inference.label_choice import choose_labels
    from gan_cli.protocols.data import class_names

    # Classes that are folders had no names in checkpoints of earlier versions: the number is a place in their order.
    unnamed = trained.dataset.classes is None
    return choose_labels(label, trained.condition, class_names(trained.data), always_named=unnamed)


def _labels(choice: LabelChoice, count: int) -> Tensor | None:
    """Return the labels of so many samples; None where they have none."""
    import torch

    values = choice.values(count)
    return None if values is None else torch.from_numpy(values)


if __name__ == "__main__":
    main()
