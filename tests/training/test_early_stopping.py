"""Patience in closed form: what counts as an improvement, what a measurement is, and the scatter of a curve."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_cli.config.metric_choice import MetricChoice
from gan_cli.config.schema import Config, TrainSection
from gan_cli.config.stopping import StopSection
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.mnist import Mnist
from gan_cli.errors import ConfigError
from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.callbacks import EvaluationEvent, ReportEvent, StartEvent
from gan_cli.training.early_stopping import Patience, StopWithoutImprovement, scatter
from gan_cli.training.measurement import Measurement, Measurements, checkpoint_is_due, is_better
from gan_cli.training.selection import require_measured

TAG = "metrics/frechet/pixels"


def waits(values: list[float], sign: int = -1, margin: float = 1.0, error: float | None = 0.0) -> list[int]:
    progress, found = Patience(), []
    for step, value in enumerate(values, 1):
        progress = progress.after(Measurement(step, TAG, value, error), sign, margin)
        found.append(progress.waited)
    return found


def test_without_errors_every_improvement_counts() -> None:
    assert waits([5, 4, 4, 4.1, 3.9999, 6]) == [0, 0, 1, 2, 0, 1]
    assert waits([5, 6, 6, 5.5, 7], sign=1) == [0, 0, 1, 2, 0]


def test_improvement_has_to_exceed_the_error_of_the_difference() -> None:
    error = 0.3 / math.sqrt(2)  # of the difference: 0.3
    assert waits([5, 4.71, 4.69], error=error) == [0, 1, 0]
    assert waits([5, 4.71, 4.41, 4.39], error=error, margin=2) == [0, 1, 2, 0]
    assert waits([5, 4.99], error=error, margin=0) == [0, 0]


def test_small_improvements_add_up() -> None:
    """They are compared with the latest value that counted, so that a slow curve is no flat one."""
    assert waits([5 - 0.1 * step for step in range(7)], error=0.25 / math.sqrt(2)) == [0, 1, 2, 0, 1, 2, 0]


def test_what_is_not_finite_is_no_improvement() -> None:
    assert waits([math.nan, 5, math.nan, math.inf, 4]) == [1, 0, 1, 2, 0]
    assert not is_better(1, math.inf, 1.0)
    assert is_better(1, 0.0, math.nan)
    assert not is_better(-1, math.nan, math.nan)


def test_scatter_of_a_line_is_nothing_and_of_noise_its_deviation() -> None:
    assert scatter([1.0, 2.0]) == 0
    assert scatter([1.0, 2.5, 4.0, 5.5, 7.0]) == pytest.approx(0, abs=1e-12)
    noisy = 0.5 * np.arange(2000) + np.random.default_rng(0).normal(0, 2, 2000)
    assert scatter(list(noisy)) == pytest.approx(2, rel=0.1)
    assert scatter([1.0, math.nan, 2.0, 3.0]) == 0


def test_error_of_a_metric_of_reports_is_the_scatter_of_the_latest() -> None:
    # Alternating values: second differences of 4, so that the error is 4 / sqrt(6) and the margin sqrt(2) of it.
    values = [10.0, 12.0, 10.0, 12.0, 10.0, 9.0]
    assert waits(values, error=None) == [0, 1, 2, 3, 4, 5]
    assert waits([*values, 5.0], error=None)[-1] == 0


def measurements(by_evaluations: bool) -> Measurements:
    tag = "metrics/frechet" if by_evaluations else "divergence/jsd"
    return Measurements(MetricChoice(tag, "stop.metric"), by_evaluations, lambda step: step % 4 == 0)


def report(step: int, value: float) -> ReportEvent:
    return ReportEvent(step, Report({"divergence/jsd": value}, {}, {}), images_seen=0)


def test_reports_count_where_a_checkpoint_is_due_and_evaluations_always() -> None:
    by_reports, by_evaluations = measurements(False), measurements(True)
    assert by_reports.of_report(report(6, 1.0)) is None
    assert by_reports.of_report(report(8, 1.0)) == Measurement(8, "divergence/jsd", 1.0)
    evaluation = EvaluationEvent(6, {TAG: 2.0, "metrics/recall/pixels": 1.0}, errors={TAG: 0.1})
    assert by_reports.of_evaluation(evaluation) is None
    assert by_evaluations.of_evaluation(evaluation) == Measurement(6, TAG, 2.0, 0.1)
    assert by_evaluations.of_report(report(8, 1.0)) is None
    assert by_evaluations.of_evaluation(EvaluationEvent(6, abandoned=True)) is None


def test_checkpoint_of_an_interruption_is_not_due() -> None:
    cadence = TrainSection(steps=10, checkpoint_every=4, eval_every=3)
    assert [step for step in range(1, 11) if checkpoint_is_due(cadence, step)] == [3, 4, 6, 8, 9, 10]


def test_callback_finishes_the_run_and_says_why() -> None:
    callback = StopWithoutImprovement(measurements(True), StopSection("metrics/frechet", patience=2))
    callback.on_start(StartEvent(0))
    events = [callback.on_evaluation(EvaluationEvent(step, {TAG: value})) for step, value in ((2, 3.0), (4, 3.0))]
    assert [event.finished for event in events if event] == [False, False]
    assert (callback.reason, callback.summary()) == (None, {})
    last = callback.on_evaluation(EvaluationEvent(6, {TAG: 3.5}))
    assert last is not None
    assert last.finished
    assert last.scalars["stop/waited"] == 2
    expected = f"{TAG} has not improved in 2 measurements, since step 2 (3) (stop.patience=2)"
    assert callback.summary() == {"stopped_because": expected}
    # A callback with its state goes on where it was, and one of another metric begins anew.
    for metric, waited in {"metrics/frechet": 3, "metrics/recall": 0}.items():
        choice = Measurements(MetricChoice(metric, "stop.metric"), True, lambda step: True)
        other = StopWithoutImprovement(choice, StopSection(metric, patience=9))
        other.load_state_dict(callback.state_dict())
        added = other.on_evaluation(EvaluationEvent(8, {f"{metric}/pixels": 3.5}))
        assert added is not None
        assert added.scalars["stop/waited"] == waited


@pytest.mark.parametrize("key", ["checkpoint", "stop"])
def test_no_moment_is_chosen_by_test_data(key: str) -> None:
    """Metrics that look at held-out samples see the test split of MNIST; of digits, what D never trained on."""
    config = Config(train=TrainSection(eval_every=10))
    if key == "checkpoint":
        config.checkpoint.best = "metrics/wasserstein"
    else:
        config.stop.metric = "metrics/wasserstein/pixels"
    with pytest.raises(ConfigError, match="looks at the test split of Mnist, which nothing may be chosen by"):
        require_measured(config, (), Mnist("root", ()))
    require_measured(config, (), Digits())
