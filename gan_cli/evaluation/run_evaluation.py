"""Evaluation of runs as gan-eval asks for it: generator or file, images, points or text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from gan_cli.algorithms.spec import algorithm_options, spec_of
from gan_cli.config.data_places import advising_of_moves
from gan_cli.config.stored_errors import stored_errors
from gan_cli.data.fingerprint import fingerprint
from gan_cli.errors import ConfigError
from gan_cli.evaluation import subjects
from gan_cli.evaluation.backbones.classifier_network import checksum
from gan_cli.evaluation.document import document
from gan_cli.evaluation.evaluator import Evaluator, OnStage, ignore_stage
from gan_cli.evaluation.factory import EvaluationOptions
from gan_cli.evaluation.likelihood import DEFAULT_COUNT, estimate_likelihood
from gan_cli.evaluation.nearest_neighbours import nearest_picture
from gan_cli.evaluation.request import EvaluationRequest
from gan_cli.evaluation.sample_files import ValueRange
from gan_cli.evaluation.text import evaluate_text
from gan_cli.inference.loading import GeneratorWeights, learned_sequences
from gan_cli.runtime.device import inference_device
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import shell_line
from gan_cli.storage.stored_model import RunCheckpoint


@dataclass(frozen=True)
class EvaluatedRun:
    """Content of the files that an evaluation leaves.

    Attributes:
        document: of ``evaluation.json``.
        pictures: by the file they are for.
    """

    document: dict[str, Any]
    pictures: Mapping[Path, Image.Image] = field(default_factory=dict)


class RunEvaluations:
    """Evaluations of runs one after the other with the same options; those on the same data share an evaluator."""

    def __init__(self, request: EvaluationRequest, on_stage: OnStage = ignore_stage) -> None:
        """Prepare the evaluations of runs.

        Args:
            request: options of all evaluations.
            on_stage: called with what is about to be computed.
        """
        self._request = request
        self._on_stage = on_stage
        self._device = inference_device(request.device)
        self._weights = GeneratorWeights.average if request.ema else GeneratorWeights.raw
        self._evaluator: tuple[object, Evaluator] | None = None

    def __call__(self, directory: RunDirectory) -> EvaluatedRun:
        """Evaluate the chosen checkpoint of a run, or the samples of the file; raises as :meth:`of_checkpoint`."""
        return self.of_checkpoint(RunCheckpoint(directory, self._request.checkpoint), pictures=True)

    def of_checkpoint(self, stored: RunCheckpoint, *, pictures: bool = False) -> EvaluatedRun:
        """Evaluate a checkpoint of a run, whichever the options name, or the samples of the file.

        Args:
            stored: the checkpoint.
            pictures: whether the picture of neighbours is drawn.

        Raises:
            ConfigError: no run directory, no checkpoint, or options that do not suit the run.
            DataError: the data cannot be read, or are others than the run was trained on.
            DivergedError: a sample is not finite.
        """
        directory = stored.directory
        config = directory.stored_config()
        advice = f"{shell_line('gan-eval ', directory.path)} --data PATH"
        with stored_errors(directory), advising_of_moves(config, advice):
            if learned_sequences(directory):
                evaluated = self._evaluate_text(stored)
            else:
                evaluated = self._evaluate_samples(directory, stored, pictures)
        return EvaluatedRun({**evaluated.document, "options": self._request.options}, evaluated.pictures)

    def network_checksum(self, stored: RunCheckpoint) -> str:
        """Return the checksum of the network of a checkpoint, as evaluations have it in their provenance.

        Raises:
            ConfigError: no run directory, or no such checkpoint.
        """
        with stored_errors(stored):
            spec, is_text = spec_of(stored), learned_sequences(stored)
            trained = spec.load_text_sampler(stored) if is_text else spec.load_sampler(stored, self._weights)
            return checksum(trained.network.state_dict())

    def _evaluate_samples(self, directory: RunDirectory, stored: RunCheckpoint, pictures: bool) -> EvaluatedRun:
        request = self._request
        self._on_stage("loading the run and its data")
        subject = self._subject(directory, stored)
        picture = self._picture_file(directory, subject) if pictures else None
        evaluator = self._evaluator_for(subject)
        evaluation = evaluator(lambda count: subject.draw(count, request.seed))
        metrics, provenance = dict(evaluation.metrics), subject.full_provenance(evaluation.provenance)
        if request.samples is None and spec_of(directory).has_posterior:
            count = DEFAULT_COUNT if request.likelihood is None else request.likelihood
            if count:
                self._on_stage(f"bounds on the likelihood of {count:,} samples")
                bounds = estimate_likelihood(stored, self._weights, count, request.seed, self._device)
                metrics |= {name: estimate.mean for name, estimate in bounds.metrics.items()}
                errors = {name: estimate.error for name, estimate in bounds.metrics.items()}
                provenance["measures"] = {"likelihood": {**bounds.provenance, "standard_errors": errors}}
        elif request.likelihood is not None:
            families = " or ".join(name for name, spec in algorithm_options().items() if spec.has_posterior)
            raise ConfigError(f"--likelihood: expected with a run of {families} alone: other models have no posterior")
        drawn = {}
        if picture is not None:
            self._on_stage("nearest training samples")
            drawn[picture] = nearest_picture(evaluator, evaluation.samples)
        return EvaluatedRun(document(metrics, evaluator.floor(), provenance), drawn)

    def _evaluate_text(self, stored: RunCheckpoint) -> EvaluatedRun:
        request = self._request
        defaults = EvaluationRequest()
        for option in ("backbones", "samples", "value_range", "weights", "neighbours", "likelihood"):
            if getattr(request, option) != getattr(defaults, option):
                name = {"backbones": "backbone", "value_range": "range"}.get(option, option)
                raise ConfigError(f"--{name}: this run learned text, not images")
        if not request.ema:
            raise ConfigError("--no-ema: the writer of a run on text has no moving average")
        evaluated = evaluate_text(
            stored,
            request.count,
            request.seed,
            self._device,
            allow_changed_data=request.allow_changed_data,
            on_stage=self._on_stage,
        )
        return EvaluatedRun(document(*evaluated))

    def _subject(self, directory: RunDirectory, stored: RunCheckpoint) -> subjects.EvaluationSubject:
        request = self._request
        if request.samples is None:
            return subjects.from_run(stored, self._weights, self._device, allow_changed_data=request.allow_changed_data)
        value_range = None if request.value_range is None else ValueRange(*request.value_range)
        return subjects.from_file(
            directory, request.samples, request.count, value_range, allow_changed_data=request.allow_changed_data
        )

    def _evaluator_for(self, subject: subjects.EvaluationSubject) -> Evaluator:
        """Return the evaluator of the run before where the data are the same, else a new one."""
        key = (repr(subject.dataset), subject.share, fingerprint(subject.source))
        if self._evaluator is None or self._evaluator[0] != key:
            request = self._request
            options = EvaluationOptions(
                request.backbones,
                request.count,
                request.seed,
                weights=request.weights,
                device=self._device,
                on_stage=self._on_stage,
            )
            self._evaluator = None  # its data make room for those of the next one
            self._evaluator = key, subject.evaluator(options)
        return self._evaluator[1]

    def _picture_file(self, directory: RunDirectory, subject: subjects.EvaluationSubject) -> Path | None:
        """Return the file for the picture of neighbours; None for points, and by default for samples of a file."""
        images = len(subject.dataset.shape) == 3
        if self._request.neighbours is not None and not images:
            raise ConfigError("--neighbours: this run learned points, not images")
        default = directory.samples / "nearest.png" if images and self._request.samples is None else None
        return self._request.neighbours or default
