"""gan-eval on the checkpoints of a run: one of them, all that are kept, and each new one while the run trains."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.storage import checkpoints
from tests.conftest import Command, FinishedRun, start_gan_train
from tests.helpers.evaluations import FEW
from tests.helpers.preloaded import PreloadedProcess
from tests.helpers.run_directories import read_summary, wait_for
from tests.soak.equality import same_run

RUN = (
    "dataset=ring8",
    "optimizer/decay=none",  # the rate of a step is no function of train.steps
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
    "train.batch_size=8",
    "train.sample_count=4",
    "train.log_every=20",
    "train.checkpoint_every=20",
)
FILES = [f"checkpoints/step_{step:08d}.pt" for step in (20, 40, 60)]


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    """A run with checkpoints of steps 20, 40 and 60, of which that of step 40 is the best by recall."""
    settings = ("train.steps=60", "train.eval_every=20", "evaluation.samples=40", "checkpoint.best=metrics/frechet")
    return finished_run("run", *RUN, *settings)


def lines(run: Path | str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(run, "evaluations.jsonl").read_text().splitlines()]


def curve(run: Path | str, name: str = "frechet/pixels") -> list[tuple[int, float]]:
    board = EventAccumulator(str(Path(run, "eval"))).Reload()
    return [(event.step, event.value) for event in board.Scalars(f"eval/{name}")]


def values(measured: list[dict[str, Any]], name: str = "frechet/pixels") -> list[float]:
    return [line["figures"][name]["value"] for line in measured]


def test_all_checkpoints_are_measured_once(run: Path, gan_eval: Command) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = gan_eval(run, "--all", *FEW)
    assert done.status == 0, done.err
    header, *rows = (row.split() for row in done.out.splitlines())
    assert header[:2] == ["run", "step"]
    assert [row[:2] for row in rows] == [[file, step] for file, step in zip(FILES, ("20", "40", "60"), strict=True)]
    measured = lines()
    assert [line["step"] for line in measured] == [line["generator"]["step"] for line in measured] == [20, 40, 60]
    assert [(step, pytest.approx(value)) for step, value in curve(run)] == list(
        zip((20, 40, 60), values(measured), strict=True)
    )
    # Nothing else has changed, the run's own curves and evaluation.json included.
    assert {path: path.read_bytes() for path in before} == before
    added = {path.relative_to(run).parts[0] for path in run.rglob("*") if path.is_file() and path not in before}
    assert added == {"evaluations.jsonl", "eval"}
    again = gan_eval(run, "--all", *FEW)
    assert again.out == done.out
    assert again.err.count("measured with the same options before (--again: anew)") == 3
    assert lines() == measured


def test_checkpoint_alone_and_among_all_has_the_same_figures(run: Path, gan_eval: Command) -> None:
    assert gan_eval(run, "--all", *FEW).status == 0
    for step in (20, 60):
        alone = json.loads(gan_eval(run, "--checkpoint", step, *FEW, "--json").out)
        assert alone["generator"]["step"] == step
        assert alone["options"]["checkpoint"] == step
        assert alone["figures"] == lines()[step // 20 - 1]["figures"]
    assert "checkpoint" not in json.loads(gan_eval(run, *FEW, "--json").out)["options"]


def test_best_checkpoint_is_measured(run: Path, gan_eval: Command) -> None:
    best = read_summary(run)["best_checkpoint"]["step"]
    done = gan_eval(run, "--checkpoint", "best", *FEW, "--json")
    assert done.status == 0, done.err
    measured = json.loads(done.out)
    assert (measured["generator"]["step"], measured["options"]["checkpoint"]) == (best, "best")
    assert json.loads((run / "evaluation.json").read_text()) == measured
    # Of several runs, one that was measured with the same options is skipped.
    assert "1 of 1 runs measured with the same options before" in gan_eval(".", "--checkpoint", "best", *FEW).err
    assert "measured with the same options" not in gan_eval(".", *FEW).err


def test_again_and_other_options_measure_anew(run: Path, gan_eval: Command) -> None:
    assert gan_eval(run, "--all", *FEW).status == 0
    assert gan_eval(run, "--all", *FEW, "--again").status == 0
    assert [line["step"] for line in lines()] == 2 * [20, 40, 60]
    assert values(lines()[:3]) == values(lines()[3:])
    assert [step for step, _ in curve(run)] == [20, 40, 60]
    assert gan_eval(run, "--all", "--n", 30).status == 0
    assert len(lines()) == 9
    assert [value for _, value in curve(run)] == pytest.approx(values(lines()[6:]))


def test_other_weights_of_a_step_are_measured_anew(run: Path, gan_eval: Command) -> None:
    """As after a rollback: the same step, and another history."""
    assert gan_eval(run, "--all", *FEW).status == 0
    folder = run / "checkpoints"
    state = checkpoints.load_chosen(folder, 40)
    for weights in state["algorithm"]["average"].values():
        weights *= 1.5
    checkpoints.write(folder / "step_00000040.pt", state)
    done = gan_eval(run, "--all", *FEW)
    assert done.status == 0, done.err
    assert [line["step"] for line in lines()] == [20, 40, 60, 40]
    assert dict(curve(run))[40] == pytest.approx(values(lines())[3])
    assert [step for step, _ in curve(run)] == [20, 40, 60]


def test_forms_of_the_table(run: Path, gan_eval: Command) -> None:
    listed = json.loads(gan_eval(run, "--all", *FEW, "--json").out)
    assert [each["generator"]["step"] for each in listed] == [20, 40, 60]
    rows = list(csv.DictReader(gan_eval(run, "--all", *FEW, "--csv").out.splitlines()))
    assert [(row["run"], row["step"]) for row in rows] == [(f"run/{file}", file[-5:-3]) for file in FILES]
    assert [float(row["frechet/pixels"]) for row in rows] == values(lines())


def test_damaged_checkpoint_costs_a_line(run: Path, gan_eval: Command) -> None:
    path = run / FILES[1]
    path.write_bytes(path.read_bytes()[:1000])
    done = gan_eval(run, "--all", *FEW)
    assert done.status == 2
    assert "step 40: not measured: " in done.err
    assert [line["step"] for line in lines()] == [20, 60]
    assert len(done.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "--watch"], ["--watch: not allowed with argument --all"]),
        (["--all", "--checkpoint", "best"], ["--checkpoint: expected without --all"]),
        (["--watch", "--samples", "x.npy"], ["--samples: expected without --watch"]),
        (["--watch", "--neighbours", "x.png"], ["--neighbours: expected without --watch"]),
        (["--samples", "x.npy", "--checkpoint", "20"], ["--checkpoint: expected without --samples"]),
        (["--checkpoint", "30"], ["no checkpoint of step 30 in run/checkpoints: the nearest is of step 20"]),
        (["--checkpoint", "newest"], ["--checkpoint: expected last, best or a step, got 'newest'"]),
        (["--all", "--backbone", "classifier"], ["backbone classifier: Ring has no classes"]),
    ],
)
def test_mistake_costs_one_line(arguments: list[object], words: list[str], run: Path, gan_eval: Command) -> None:
    done = gan_eval(run, *FEW, *arguments)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert all(word in done.err for word in words), done.err


def test_one_run_alone_is_watched(run: Path, finished_run: FinishedRun, gan_eval: Command) -> None:
    finished_run("other", *RUN, "train.steps=20")
    for option in ("--all", "--watch"):
        done = gan_eval(run, "other", option)
        assert (done.status, done.err) == (2, f"gan-eval: {option}: expected with a single run directory\n")


def test_run_without_checkpoints(run: Path, gan_eval: Command) -> None:
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    assert "no checkpoint in run/checkpoints" in gan_eval(run, "--all").err
    assert "no checkpoint in run/checkpoints, and no process trains there" in gan_eval(run, "--watch").err


def start_watching(*arguments: object) -> PreloadedProcess:
    return PreloadedProcess("gan_cli.cli.evaluate", ("run", "--watch", "--n", 20, *arguments))


def test_checkpoints_are_measured_beside_training_which_is_the_same(
    finished_run: FinishedRun, gan_train: Command, workplace: Path
) -> None:
    overrides = (*RUN, "train.keep_checkpoints=100")
    alone = finished_run("alone", *overrides, "train.steps=400")
    training = start_gan_train(*overrides, "train.steps=200", "hydra.run.dir=run")
    wait_for(Path("run/checkpoints/last.pt").exists)
    watching = start_watching()
    _, err = training.communicate(timeout=300)
    assert training.returncode == 0, err
    out, err = watching.communicate(timeout=300)
    assert watching.returncode == 0, err
    steps = list(range(20, 201, 20))
    assert [line["step"] for line in lines()] == steps
    assert [step for step, _ in curve("run")] == steps
    assert [int(row.split()[1]) for row in out.splitlines()[1:]] == steps
    measured = Path("run/evaluations.jsonl").read_bytes()
    # Resume takes no notice of it, and the run is the one that nobody watched.
    assert gan_train("resume=run", "train.steps=400").status == 0
    same_run(Path("run"), alone)
    assert Path("run/evaluations.jsonl").read_bytes() == measured


@pytest.mark.posix
def test_interrupt_ends_watching_and_leaves_whole_lines(workplace: Path) -> None:
    training = start_gan_train(*RUN, "train.steps=1000000", "hydra.run.dir=run")
    try:
        wait_for(Path("run/checkpoints/last.pt").exists)
        watching = start_watching()
        wait_for(Path("run/eval").exists)
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=300)
        assert watching.returncode == 130
        assert "Traceback" not in err
        assert "deleted before it was read" in err or len(lines()) >= 1
        assert training.poll() is None
    finally:
        training.send_signal(signal.SIGTERM)
        training.communicate(timeout=300)
    assert training.returncode == 143
    assert all(line["figures"] for line in lines())
