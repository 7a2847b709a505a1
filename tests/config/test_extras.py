"""Extras: what pyproject.toml declares, and the line of one that is missing."""

from __future__ import annotations

import re

import pytest

from gan_cli.config import extras
from gan_cli.config.compose import compose, register
from gan_cli.config.extras import EXTRAS, require_extra
from gan_cli.errors import ConfigError
from gan_cli.training.planning import Plan, plan
from tests.helpers.paths import ROOT


def planned(*overrides: str) -> Plan:
    register()
    return plan(compose(["device=cpu", *overrides]).config)


def test_every_extra_is_declared_with_its_packages() -> None:
    tomllib = pytest.importorskip("tomllib")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in EXTRAS.values():
        names = {re.split(r"[<>=;\[ ]", requirement)[0].replace("-", "_") for requirement in declared[extra.name]}
        names = {name.removesuffix("_skinny") for name in names}  # mlflow-skinny brings mlflow
        assert set(extra.packages) <= names
    assert set(declared) - set(EXTRAS) == {"dev", "docs"}, "an extra that no message names"


def test_a_missing_package_costs_a_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    with pytest.raises(ConfigError) as raised:
        require_extra("metrics of text", "text")
    assert str(raised.value) == ("metrics of text: this takes nltk, not installed here: pip install 'gan-cli[text]'")


def test_metrics_of_text_are_checked_before_a_run_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ("algorithm=seqgan", "dataset=oracle", "train.eval_every=10")
    planned(*overrides)
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    planned(*overrides[:2])
    with pytest.raises(ConfigError, match=r"^train\.eval_every: this takes nltk, not installed here: pip install"):
        planned(*overrides)
