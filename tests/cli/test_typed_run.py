"""The run that a command is about: typed as a directory, as a file in it, as ``last``, as a sweep, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gan_cli.errors import ConfigError
from gan_cli.storage.run_search import latest_run, locate_run
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.run_directories import write_run

COMMANDS = ["gan_sample", "gan_eval", "gan_export", "gan_report"]


def trained_at(run: Path, seconds: float) -> Path:
    """A run whose log was written at a time."""
    (run / "train.log").write_text("")
    os.utime(run / "train.log", (seconds, seconds))
    return run


def write_runs(*names: str) -> list[Path]:
    return [trained_at(write_run(Path("outputs") / name), 1000.0 + number) for number, name in enumerate(names)]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_run_the_latest_one_is_named(command: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(command)
    name = command.replace("_", "-")
    write_runs("2026-01-02/a", "2026-01-01/later")
    done = run()
    assert done.status == 2
    assert done.err == (
        f"{name}: expected a run directory. The latest one: {name} outputs/2026-01-01/later (or {name} last)\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("typed", [[], ["last"], ["nowhere"]])
def test_answer_where_there_is_no_run(command: str, typed: list[str], request: pytest.FixtureRequest) -> None:
    done = request.getfixturevalue(command)(*typed)
    assert done.status == 2
    assert "There is no run below outputs" in done.err or "no folder 'nowhere'" in done.err
    assert done.err.count("\n") == 1


def test_last_is_the_run_that_was_trained_last(workplace: Path) -> None:
    old, new = write_runs("2026-01-01/old", "multirun/2026-01-01/12-00-00/loss=wgan")
    assert locate_run(Path("last"), "gan-sample ").path == new
    trained_at(old, 5000.0)  # resumed since
    assert locate_run(Path("last"), "gan-sample ").path == old
    (new / "evaluation.json").write_text("{}")  # measured, not trained
    found = latest_run()
    assert found is not None
    assert found.path == old


def test_no_run_has_a_null_character_in_its_name() -> None:
    assert latest_run(Path("out\0puts")) is None


def test_folder_named_last_is_that_folder(workplace: Path) -> None:
    write_runs("a")
    own = write_run(Path("last"))
    assert locate_run(Path("last"), "gan-sample ").path == own


@pytest.mark.parametrize(
    "inside",
    [".hydra/config.yaml", "metrics.jsonl", "checkpoints/last.pt", "checkpoints", "checkpoints/step_00000002.pt"],
)
def test_file_of_a_run_stands_for_it(inside: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(Path("run"))
    (run / "checkpoints").mkdir(exist_ok=True)
    for name in ("step_00000001.pt", "step_00000002.pt", "last.pt"):
        (run / "checkpoints" / name).write_bytes(b"")
    (run / "metrics.jsonl").touch()
    assert locate_run(run / inside, "gan-sample ").path == run
    monkeypatch.chdir(run)
    assert locate_run(Path(inside), "gan-sample ").path.resolve() == Path.cwd()


def test_earlier_checkpoint_is_not_taken_for_the_last_one(workplace: Path) -> None:
    run = write_run(Path("run"))
    (run / "checkpoints").mkdir(exist_ok=True)
    for name in ("step_00000001.pt", "step_00000002.pt"):
        (run / "checkpoints" / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=r"only the last checkpoint of a run is loaded: gan-train resume=run$"):
        locate_run(run / "checkpoints" / "step_00000001.pt", "gan-train resume=")


def test_other_weights_in_a_run_without_checkpoints_are_no_checkpoint(workplace: Path) -> None:
    run = write_run(Path("run"))
    (run / "export").mkdir()
    (run / "export" / "g.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"only the last checkpoint of a run is loaded: gan-sample run$"):
        locate_run(run / "export" / "g.pt", "gan-sample ")


def test_runs_of_a_sweep_are_listed_a_few_of_them(workplace: Path) -> None:
    for seed in range(7):
        write_run(Path(f"sweep/seed={seed}"), seed=seed)
    with pytest.raises(ConfigError) as mistake:
        locate_run(Path("sweep"), "gan-eval ")
    names = ", ".join(f"sweep/seed={seed}" for seed in range(5))
    assert str(mistake.value) == (
        f"sweep: expected one run, got a folder of 7: gan-eval sweep/seed=0; they are {names} and 2 more"
    )


def test_run_is_quoted_as_a_shell_needs_it(workplace: Path) -> None:
    write_runs("my run")
    with pytest.raises(ConfigError, match=r"gan-train resume='outputs/my run'"):
        locate_run(Path("nowhere"), "gan-train resume=")


def test_misspelled_folder_is_corrected(workplace: Path) -> None:
    write_runs("first_try")
    with pytest.raises(ConfigError, match=r"it has no .hydra/config.yaml. Did you mean 'first_try'\?$"):
        locate_run(Path("outputs/fisrt_try"), "gan-sample ")


def test_last_run_is_resumed_and_sampled(finished_run: FinishedRun, gan_train: Command, gan_sample: Command) -> None:
    finished_run("outputs/run", *SHORT, *TINY)
    done = gan_sample("last", "--n", 4)
    assert (done.status, done.out) == (0, "grid.png\n")
    assert done.err.startswith("gan-sample: outputs/run\n")
    done = gan_train("resume=last", "train.steps=3")
    assert done.status == 0, done.err
    assert "continuing from step 2 in outputs/run" in done.err + done.out


MISTAKES = {
    "plural": (("--backbones", "pixels"), "'--backbones': gan-eval takes no such argument. Did you mean --backbone?"),
    "value": (("--backbone", "pixel"), "classifier or inception, got 'pixel'. Did you mean --backbone pixels?"),
    "underscore": (("--no_ema",), "'--no_ema': gan-eval takes no such argument. Did you mean --no-ema?"),
    "no value": (("--n",), "--n: expected one argument (gan-eval --help lists all options)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_an_option_costs_one_line(mistake: str, gan_eval: Command) -> None:
    typed, answer = MISTAKES[mistake]
    done = gan_eval("run", *typed)
    assert done.status == 2
    assert answer in done.err
    assert done.err.count("\n") == 1


def test_option_that_is_typed_like_a_setting_is_understood(gan_sample: Command) -> None:
    assert (
        gan_sample("run", "n=100").err
        == "gan-sample: 'n=100': gan-sample takes no such argument. Did you mean --n 100?\n"
    )
