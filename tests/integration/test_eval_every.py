"""``train.eval_every``: samples are measured while a run trains, at steps of their own, and training is the same."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from gan_cli.evaluation.callback import EvaluateSamples
from gan_cli.evaluation.evaluator import Evaluation, Evaluator
from gan_cli.metrics.directions import direction
from gan_cli.protocols.callbacks import EvaluationEvent
from gan_cli.storage import checkpoints
from tests.conftest import Command, log_messages
from tests.helpers.run_directories import read_metrics

SMALL = (
    "dataset=ring8",
    "optimizer/decay=none",  # the rate of a step is no function of train.steps
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
    "train.batch_size=8",
    "train.sample_every=0",
    "train.log_every=4",
    "train.checkpoint_every=4",
    "evaluation.samples=60",
)


def measured(run: str) -> list[dict[str, Any]]:
    return [line for line in read_metrics(run) if any(tag.startswith("metrics/") for tag in line)]


def test_figures_come_at_their_steps_and_go_everywhere(gan_train: Command) -> None:
    assert gan_train(*SMALL, "train.steps=10", "train.eval_every=3", "hydra.run.dir=run").status == 0
    found = measured("run")
    assert [line["step"] for line in found] == [3, 6, 9, 10]
    tags = set(found[0]) - {"step", "time"}
    assert {"metrics/frechet/pixels", "metrics/modes", "metrics/high_quality", "metrics/coverage/pixels"} <= tags
    summary = json.loads(Path("run/summary.json").read_text())
    assert {tag: summary["final"][tag] for tag in tags} == {tag: found[-1][tag] for tag in tags}
    distances = [line["metrics/frechet/pixels"] for line in found]
    assert summary["best"]["metrics/frechet/pixels"]["value"] == min(distances)
    assert summary["best"]["metrics/coverage/pixels"]["value"] == max(line["metrics/coverage/pixels"] for line in found)
    board = EventAccumulator("run").Reload()
    assert [event.step for event in board.Scalars("metrics/frechet/pixels")] == [3, 6, 9, 10]
    stored = board.PluginTagToContent("hparams")["_hparams_/experiment"]
    experiment = plugin_data_pb2.HParamsPluginData.FromString(stored).experiment
    compared = {info.name.tag for info in experiment.metric_infos}
    assert {"loss/d", "divergence/jsd", "metrics/frechet/pixels", "metrics/high_quality"} <= compared
    assert "metrics/kernel_deviation/pixels" not in compared


def test_measuring_changes_nothing_of_training(gan_train: Command) -> None:
    for name, every in {"watched": 2, "alone": 0}.items():
        assert gan_train(*SMALL, "train.steps=8", f"train.eval_every={every}", f"hydra.run.dir={name}").status == 0
    watched, alone = (checkpoints.load_latest(Path(name, "checkpoints"))["algorithm"] for name in ("watched", "alone"))
    for name, weight in alone["generator"].items():
        assert torch.equal(weight, watched["generator"][name])
    assert measured("alone") == []


def test_a_run_in_two_pieces_measures_what_the_whole_one_does(gan_train: Command) -> None:
    assert gan_train(*SMALL, "train.steps=8", "train.eval_every=2", "hydra.run.dir=whole").status == 0
    assert gan_train(*SMALL, "train.steps=5", "train.eval_every=2", "hydra.run.dir=parts").status == 0
    assert gan_train("resume=parts", "train.steps=8").status == 0
    whole, parts = ([{**line, "time": 0} for line in measured(run)] for run in ("whole", "parts"))
    assert parts == whole


def test_every_replica_is_evaluated(gan_train: Command) -> None:
    overrides = ("train.replicas=2", "train.steps=4", "train.eval_every=4", "hydra.run.dir=replicas")
    assert gan_train(*SMALL, *overrides).status == 0
    first, second = (measured(f"replicas/seed_{seed}") for seed in range(2))
    assert [line["step"] for line in first] == [line["step"] for line in second] == [4]
    assert first[0]["metrics/frechet/pixels"] != second[0]["metrics/frechet/pixels"]


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        ("metrics/frechet/classifier", -1),
        ("frechet/classifier", -1),
        ("fid", -1),
        ("metrics/modes_kl", -1),
        ("metrics/modes", 1),
        ("metrics/coverage/pixels", 1),
        ("metrics/density/pixels", 0),
        ("metrics/kernel_deviation/pixels", 0),
        ("divergence/jsd", -1),
        ("divergence/ceiling", 0),
        ("diagnosis/modes", 0),
        ("loss/d", 0),
    ],
)
def test_which_way_is_better(tag: str, way: int) -> None:
    assert direction(tag) == way


def test_an_evaluation_at_the_end_that_is_abandoned_leaves_a_run_to_resume(
    gan_train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Evaluator.__call__

    def interrupted(self: Evaluator, *arguments: object) -> object:
        time.sleep(1.0)
        signal.raise_signal(signal.SIGTERM)
        return call(self, *arguments)  # type: ignore[arg-type]

    started = time.perf_counter()
    with monkeypatch.context() as once:
        once.setattr(Evaluator, "__call__", interrupted)
        assert gan_train(*SMALL, "train.steps=4", "train.eval_every=10", "hydra.run.dir=run").status == 143
    elapsed = time.perf_counter() - started
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("interrupted", 4)
    assert summary["seconds"] < elapsed - 0.9
    assert measured("run") == []
    assert gan_train("resume=run").status == 0
    assert [line["step"] for line in measured("run")] == [4]


def test_time_of_evaluations_is_none_of_training(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Evaluator.__call__

    def slow(self: Evaluator, *arguments: object) -> object:
        time.sleep(1.0)
        return call(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "__call__", slow)
    started = time.perf_counter()
    done = gan_train(*SMALL, "train.steps=8", "train.eval_every=2", "hydra.run.dir=run")
    elapsed = time.perf_counter() - started
    assert done.status == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert 0 < summary["seconds"] < elapsed - 3.9
    assert done.err.count("evaluating 60 samples at step") == 1


def test_a_long_evaluation_is_announced(caplog: pytest.LogCaptureFixture) -> None:
    class Evaluations:
        count, names = 50, ("recall",)

        def __call__(self, draw: object) -> Any:
            return Evaluation({"recall": 0.5}, {}, None)

    evaluations: Any = Evaluations()
    callback = EvaluateSamples(evaluations, lambda count: None, ())
    with caplog.at_level("INFO", "gan_cli.evaluation.callback"):
        event = callback.on_evaluation(EvaluationEvent(5))
        assert event.scalars == {"metrics/recall": 0.5}
        callback._last_seconds = 12.0
        callback.on_evaluation(EvaluationEvent(10))
    assert log_messages(caplog) == [
        "evaluating 50 samples at step 5: recall",
        "evaluating 50 samples at step 10: about 12 s, as the last time",
    ]
