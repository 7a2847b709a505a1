"""What is wrong in a run directory is not said as if it had been typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gan_cli import __version__
from tests.conftest import SHORT, TINY, Command, FinishedRun


@pytest.fixture
def newer(finished_run: FinishedRun, workplace: Path) -> Path:
    """A run of a newer version, whose configuration has a key and a class that this one does not know."""
    run = finished_run(workplace / "run", *SHORT, *TINY, "dataset=ring8")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "versions": {"gan_cli": "9.9"}}))
    return run


def change(run: Path, *path: str, value: object) -> None:
    file = run / ".hydra" / "config.yaml"
    config = node = yaml.safe_load(file.read_text())
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    file.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("train", "patience"), 3),
        (("future",), {"a": 1}),
        (("dataset", "twist"), 0.5),
        (("dataset", "_target_"), "gan_cli.datasets.future.Knots"),
    ],
)
def test_key_of_a_newer_version(
    path: tuple[str, ...], value: object, newer: Path, gan_train: Command, gan_sample: Command, gan_eval: Command
) -> None:
    change(newer, *path, value=value)
    for done in (gan_train("resume=run", "train.steps=3"), gan_sample("run", "--out", "a.npy"), gan_eval("run")):
        assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
        assert f"run/.hydra/config.yaml, of gan_cli 9.9, read by gan_cli {__version__}: {'.'.join(path)}" in done.err


def test_override_of_a_newer_version(newer: Path, gan_train: Command) -> None:
    for override in ("train.patience=3", "loss=future"):
        (newer / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(["dataset=ring8", override]))
        done = gan_train("resume=run", "train.steps=3")
        assert done.status == 2
        assert f"run/.hydra/overrides.yaml, of gan_cli 9.9, read by gan_cli {__version__}: " in done.err


def test_mistake_that_was_typed_is_of_the_command_line(newer: Path, gan_train: Command, gan_sample: Command) -> None:
    for override in ("train.steps=-1", "train.patience=3", "loss=future", "dataset.modes=3", "device.precision=x"):
        done = gan_train("resume=run", override)
        assert done.status == 2
        assert "9.9" not in done.err
    assert "9.9" not in gan_sample("run", "--out", "a.npy", "--label", "3").err


def test_foreign_key_is_printable(newer: Path, gan_train: Command, gan_sample: Command) -> None:
    for path in (("dataset", "a\x1b[31mred\nfake: line"), ("a\x1b[31mred\r\nfake: line",)):
        change(newer, *path, value=1)
        for done in (gan_train("resume=run", "train.steps=3"), gan_sample("run", "--out", "a.npy")):
            assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
            assert "\x1b" not in done.err
