"""Which loggers a run has: the default, a list, mistakes, and what a resumed run may change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gan_cli.config import extras
from gan_cli.config.compose import compose, register
from tests.conftest import Command
from tests.helpers.logged_runs import RUN, assert_table_has_all_lines, lines, rows, weights


def test_tensorboard_is_the_default_and_may_be_left_out(gan_train: Command) -> None:
    assert gan_train(*RUN).status == 0
    done = gan_train(*RUN[:-1], "logger=none", "hydra.run.dir=without")
    assert done.status == 0, done.err
    assert "tensorboard" not in done.err
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert list(Path("without").glob("events.out.*")) == []
    written = {path.name for path in Path("without").iterdir()} | {"samples"}
    assert {"metrics.jsonl", "train.log", "summary.json"} <= written
    assert [line["loss/d"] for line in lines("without")] == [line["loss/d"] for line in lines()]
    assert torch.equal(weights("run"), weights("without"))


def test_several_are_chosen_as_a_list(gan_train: Command) -> None:
    done = gan_train(*RUN, "logger=[tensorboard,csv]")
    assert done.status == 0, done.err
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert_table_has_all_lines()


def test_loggers_are_no_hyperparameters_of_a_run() -> None:
    from gan_cli.training.summary import hparams

    register()
    plain, logged = (hparams(compose(choice)) for choice in ([], ["logger=csv", "logger.on_error=stop"]))
    assert set(plain.values) == set(logged.values)
    assert not any("logger" in key for key in logged.values)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("logger.on_error=never", "logger.on_error: expected warn or stop, got 'never'"),
        ("logger.on_eror=stop", "logger.on_eror: logger has no such key. Did you mean logger.on_error=stop?"),
        ("logger.wandb.mode=offline", "Did you mean logger=wandb logger.wandb.mode=offline?"),
        ("+logger.csv=3", "logger.csv: expected a class and its settings, as an option of logger brings them, got 3"),
        ("+logger.mine._target_=torch.nn.ReLU", "logger.mine._target_: expected LoggerConfig, got 'torch.nn.ReLU'"),
        ("logger=tensorbord", "Did you mean logger=tensorboard?"),
    ],
)
def test_mistakes_cost_one_line(override: str, message: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train(override, *RUN)
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
    assert message in done.err
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_missing_package_costs_a_line_that_installs_it(
    name: str, gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    done = gan_train(f"logger={name}", *RUN)
    message = f"logger={name}: this takes {name}, not installed here: pip install 'gan-cli[{name}]'"
    assert (done.status, done.err) == (2, f"gan-train: {message}\n")
    assert list(workplace.iterdir()) == []


def test_a_resumed_run_may_have_other_loggers(gan_train: Command) -> None:
    assert gan_train(*RUN, "logger=csv", "logger.on_error=stop").status == 0
    done = gan_train("resume=run", "train.steps=8", "logger=[tensorboard]")
    assert done.status == 0, done.err
    assert [line["step"] for line in lines()] == list(range(1, 9))
    assert len(list(Path("run").glob("events.out.*"))) == 1
    assert [int(row["step"]) for row in rows()] == list(range(1, 7))
    # Without a choice the loggers of the run itself; the rows of the steps between are missing.
    assert gan_train("resume=run", "train.steps=9").status == 0
    assert [int(row["step"]) for row in rows()] == [*range(1, 7), 8, 9]


def test_a_run_of_earlier_versions_keeps_its_event_files(gan_train: Command) -> None:
    assert gan_train(*RUN).status == 0
    stored = OmegaConf.load("run/.hydra/config.yaml")
    del stored["logger"]
    OmegaConf.save(stored, "run/.hydra/config.yaml")
    assert gan_train("resume=run", "train.steps=7").status == 0
    assert len(list(Path("run").glob("events.out.*"))) == 2
    done = gan_train("resume=run", "train.steps=8", "logger=[tensorboard,csv]")
    assert done.status == 0, done.err
    assert len(list(Path("run").glob("events.out.*"))) == 3
    assert [int(row["step"]) for row in rows()] == [7, 8]
