"""Evaluation of samples while a run trains (``train.eval_every``)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from gan_cli.evaluation.evaluator import SampleEvaluator
from gan_cli.protocols.callbacks import Callback, EvaluationEvent


class EvaluateSamples(Callback):
    """Measures samples when an evaluation is due, and hands the metrics on."""

    def __init__(
        self, evaluator: SampleEvaluator, draw_samples: Callable[[int], Any], reported: Collection[str]
    ) -> None:
        """Prepare the evaluations of a run.

        Args:
            evaluator: measures samples.
            draw_samples: generates that many samples, without a trace in the training.
            reported: tags that the reports of the algorithm contain already, which are left out.
        """
        self._evaluator = evaluator
        self._draw_samples = draw_samples
        self._reported = reported

    def on_evaluation(self, event: EvaluationEvent) -> EvaluationEvent:
        metrics = self._evaluator(self._draw_samples).metrics
        scalars = {f"metrics/{name}": value for name, value in metrics.items()}
        return replace(event, scalars={tag: value for tag, value in scalars.items() if tag not in self._reported})
