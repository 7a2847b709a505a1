"""``gan-eval``: metrics of the generators of runs, with their provenance."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gan_cli.cli.arguments import CommandParser, add_checkpoint_option, add_device_option, typed_folders, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.cli.numbers import MAX_SEED, integer, number, require_output_file
from gan_cli.config.schema import BackboneKind
from gan_cli.errors import ConfigError, OutputError, as_user_error, printable
from gan_cli.evaluation.runs_table import csv_table, headline, text_table
from gan_cli.metrics.registry import MAX_SAMPLES, MIN_SAMPLES
from gan_cli.storage.checkpoint_choice import NamedCheckpoint

if TYPE_CHECKING:
    from PIL.Image import Image

    from gan_cli.evaluation.request import EvaluationRequest
    from gan_cli.evaluation.run_evaluation import EvaluatedRun, RunEvaluations
    from gan_cli.evaluation.targets import Targets
    from gan_cli.storage.run_directory import RunDirectory

PICTURES = (".png", ".webp", ".jpg", ".jpeg")
LIKELIHOOD_SAMPLES = 1000
# Largest value of a pixel: more than any format of images has.
MAX_VALUE = 1e9


def main() -> NoReturn:
    """Run ``gan-eval`` on the command line of this process."""
    exit_with_status("gan-eval", lambda: _evaluate(_parser().parse()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-eval",
        description="Compare samples from the generator (its moving average) of a run with real ones, print the metrics"
        " beside what real samples score in their place (the noise floor), and write them to evaluation.json in the run"
        " directory with all that they depend on. Of a sweep or another folder, all completed runs are measured, and a"
        " table of them is printed; gan-report compares them over their seeds.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a run directory with a checkpoint, a sweep, or any folder above them; last: the latest below outputs/",
    )
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
        metavar="PATH",
        help="measure these instead of the generator's: a folder, or a zip or tar archive, of pictures of the size of"
        " the data; .npy or .npz, images (N, C, H, W), or points (N, 2) in the data's own coordinates, as gan-sample"
        " --out writes them; evaluation.json is left as it is",
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
        "--data",
        metavar="PATH",
        help="where the data lie now, as dataset.path of the run, or dataset.root where it has no path; their content"
        " is to be the same [where they were]",
    )
    parser.add_argument(
        "--allow-changed-data",
        action="store_true",
        help="evaluate although the data are not those that the run was trained on",
    )
    add_checkpoint_option(parser)
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        "--all",
        action="store_true",
        help="measure all checkpoints that the run has kept; the results go to evaluations.jsonl, and as eval/... to"
        " TensorBoard",
    )
    several.add_argument(
        "--watch",
        action="store_true",
        help="the same while the run trains, each new checkpoint as soon as it is there, until the run has ended",
    )
    add_device_option(parser)
    parser.add_argument(
        "--again",
        action="store_true",
        help="of several runs or checkpoints, measure those anew that were measured with the same options before [they"
        " are skipped]",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json",
        action="store_true",
        help="print JSON instead of a table: that of evaluation.json, of several runs a list of these",
    )
    form.add_argument("--csv", action="store_true", help="print CSV instead of a table, a row for each run")
    parser.add_argument("--version", action="version", version=version())
    return parser


def _evaluate(arguments: argparse.Namespace) -> int:
    kinds = tuple(BackboneKind[name] for name in arguments.backbone or ["auto"])
    _check(arguments, kinds)
    from gan_cli.evaluation.targets import find_targets

    targets = find_targets(typed_folders("gan-eval", arguments.paths))
    if arguments.data is not None:
        from gan_cli.evaluation.relocated_run import with_data_in

        targets = with_data_in(targets, arguments.data)
    request = _request(arguments, kinds)
    if arguments.all or arguments.watch:
        return _evaluate_checkpoints(arguments, targets, request)
    if targets.single:
        targets.runs[0].stored_config()
        return _evaluate_one(arguments, targets, request)
    for option in ("samples", "neighbours"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option}: expected with a single run directory")
    return _evaluate_several(arguments, targets, request)


def _request(arguments: argparse.Namespace, kinds: tuple[BackboneKind, ...]) -> EvaluationRequest:
    from gan_cli.evaluation.request import EvaluationRequest

    return EvaluationRequest(
        backbones=kinds,
        count=arguments.n,
        seed=arguments.seed,
        ema=not arguments.no_ema,
        samples=arguments.samples,
        value_range=None if arguments.range is None else tuple(arguments.range),
        weights=arguments.weights,
        neighbours=arguments.neighbours,
        likelihood=arguments.likelihood,
        allow_changed_data=arguments.allow_changed_data,
        device=arguments.device,
        checkpoint=arguments.checkpoint,
    )


def _evaluate_one(arguments: argparse.Namespace, targets: Targets, request: EvaluationRequest) -> int:
    # torch and what needs it are imported once the command is known to be right
    from gan_cli.cli.evaluation_progress import EvaluationProgress
    from gan_cli.evaluation.document import table
    from gan_cli.evaluation.run_evaluation import RunEvaluations
    from gan_cli.telemetry import run_log

    (directory,) = targets.runs
    with run_log.console(), EvaluationProgress(1) as progress:
        progress.begin(targets.names[0])
        evaluated = RunEvaluations(request, progress.stage)(directory)
    # Printed first: what took minutes to compute must not be lost because a run is read-only.
    if arguments.json:
        print(json.dumps(evaluated.document, indent=2), flush=True)
    elif arguments.csv:
        print(csv_table({printable(directory.path): evaluated.document}), flush=True)
    else:
        print(table(evaluated.document), flush=True)
    _store_all(directory, evaluated, request)
    return 0


def _evaluate_checkpoints(arguments: argparse.Namespace, targets: Targets, request: EvaluationRequest) -> int:
    """Measure the checkpoints of a run, and print them; one that cannot be measured costs a line."""
    option = "--watch" if arguments.watch else "--all"
    if not targets.single:
        raise ConfigError(f"{option}: expected with a single run directory")
    from gan_cli.cli.evaluation_progress import EvaluationProgress
    from gan_cli.evaluation.checkpoint_evaluations import CheckpointEvaluations
    from gan_cli.evaluation.run_evaluation import RunEvaluations
    from gan_cli.telemetry import run_log

    (directory,) = targets.runs
    directory.stored_config()
    with run_log.console(), EvaluationProgress(1) as progress:
        progress.begin(targets.names[0])
        evaluations = RunEvaluations(request, progress.stage)
        measured = CheckpointEvaluations(directory, request, evaluations, progress.say, again=arguments.again)
        with contextlib.closing(measured):
            if arguments.watch:
                measured.watch()
            else:
                measured.evaluate_all()
    files = {step: f"checkpoints/step_{step:08d}.pt" for step in sorted(measured.documents)}
    documents = {file: measured.documents[step] for step, file in files.items()}
    if arguments.json:
        print(json.dumps([{"run": str(directory.path), **document} for document in documents.values()], indent=2))
    elif arguments.csv:
        print(csv_table({printable(directory.path / file): document for file, document in documents.items()}))
    elif documents:
        print(text_table(documents))
    return measured.status


def _evaluate_several(arguments: argparse.Namespace, targets: Targets, request: EvaluationRequest) -> int:
    """Measure runs one after the other; one that cannot be measured costs a line, and the exit status of its error."""
    for note in targets.notes:
        print(f"gan-eval: {note}", file=sys.stderr)
    stored = {} if arguments.again else {run: request.stored_evaluation(run) for run in targets.runs}
    documents = {run: content for run, content in stored.items() if content is not None}
    pending = [(name, run) for name, run in zip(targets.names, targets.runs, strict=True) if run not in documents]
    if documents:
        skipped = f"{len(documents)} of {len(targets.runs)} runs"
        print(f"gan-eval: {skipped} measured with the same options before (--again: anew)", file=sys.stderr)
    status = _measure(pending, request, documents) if pending else 0
    _print_several(arguments, targets, documents)
    return status


def _measure(
    pending: Sequence[tuple[str, RunDirectory]], request: EvaluationRequest, documents: dict[RunDirectory, Any]
) -> int:
    """Add the evaluations of runs to the documents, and return the exit status: that of the first error, or 0."""
    from gan_cli.cli.evaluation_progress import EvaluationProgress
    from gan_cli.evaluation.run_evaluation import RunEvaluations
    from gan_cli.telemetry import run_log

    status = 0
    with run_log.console(), EvaluationProgress(len(pending)) as progress:
        evaluations = RunEvaluations(request, progress.stage)
        for name, run in pending:
            progress.begin(name)
            try:
                documents[run] = _evaluate_and_store(run, evaluations, request)
            except Exception as error:
                user_error = as_user_error(error)
                if user_error is None:
                    raise
                status = status or user_error.exit_status
                progress.end(f"not measured: {user_error}")
            else:
                progress.end(headline(documents[run]))
    return status


def _evaluate_and_store(run: RunDirectory, evaluations: RunEvaluations, request: EvaluationRequest) -> dict[str, Any]:
    evaluated = evaluations(run)
    _store_all(run, evaluated, request, quiet=True)
    return evaluated.document


def _print_several(
    arguments: argparse.Namespace, targets: Targets, documents: Mapping[RunDirectory, dict[str, Any]]
) -> None:
    """Print the evaluations of all runs that have one, in the order of the command line."""
    measured = [(name, run) for name, run in zip(targets.names, targets.runs, strict=True) if run in documents]
    if arguments.json:
        print(json.dumps([{"run": str(run.path), **documents[run]} for _, run in measured], indent=2))
    elif arguments.csv:
        print(csv_table({printable(run.path): documents[run] for _, run in measured}))
    elif measured:
        print(text_table({name: documents[run] for name, run in measured}))


def _store_all(
    directory: RunDirectory, evaluated: EvaluatedRun, request: EvaluationRequest, quiet: bool = False
) -> None:
    """Write ``evaluation.json``, unless the samples were those of a file, and the pictures."""
    if request.samples is None:
        _store(directory.evaluation, partial(directory.write_evaluation, evaluated.document), quiet=quiet)
    for path, picture in evaluated.pictures.items():
        _store(path, partial(_save_picture, path, picture), wanted=path == request.neighbours, quiet=quiet)


def _store(path: Path, write: Callable[[], None], *, wanted: bool = False, quiet: bool = False) -> None:
    """Write a file, and say so; one that cannot be written costs a line, and an error where the user has named it."""
    try:
        write()
    except OutputError as error:
        if wanted:
            raise
        print(f"gan-eval: {error}: the metrics were computed, but this file is not kept", file=sys.stderr)
    else:
        if not quiet:
            print(f"wrote {printable(str(path))}", file=sys.stderr)


def _save_picture(path: Path, picture: Image) -> None:
    from gan_cli.storage.files import writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def _check(arguments: argparse.Namespace, kinds: tuple[BackboneKind, ...]) -> None:
    """Raise ``ConfigError`` for options that are wrong whatever the files hold."""
    if arguments.data == "":
        raise ConfigError("--data: expected a path, got nothing")
    if arguments.likelihood == 1:
        raise ConfigError(f"--likelihood: expected 0 or an integer from 2 to {MAX_SAMPLES:,}, got 1")
    if arguments.neighbours is not None and arguments.neighbours.suffix.lower() not in PICTURES:
        allowed = ", ".join(PICTURES)
        raise ConfigError(f"--neighbours: expected a name that ends in {allowed}, got {str(arguments.neighbours)!r}")
    require_output_file("--neighbours", arguments.neighbours)
    _check_checkpoints(arguments)
    if arguments.weights is not None and BackboneKind.inception not in kinds:
        raise ConfigError("--weights: these are Inception's; add --backbone inception")
    if arguments.range is not None:
        _check_range(arguments)
    if arguments.samples is not None and arguments.no_ema:
        raise ConfigError("--no-ema: expected without --samples, which are measured in place of the generator's")
    if BackboneKind.inception in kinds:
        from gan_cli.config.extras import require_extra

        require_extra("backbone inception", "fid")


def _check_checkpoints(arguments: argparse.Namespace) -> None:
    """Raise ``ConfigError`` for options that do not go with the checkpoints that are to be measured."""
    chosen = arguments.checkpoint is not NamedCheckpoint.last
    several = "--watch" if arguments.watch else "--all" if arguments.all else None
    wanted = {"--samples": arguments.samples is not None, "--neighbours": arguments.neighbours is not None}
    if several is not None:
        for option, is_wanted in {**wanted, "--checkpoint": chosen}.items():
            if is_wanted:
                raise ConfigError(f"{option}: expected without {several}, which measures all checkpoints of a run")
    if chosen and wanted["--samples"]:
        raise ConfigError("--checkpoint: expected without --samples, which are measured in place of the generator's")


def _check_range(arguments: argparse.Namespace) -> None:
    low, high = arguments.range
    if arguments.samples is None:
        raise ConfigError("--range: expected with --samples alone: the range of the generator's is known")
    if not low < high:
        raise ConfigError(f"--range: expected two numbers, the lower first, got {low:g} {high:g}")


if __name__ == "__main__":
    main()
