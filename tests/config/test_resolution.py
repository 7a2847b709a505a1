"""What resolvers return is what a run is made of, stores and goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gan_cli.config.compose import compose, register
from gan_cli.config.override_text import quoted, value_text
from gan_cli.config.resume import recompose
from gan_cli.errors import ConfigError
from gan_cli.storage.interpolations import escape
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, TINY, Command

BACKSLASHED = st.text("\\'\"${}a:,= \n", max_size=12)


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def test_resolvers_are_called_once_and_keys_are_still_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "7")
    monkeypatch.setenv("WIDTH", "1e1")
    overrides = ["seed=${oc.env:SEED}", "train.log_every=${oc.env:WIDTH}", "+noise.x=${train.steps}"]
    composed = compose([*overrides, "optimizer.lr_g=${oc.env:NOT_SET,0.5}", "hydra.run.dir=x/${now:%Y}"])
    assert OmegaConf.select(composed.config, "noise.x") == composed.config.train.steps
    plain: Any = OmegaConf.to_container(composed.config, resolve=False)
    assert (plain["seed"], plain["train"]["log_every"], plain["optimizer"]["lr_g"]) == (7, 10, "0.5")
    assert (plain["noise"]["x"], plain["optimizer"]["lr_d"]) == ("${train.steps}", "${.lr}")
    assert composed.overrides == [
        "seed=7", "train.log_every=10", "+noise.x=${train.steps}", "optimizer.lr_g='0.5'", "hydra.run.dir=x/${now:%Y}"
    ]  # fmt: skip


def test_data_root_is_asked_of_the_environment_later() -> None:
    root = "${oc.env:GAN_DATA,'~/.cache/gan_cli'}"
    composed = compose(["dataset=mnist"])
    assert OmegaConf.to_container(composed.config.dataset, resolve=False)["root"] == root  # type: ignore[index,call-overload]


def test_value_that_looks_like_an_interpolation_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD", r"\${oc.env:HOME} and ${seed}")
    composed = compose(["sweep.metric=${oc.env:ODD}"])
    assert composed.config.sweep.metric == r"\${oc.env:HOME} and ${seed}"
    assert compose(composed.overrides).config.sweep.metric == composed.config.sweep.metric


def test_resolver_that_fails_costs_one_line(gan_train: Command, workplace: Path) -> None:
    done = gan_train("optimizer.lr=${oc.env:NOT_SET_HERE}", *TINY)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "optimizer.lr" in done.err
    assert "NOT_SET_HERE" in done.err
    assert list(workplace.iterdir()) == []


def test_run_with_resolvers_is_resumed_sampled_and_reported(
    workplace: Path, gan_train: Command, gan_sample: Command, gan_report: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SEED", "3"), ("RATE", "1e-3"), ("WIDTH", "8")):
        monkeypatch.setenv(name, value)
    wide = ("architecture=mlp", "architecture.generator_hidden=[${oc.env:WIDTH},8]", "optimizer.lr_g=${oc.env:RATE}")
    done = gan_train(*SHORT, "dataset=ring8", *wide, "seed=${oc.env:SEED}", "hydra.run.dir=run${now:%Y}")
    assert done.status == 0, done.err
    (run,) = workplace.glob("run*")
    for name in ("SEED", "RATE", "WIDTH"):
        monkeypatch.delenv(name)
    for again in (gan_train(f"resume={run}", "train.steps=3"), gan_sample(run, "--out", "a.npy"), gan_report(run)):
        assert again.status == 0, again.err
    monkeypatch.setenv("CORES", "1")
    assert gan_train(f"resume={run}", "train.steps=4", "device.threads=${oc.env:CORES}").status == 0


@pytest.mark.parametrize(
    "override", ["hydra.job.name=${unique_dir:canary}", "dataset=${unique_dir:canary}", "seed=${unique_dir:canary}"]
)
def test_stored_override_calls_nothing(override: str, workplace: Path, gan_report: Command) -> None:
    run = RunDirectory(workplace / "run")
    run.hydra.mkdir(parents=True)
    composed = compose(["dataset=ring8"])
    run.write_hydra_config(composed.config, composed.hydra.hydra, ["dataset=ring8", override])
    if override.startswith("hydra"):
        recompose(run, ["train.steps=5"])
    else:
        with pytest.raises(ConfigError, match=r"overrides\.yaml: expected plain values"):
            recompose(run, ["train.steps=5"])
    gan_report(run.path)
    assert not Path("canary").exists()


@given(BACKSLASHED)
def test_escaped_text_is_resolved_to_itself(text: str) -> None:
    assert OmegaConf.create({"a": escape(text)}).a == text


@given(BACKSLASHED)
def test_quoted_text_is_read_as_itself(text: str) -> None:
    assert OverridesParser.create().parse_override(f"a={quoted(text)}").value() == text


@pytest.mark.parametrize("value", [None, True, 3, -2.5e-7, "a,b", [1, "x", [2]], {"a": 1, "b": {"c": None}}])
def test_value_is_read_from_its_text(value: object) -> None:
    assert OverridesParser.create().parse_override(f"a={value_text(value)}").value() == value
