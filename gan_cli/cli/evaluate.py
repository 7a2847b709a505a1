"""``gan-eval``: how good the generator of a run is, in figures that say where they come from."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gan_cli.cli import leave, version
from gan_cli.config.schema import BackboneKind
from gan_cli.errors import ConfigError
from gan_cli.metrics.catalog import FEWEST

if TYPE_CHECKING:
    from gan_cli.evaluation.subjects import Subject
    from gan_cli.storage.run_directory import RunDirectory

PICTURES = (".png", ".webp", ".jpg", ".jpeg")
MOST_LIKELY = 1000


def main() -> NoReturn:
    """Entry point."""
    arguments = _parser().parse_args()
    leave("gan-eval", lambda: _evaluate(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gan-eval",
        description="Compare samples from the generator (its moving average) of a run with real ones, print the figures"
        " beside what real samples score in their place (the noise floor), and write them to RUN_DIR/evaluation.json"
        " with all that they depend on.",
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run directory with a checkpoint")
    parser.add_argument(
        "--backbone",
        action="append",
        choices=[kind.name for kind in BackboneKind if kind is not BackboneKind.auto],
        help="what samples are compared by; may be given several times [classifier, where the data have labels, and"
        " pixels]",
    )
    parser.add_argument("--n", type=int, help="how many samples [10,000, or half of the data; text: 2,000]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the latents, of labels and of subsets [0]")
    parser.add_argument(
        "--no-ema", action="store_true", help="the generator as training left it, instead of its moving average"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="judge these instead of the generator's: .npy, images (N, C, H, W) in [-1, 1] or as bytes, or points"
        " (N, 2) in the data's own coordinates, as gan-sample --out writes them; evaluation.json is left as it is",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="Inception's weights [downloaded to the data root]"
    )
    parser.add_argument(
        "--neighbours",
        type=Path,
        metavar="FILE",
        help="picture of generated images beside their nearest training images (.png, .webp, .jpg)"
        " [RUN_DIR/samples/nearest.png]",
    )
    parser.add_argument(
        "--likelihood",
        type=int,
        metavar="N",
        help=f"of a VAE: samples of the test data whose likelihood is bounded (ELBO, IWAE) [{MOST_LIKELY}; 0: none]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, that of evaluation.json, instead of a table")
    parser.add_argument("--version", action="version", version=version())
    return parser


def _evaluate(arguments: argparse.Namespace) -> int:
    kinds = tuple(BackboneKind[name] for name in arguments.backbone or ["auto"])
    _check(arguments, kinds)
    from gan_cli.storage.run_directory import RunDirectory

    directory = RunDirectory(arguments.run)
    directory.stored_config()

    # torch and what needs it are imported once the command is known to be right
    from gan_cli.evaluation.document import table
    from gan_cli.inference.language_model import writes
    from gan_cli.telemetry import run_log

    with run_log.console():
        text = writes(directory)
        evaluated, pictures = (
            _measured_text(arguments, directory) if text else _measured_samples(arguments, directory, kinds)
        )
    written = list(pictures)
    if arguments.samples is None:
        directory.write_evaluation(evaluated)
        written.insert(0, directory.evaluation)
    print(json.dumps(evaluated, indent=2) if arguments.json else table(evaluated))
    for path in written:
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _measured_samples(
    arguments: argparse.Namespace, directory: RunDirectory, kinds: tuple[BackboneKind, ...]
) -> tuple[dict[str, Any], list[Path]]:
    """The document of images or points, and the pictures that were written."""
    from gan_cli.evaluation import subjects
    from gan_cli.evaluation.document import document
    from gan_cli.evaluation.likelihood import bounded_likelihood
    from gan_cli.evaluation.nearest_neighbours import nearest_picture
    from gan_cli.inference.autoencoder import has_posterior
    from gan_cli.inference.loading import Weights
    from gan_cli.storage.files import writing

    weights = Weights.raw if arguments.no_ema else Weights.average
    judged: subjects.Subject
    if arguments.samples is not None:
        judged = subjects.array(directory, arguments.samples)
    else:
        judged = subjects.generator(directory, weights)
    picture = _picture(arguments, directory, judged)
    evaluator = judged.evaluator(kinds, arguments.n, arguments.seed, arguments.weights)
    evaluation = evaluator(lambda count: judged.draw(count, arguments.seed))
    figures, provenance = dict(evaluation.figures), judged.described(evaluation.provenance)
    likely = MOST_LIKELY if arguments.likelihood is None else arguments.likelihood
    if arguments.samples is None and has_posterior(directory):
        if likely:
            bounds = bounded_likelihood(directory, weights, likely, arguments.seed)
            figures |= {name: estimate.mean for name, estimate in bounds.figures.items()}
            errors = {name: estimate.error for name, estimate in bounds.figures.items()}
            provenance["measures"] = {"likelihood": {**bounds.provenance, "standard_errors": errors}}
    elif arguments.likelihood is not None:
        raise ConfigError("--likelihood: expected with a run of algorithm=vae alone: other models have no posterior")
    written = []
    if picture is not None:
        with writing(picture):
            picture.parent.mkdir(parents=True, exist_ok=True)
            nearest_picture(evaluator, evaluation.samples).save(picture)
        written.append(picture)
    return document(figures, evaluator.floor(), provenance), written


def _measured_text(arguments: argparse.Namespace, directory: RunDirectory) -> tuple[dict[str, Any], list[Path]]:
    """The document of sequences."""
    for option in ("backbone", "samples", "weights", "neighbours", "likelihood"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option}: this run learned text, not images")
    if arguments.no_ema:
        raise ConfigError("--no-ema: the writer of a run on text has no moving average")
    from gan_cli.evaluation.document import document
    from gan_cli.evaluation.text import measured

    return document(*measured(directory, arguments.n, arguments.seed)), []


def _picture(arguments: argparse.Namespace, directory: RunDirectory, judged: Subject) -> Path | None:
    """Where the picture of neighbours goes; None: nowhere, as with points, and with samples that are not the run's."""
    images = len(judged.dataset.shape) == 3
    if arguments.neighbours is not None and not images:
        raise ConfigError("--neighbours: this run learned points, not images")
    usual = directory.samples / "nearest.png" if images and arguments.samples is None else None
    return arguments.neighbours or usual


def _check(arguments: argparse.Namespace, kinds: tuple[BackboneKind, ...]) -> None:
    """Raise ``ConfigError`` for what can be told without reading anything."""
    if arguments.n is not None and arguments.n < FEWEST:
        raise ConfigError(f"--n: expected an integer >= {FEWEST}, got {arguments.n}")
    if arguments.seed < 0:
        raise ConfigError(f"--seed: expected an integer >= 0, got {arguments.seed}")
    if arguments.likelihood is not None and (arguments.likelihood < 0 or arguments.likelihood == 1):
        raise ConfigError(f"--likelihood: expected an integer >= 2 or 0, got {arguments.likelihood}")
    if arguments.neighbours is not None and arguments.neighbours.suffix.lower() not in PICTURES:
        allowed = ", ".join(PICTURES)
        raise ConfigError(f"--neighbours: expected a name that ends in {allowed}, got {str(arguments.neighbours)!r}")
    if arguments.weights is not None and BackboneKind.inception not in kinds:
        raise ConfigError("--weights: these are Inception's; add --backbone inception")
    if arguments.samples is not None and arguments.no_ema:
        raise ConfigError("--no-ema: expected without --samples, which are judged in place of the generator's")
    if BackboneKind.inception in kinds:
        from gan_cli.config.extras import require_inception

        require_inception()


if __name__ == "__main__":
    main()
