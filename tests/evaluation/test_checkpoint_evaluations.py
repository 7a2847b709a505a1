"""Evaluations beside training: in which order, until when, and what becomes of checkpoints that come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gan_cli import __version__
from gan_cli.errors import ConfigError, DataError, DivergedError
from gan_cli.evaluation.checkpoint_evaluations import POLL_SECONDS, CheckpointEvaluations
from gan_cli.evaluation.request import EvaluationRequest
from gan_cli.evaluation.run_evaluation import EvaluatedRun
from gan_cli.storage import checkpoints
from gan_cli.storage.evaluations_file import read_evaluations
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint


class Evaluations:
    """Evaluations in name only: the metric is the number that the checkpoint holds, its network's checksum as well."""

    def __init__(self) -> None:
        self.measured: list[int] = []
        self.errors: dict[int, Exception] = {}

    def network_checksum(self, stored: RunCheckpoint) -> str:
        return str(stored.load_state()["value"])

    def of_checkpoint(self, stored: RunCheckpoint) -> EvaluatedRun:
        step = stored.load_state()["step"]
        self.measured.append(step)
        if step in self.errors:
            raise self.errors[step]
        value = float(stored.load_state()["value"])
        return EvaluatedRun(
            {
                "figures": {"frechet/pixels": {"value": value, "floor": 0.0}},
                "generator": {"step": step, "checksum": str(value)},
                "samples": {"generated": 10},
                "seed": 0,
                "versions": {"gan_cli": __version__},
                "options": EvaluationRequest().options,
            }
        )


class Watched:
    """A run directory in which a script of events takes place, one whenever nothing is left to measure."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = RunDirectory(path)
        self.evaluations = Evaluations()
        self.lines: list[str] = []
        self.training = True
        monkeypatch.setattr(RunDirectory, "is_locked", property(lambda run: self.training))

    def save(self, step: int, value: float | None = None, keep: int = 3) -> None:
        content = {"step": step, "value": float(step) if value is None else value}
        checkpoints.save(self.directory.checkpoints, step, content, keep)

    def evaluator(self, again: bool = False) -> CheckpointEvaluations:
        fake: Any = self.evaluations
        return CheckpointEvaluations(self.directory, EvaluationRequest(), fake, self.lines.append, again=again)

    def watch(self, *script: Any) -> CheckpointEvaluations:
        """Watch the run; each entry is called when the watch waits, and the last one ends training."""
        events, measured = list(script), self.evaluator()

        def wait(seconds: float) -> None:
            assert seconds == POLL_SECONDS
            events.pop(0)()
            self.training = bool(events)

        measured.watch(wait)
        assert not events
        measured.close()
        return measured


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(tmp_path, monkeypatch)


def test_every_checkpoint_is_measured_once_in_order_until_training_ends(run: Watched) -> None:
    run.save(10)
    measured = run.watch(lambda: run.save(20), lambda: None, lambda: (run.save(30), run.save(40)))
    assert run.evaluations.measured == [10, 20, 30, 40]
    assert [line["step"] for line in read_evaluations(run.directory.evaluations)] == [10, 20, 30, 40]
    assert (list(measured.documents), measured.status) == ([10, 20, 30, 40], 0)


def test_checkpoint_that_training_deletes_is_skipped_with_a_line(run: Watched) -> None:
    for step in (10, 20):
        run.save(step)

    def overtaken(stored: RunCheckpoint, measure: Any = run.evaluations.of_checkpoint) -> EvaluatedRun:
        if stored.choice == 10:
            run.save(30, keep=1)  # meanwhile; 10 was read before
        evaluated: EvaluatedRun = measure(stored)
        return evaluated

    run.evaluations.of_checkpoint = overtaken  # type: ignore[method-assign]
    measured = run.watch(lambda: None)
    assert run.lines[1] == "step 20: its checkpoint was deleted before it was read (train.keep_checkpoints)"
    assert (list(measured.documents), measured.status) == ([10, 30], 0)


def test_run_that_goes_back_and_makes_a_step_anew_is_measured_anew_unless_it_is_the_same(run: Watched) -> None:
    for step in (10, 20):
        run.save(step)

    def goes_back() -> None:
        checkpoints.delete_after(run.directory.checkpoints, 10)
        run.save(20, value=21.0)
        run.save(30)

    run.watch(goes_back)
    assert run.evaluations.measured == [10, 20, 20, 30]
    run.evaluations.measured.clear()
    again = run.evaluator()
    again.evaluate_all()
    assert run.evaluations.measured == []
    assert again.documents[20]["figures"]["frechet/pixels"]["value"] == 21.0
    run.save(30, value=30.0)  # a resumed run writes the same once more
    run.evaluator().evaluate_all()
    assert run.evaluations.measured == []
    run.evaluator(again=True).evaluate_all()
    assert run.evaluations.measured == [10, 20, 30]


def test_checkpoint_that_cannot_be_measured_costs_a_line_and_the_exit_status(run: Watched) -> None:
    for step in (10, 20, 30):
        run.save(step)
    run.evaluations.errors[20] = DivergedError("3 of 10 generated samples are not finite")
    measured = run.watch(lambda: None)
    assert "step 20: not measured: 3 of 10 generated samples are not finite" in run.lines
    assert (list(measured.documents), measured.status) == ([10, 30], DivergedError.exit_status)


@pytest.mark.parametrize("error", [ConfigError("--backbone: not for these data"), DataError("no data")])
def test_what_is_wrong_of_all_checkpoints_ends_it_at_once(error: Exception, run: Watched) -> None:
    for step in (10, 20):
        run.save(step)
        run.evaluations.errors[step] = error
    with pytest.raises(type(error)):
        run.watch()
    assert run.evaluations.measured == [10]
    assert not run.directory.evaluations.exists()


def test_run_that_has_not_saved_yet_is_waited_for(run: Watched) -> None:
    run.watch(lambda: None, lambda: run.save(10))
    assert run.evaluations.measured == [10]


def test_nothing_to_measure(run: Watched) -> None:
    run.training = False
    with pytest.raises(ConfigError, match="and no process trains there"):
        run.watch()
    with pytest.raises(ConfigError, match="no checkpoint in "):
        run.evaluator().evaluate_all()
