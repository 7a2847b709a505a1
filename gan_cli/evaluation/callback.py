"""Evaluation of samples while a run trains (``train.eval_every``)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from gan_cli.config.metric_choice import MetricChoice
from gan_cli.evaluation.evaluator import Evaluation, SampleEvaluator
from gan_cli.protocols.callbacks import Callback, EvaluationEvent
from gan_cli.runtime.interrupts import abandoned_on_signal
from gan_cli.telemetry.quantities import format_duration

logger = logging.getLogger(__name__)

# An evaluation that is expected to take more seconds is announced.
LONG = 10.0
PREFIX = "metrics/"


class EvaluateSamples(Callback):
    """Measures samples when an evaluation is due, and hands the metrics on; a signal to stop ends it at once."""

    def __init__(
        self,
        evaluator: SampleEvaluator,
        draw_samples: Callable[[int], Any],
        reported: Collection[str],
        watched: MetricChoice | None = None,
    ) -> None:
        """Prepare the evaluations of a run.

        Args:
            evaluator: measures samples.
            draw_samples: generates that many samples, without a trace in the training.
            reported: tags that the reports of the algorithm contain already, which are left out.
            watched: metric whose standard error is estimated; None: that of none is.
        """
        self._evaluator = evaluator
        self._draw_samples = draw_samples
        self._reported = reported
        self._errors_of = () if watched is None else tuple(watched.matching(_tags(evaluator.names)))
        self._last_seconds: float | None = None

    def on_evaluation(self, event: EvaluationEvent) -> EvaluationEvent:
        self._announce(event.step)
        started = time.perf_counter()
        evaluations: list[Evaluation[Any]] = []
        with abandoned_on_signal():
            evaluations.append(self._evaluate())
        if not evaluations:
            logger.info("the evaluation of step %d is abandoned; the resumed run makes it", event.step)
            return replace(event, seconds=time.perf_counter() - started, abandoned=True)
        self._last_seconds = time.perf_counter() - started
        scalars, errors = _tagged(evaluations[0].metrics), _tagged(evaluations[0].errors)
        kept = {tag: value for tag, value in scalars.items() if tag not in self._reported}
        return replace(event, scalars=kept, seconds=self._last_seconds, errors=errors)

    def _evaluate(self) -> Evaluation[Any]:
        if not self._errors_of:
            return self._evaluator(self._draw_samples)
        return self._evaluator(self._draw_samples, errors_of=[tag.removeprefix(PREFIX) for tag in self._errors_of])

    def _announce(self, step: int) -> None:
        """Log what is measured before the first evaluation, and before each that will take long."""
        count, seconds = self._evaluator.count, self._last_seconds
        if seconds is None:
            logger.info("evaluating %s samples at step %d: %s", f"{count:,}", step, ", ".join(self._evaluator.names))
        elif seconds > LONG:
            duration = format_duration(seconds)
            logger.info("evaluating %s samples at step %d: about %s, as the last time", f"{count:,}", step, duration)


def _tags(names: Iterable[str]) -> list[str]:
    return [f"{PREFIX}{name}" for name in names]


def _tagged(numbers: Mapping[str, float]) -> dict[str, float]:
    return {f"{PREFIX}{name}": value for name, value in numbers.items()}
