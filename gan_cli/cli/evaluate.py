"""``gan-eval``: metrics of the generator of a run, with their provenance."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gan_cli.cli.arguments import add_device_option, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.cli.numbers import MAX_SEED, integer, number, require_output_file
from gan_cli.config.schema import BackboneKind
from gan_cli.errors import ConfigError, OutputError, printable
from gan_cli.metrics.registry import MAX_SAMPLES, MIN_SAMPLES

if TYPE_CHECKING:
    from PIL.Image import Image

    from gan_cli.evaluation.subjects import EvaluationSubject
    from gan_cli.storage.run_directory import RunDirectory

PICTURES = (".png", ".webp", ".jpg", ".jpeg")
LIKELIHOOD_SAMPLES = 1000
# Largest value of a pixel: more than any format of images has.
MAX_VALUE = 1e9


def main() -> NoReturn:
    """Run ``gan-eval`` on the command line of this process."""
    exit_with_status("gan-eval", lambda: _evaluate(_parser().parse_args()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gan-eval",
        description="Compare samples from the generator (its moving average) of a run with real ones, print the metrics"
        " beside what real samples score in their place (the noise floor), and write them to RUN_DIR/evaluation.json"
        " with all that they depend on.",
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run directory with a checkpoint")
    parser.add_argument(
        "--backbone",
        action="append",
        choices=[kind.name for kind in BackboneKind if kind is not BackboneKind.auto],
        help="features that samples are compared by; may be given several times [classifier, where the data have"
        " labels, and pixels]",
    )
    parser.add_argument(
        "--n",
        type=integer("--n", MIN_SAMPLES, MAX_SAMPLES),
        help="how many samples; some metrics take time with its square [10,000, or half of the data; text: 2,000]",
    )
    parser.add_argument(
        "--seed",
        type=integer("--seed", 0, MAX_SEED),
        default=0,
        help="seed of the latents, of labels and of subsets [0]",
    )
    parser.add_argument(
        "--no-ema", action="store_true", help="the generator as training left it, instead of its moving average"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="measure these instead of the generator's: .npy, images (N, C, H, W), or points (N, 2) in the data's own"
        " coordinates, as gan-sample --out writes them; evaluation.json is left as it is",
    )
    parser.add_argument(
        "--range",
        type=number("--range", -MAX_VALUE, MAX_VALUE),
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="of images of --samples, the values of black and of white [0 1, -1 1 or 0 255, whichever the values fit"
        " first; of bytes, 0 255]",
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
        type=integer("--likelihood", 0, MAX_SAMPLES),
        metavar="N",
        help="of a model with a posterior over latents: samples of the test data whose likelihood is bounded (ELBO,"
        f" IWAE) [{LIKELIHOOD_SAMPLES}; 0: none]",
    )
    parser.add_argument(
        "--allow-changed-data",
        action="store_true",
        help="evaluate although the data are not those that the run was trained on",
    )
    add_device_option(parser)
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
    from gan_cli.config.stored_errors import stored_errors
    from gan_cli.evaluation.document import table
    from gan_cli.inference.loading import learned_sequences
    from gan_cli.telemetry import run_log

    with run_log.console(), stored_errors(directory):
        text = learned_sequences(directory)
        evaluated, pictures = (
            _evaluate_text(arguments, directory) if text else _evaluate_samples(arguments, directory, kinds)
        )
    # Printed first: what took minutes to compute must not be lost because a run is read-only.
    print(json.dumps(evaluated, indent=2) if arguments.json else table(evaluated), flush=True)
    if arguments.samples is None:
        _store(directory.evaluation, lambda: directory.write_evaluation(evaluated))
    for path, picture in pictures.items():
        _store(path, partial(_save_picture, path, picture), wanted=path == arguments.neighbours)
    return 0


def _store(path: Path, write: Callable[[], None], *, wanted: bool = False) -> None:
    """Write a file, and say so; one that cannot be written costs a line, and an error where the user has named it."""
    try:
        write()
    except OutputError as error:
        if wanted:
            raise
        print(f"gan-eval: {error}: the metrics were computed, but this file is not kept", file=sys.stderr)
    else:
        print(f"wrote {printable(str(path))}", file=sys.stderr)


def _save_picture(path: Path, picture: Image) -> None:
    from gan_cli.storage.files import writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def _evaluate_samples(
    arguments: argparse.Namespace, directory: RunDirectory, kinds: tuple[BackboneKind, ...]
) -> tuple[dict[str, Any], dict[Path, Image]]:
    """Return the content of ``evaluation.json`` for images or points, and pictures by the file they are for."""
    from gan_cli.algorithms.spec import algorithm_options, spec_of
    from gan_cli.evaluation import subjects
    from gan_cli.evaluation.document import document
    from gan_cli.evaluation.factory import EvaluationOptions
    from gan_cli.evaluation.likelihood import estimate_likelihood
    from gan_cli.evaluation.nearest_neighbours import nearest_picture
    from gan_cli.evaluation.sample_files import ValueRange
    from gan_cli.inference.loading import GeneratorWeights
    from gan_cli.runtime.device import inference_device

    device = inference_device(arguments.device)
    weights = GeneratorWeights.raw if arguments.no_ema else GeneratorWeights.average
    subject: subjects.EvaluationSubject
    if arguments.samples is not None:
        value_range = None if arguments.range is None else ValueRange(*arguments.range)
        subject = subjects.from_file(
            directory, arguments.samples, arguments.n, value_range, allow_changed_data=arguments.allow_changed_data
        )
    else:
        subject = subjects.from_run(directory, weights, device, allow_changed_data=arguments.allow_changed_data)
    picture = _picture(arguments, directory, subject)
    options = EvaluationOptions(kinds, arguments.n, arguments.seed, weights=arguments.weights, device=device)
    evaluator = subject.evaluator(options)
    evaluation = evaluator(lambda count: subject.draw(count, arguments.seed))
    metrics, provenance = dict(evaluation.metrics), subject.full_provenance(evaluation.provenance)
    likelihood_samples = LIKELIHOOD_SAMPLES if arguments.likelihood is None else arguments.likelihood
    if arguments.samples is None and spec_of(directory).has_posterior:
        if likelihood_samples:
            bounds = estimate_likelihood(directory, weights, likelihood_samples, arguments.seed, device)
            metrics |= {name: estimate.mean for name, estimate in bounds.metrics.items()}
            errors = {name: estimate.error for name, estimate in bounds.metrics.items()}
            provenance["measures"] = {"likelihood": {**bounds.provenance, "standard_errors": errors}}
    elif arguments.likelihood is not None:
        families = " or ".join(name for name, spec in algorithm_options().items() if spec.has_posterior)
        raise ConfigError(f"--likelihood: expected with a run of {families} alone: other models have no posterior")
    pictures = {} if picture is None else {picture: nearest_picture(evaluator, evaluation.samples)}
    return document(metrics, evaluator.floor(), provenance), pictures


def _evaluate_text(arguments: argparse.Namespace, directory: RunDirectory) -> tuple[dict[str, Any], dict[Path, Image]]:
    """Return the content of ``evaluation.json`` for sequences, and no pictures."""
    for option in ("backbone", "samples", "range", "weights", "neighbours", "likelihood"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option}: this run learned text, not images")
    if arguments.no_ema:
        raise ConfigError("--no-ema: the writer of a run on text has no moving average")
    from gan_cli.evaluation.document import document
    from gan_cli.evaluation.text import evaluate_text
    from gan_cli.runtime.device import inference_device

    device = inference_device(arguments.device)
    evaluated = evaluate_text(
        directory, arguments.n, arguments.seed, device, allow_changed_data=arguments.allow_changed_data
    )
    return document(*evaluated), {}


def _picture(arguments: argparse.Namespace, directory: RunDirectory, subject: EvaluationSubject) -> Path | None:
    """Return the file for the picture of neighbours; None for points, and by default for samples of a file."""
    images = len(subject.dataset.shape) == 3
    if arguments.neighbours is not None and not images:
        raise ConfigError("--neighbours: this run learned points, not images")
    default = directory.samples / "nearest.png" if images and arguments.samples is None else None
    return arguments.neighbours or default


def _check(arguments: argparse.Namespace, kinds: tuple[BackboneKind, ...]) -> None:
    """Raise ``ConfigError`` for options that are wrong whatever the files hold."""
    if arguments.likelihood == 1:
        raise ConfigError(f"--likelihood: expected 0 or an integer from 2 to {MAX_SAMPLES:,}, got 1")
    if arguments.neighbours is not None and arguments.neighbours.suffix.lower() not in PICTURES:
        allowed = ", ".join(PICTURES)
        raise ConfigError(f"--neighbours: expected a name that ends in {allowed}, got {str(arguments.neighbours)!r}")
    require_output_file("--neighbours", arguments.neighbours)
    if arguments.weights is not None and BackboneKind.inception not in kinds:
        raise ConfigError("--weights: these are Inception's; add --backbone inception")
    if arguments.range is not None:
        _check_range(arguments)
    if arguments.samples is not None and arguments.no_ema:
        raise ConfigError("--no-ema: expected without --samples, which are measured in place of the generator's")
    if BackboneKind.inception in kinds:
        from gan_cli.config.extras import require_extra

        require_extra("backbone inception", "fid")


def _check_range(arguments: argparse.Namespace) -> None:
    low, high = arguments.range
    if arguments.samples is None:
        raise ConfigError("--range: expected with --samples alone: the range of the generator's is known")
    if not low < high:
        raise ConfigError(f"--range: expected two numbers, the lower first, got {low:g} {high:g}")


if __name__ == "__main__":
    main()
