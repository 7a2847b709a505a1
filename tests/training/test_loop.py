"""The training loop: what happens at which step, and in which order."""

from __future__ import annotations

import pytest

from gan_cli.config.schema import TrainSection
from gan_cli.training import loop

Event = tuple[str, int]


class Recorder:
    """Algorithm and callbacks in one; writes down what is asked of it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stop_requested = False
        self.finished = False
        self.evaluation_abandoned = False

    def update(self, step: int) -> None:
        self.events.append(("update", step))

    def on_step(self, step: int) -> None:
        self.events.append(("step", step))

    def on_report(self, step: int, algorithm: Recorder) -> None:
        assert algorithm is self
        self.events.append(("report", step))

    def on_preview(self, step: int, algorithm: Recorder) -> None:
        assert algorithm is self
        self.events.append(("preview", step))

    def on_checkpoint(self, step: int, algorithm: Recorder) -> None:
        assert algorithm is self
        self.events.append(("checkpoint", step))

    def on_evaluation(self, step: int) -> None:
        self.events.append(("evaluation", step))

    def train(self, cadence: TrainSection, step: int = 0, stop_after: int | None = None) -> int:
        """Run the loop from ``step``; the interruption comes during update number ``stop_after``, counted from 1."""
        stop = (lambda: ("update", stop_after - 1) in self.events) if stop_after else (lambda: False)
        reached = loop.train(self, self, cadence, step, stop)
        assert [made + 1 for _, made in self.order("update")] == [made for _, made in self.order("step")]
        return reached

    def order(self, *names: str) -> list[Event]:
        return [event for event in self.events if event[0] in names]


def cadence(steps: int, log: int = 100, sample: int = 0, checkpoint: int = 100, evaluation: int = 0) -> TrainSection:
    return TrainSection(
        steps=steps, log_every=log, sample_every=sample, checkpoint_every=checkpoint, eval_every=evaluation
    )


def test_everything_happens_on_its_own_beat() -> None:
    run = Recorder()
    assert run.train(cadence(12, log=4, sample=6, checkpoint=3)) == 12
    assert run.order("update") == [("update", step) for step in range(12)]
    assert run.order("report") == [("report", step) for step in (4, 8, 12)]
    assert run.order("preview") == [("preview", step) for step in (0, 6, 12)]
    assert run.order("checkpoint") == [("checkpoint", step) for step in (3, 6, 9, 12)]


def test_checkpoint_of_a_step_comes_before_its_report() -> None:
    """A report empties the accumulators: a checkpoint written after it could not repeat the report."""
    run = Recorder()
    run.train(cadence(4, log=2, sample=2, checkpoint=2))
    assert [event for event in run.events if event[1] == 2 and event[0] not in ("update", "step")] == [
        ("checkpoint", 2),
        ("report", 2),
        ("preview", 2),
    ]
    assert run.events.index(("update", 1)) < run.events.index(("checkpoint", 2))


def test_last_step_is_saved_reported_and_shown_though_nothing_is_due() -> None:
    run = Recorder()
    run.train(cadence(7, log=5, sample=5, checkpoint=5))
    assert run.events[-3:] == [("checkpoint", 7), ("report", 7), ("preview", 7)]


def test_evaluations_have_a_beat_of_their_own_and_one_at_the_end() -> None:
    run = Recorder()
    run.train(cadence(7, evaluation=3))
    assert run.order("evaluation") == [("evaluation", step) for step in (3, 6, 7)]
    quiet = Recorder()
    quiet.train(cadence(7))
    assert quiet.order("evaluation") == []


def test_an_evaluation_comes_after_a_checkpoint_of_its_step_and_ends_the_run_where_it_is_abandoned() -> None:
    run = Recorder()
    run.evaluation_abandoned = True
    assert run.train(cadence(7, evaluation=3)) == 3
    assert run.events[-2:] == [("checkpoint", 3), ("evaluation", 3)]


def test_no_samples_are_shown_when_switched_off() -> None:
    run = Recorder()
    run.train(cadence(3, sample=0))
    assert run.order("preview") == []
    assert run.order("report") == [("report", 3)]


@pytest.mark.parametrize(("step", "first"), [(6, ("report", 6)), (7, ("update", 7))])
def test_resumed_run_reports_the_step_it_starts_from_first_if_it_is_due(step: int, first: Event) -> None:
    run = Recorder()
    assert run.train(cadence(9, log=3, checkpoint=100), step=step) == 9
    assert run.events[0] == first
    assert run.order("report") == ([("report", 6)] if step == 6 else []) + [("report", 9)]
    assert run.order("update")[0] == ("update", step)


def test_run_without_anything_left_to_do_reports_its_last_step_and_trains_no_further() -> None:
    run = Recorder()
    assert run.train(cadence(5, log=100, sample=100), step=5) == 5
    assert run.events == [("report", 5), ("preview", 5)]


def test_stop_request_of_a_callback_ends_the_run_after_the_next_step() -> None:
    run = Recorder()
    run.stop_requested = True
    assert run.train(cadence(100)) == 1
    assert run.order("checkpoint", "report") == [("checkpoint", 1), ("report", 1)]


def test_interruption_ends_the_run_after_the_step_with_a_checkpoint_and_a_report() -> None:
    run = Recorder()
    assert run.train(cadence(100), stop_after=3) == 3
    assert run.order("update", "checkpoint", "report") == [
        ("update", 0),
        ("update", 1),
        ("update", 2),
        ("checkpoint", 3),
        ("report", 3),
    ]


@pytest.mark.parametrize("stop", range(1, 9))
def test_run_in_two_pieces_repeats_no_update_and_loses_no_report(stop: int) -> None:
    beat = cadence(8, log=2, sample=4, checkpoint=3, evaluation=4)
    whole, first, second = Recorder(), Recorder(), Recorder()
    whole.train(beat)
    assert first.train(beat, stop_after=stop) == stop
    second.train(beat, step=stop)
    assert first.order("update") + second.order("update") == whole.order("update")
    # Starting the callbacks at a step drops what was reported of it; the second piece says it again if it is due.
    for name in ("report", "preview", "evaluation"):
        kept = [event for event in first.order(name) if event[1] < stop]
        assert kept + second.order(name) == whole.order(name)


class Finishes(Recorder):
    """Finishes training at a report or an evaluation of a step."""

    def __init__(self, event: str, step: int) -> None:
        super().__init__()
        self._at = (event, step)

    def on_report(self, step: int, algorithm: Recorder) -> None:
        super().on_report(step, algorithm)
        self.finished = self.finished or self._at == ("report", step)

    def on_evaluation(self, step: int) -> None:
        super().on_evaluation(step)
        self.finished = self.finished or self._at == ("evaluation", step)


@pytest.mark.parametrize(
    ("event", "step", "last"),
    [
        # A step that would have been reported and shown anyway, and one of an evaluation alone.
        ("evaluation", 4, ["checkpoint", "report", "preview", "evaluation"]),
        ("evaluation", 6, ["checkpoint", "evaluation", "report", "preview"]),
        ("report", 8, ["checkpoint", "report", "preview", "evaluation"]),
    ],
)
def test_training_that_is_finished_ends_at_its_step_which_is_saved_reported_shown_and_measured(
    event: str, step: int, last: list[str]
) -> None:
    run = Finishes(event, step)
    assert run.train(cadence(100, log=4, sample=4, checkpoint=100, evaluation=2)) == step
    assert [name for name, at in run.order("checkpoint", "report", "preview", "evaluation") if at == step] == last


def test_run_that_is_interrupted_where_it_is_finished_is_not_measured() -> None:
    run = Finishes("report", 4)
    assert run.train(cadence(100, log=4, checkpoint=4, evaluation=50), stop_after=4) == 4
    assert run.order("evaluation") == []
