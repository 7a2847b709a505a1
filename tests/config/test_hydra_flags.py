"""Hydra's flags where ``argparse`` checks help texts as arguments are added, as it does from Python 3.14 on."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from gan_cli.config.hydra_flags import CHECK, lazy_help_texts
from tests.conftest import SHORT, TINY, Command


class _LazyText:
    def __str__(self) -> str:
        return "written when printed"


@pytest.fixture
def _checked_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``argparse`` check help texts as Python 3.14 does, on earlier versions too."""
    container = argparse._ActionsContainer
    if hasattr(container, CHECK):
        return
    add_argument = container.add_argument

    def check_help(parser: Any, action: argparse.Action) -> None:
        if action.help:
            try:
                argparse.HelpFormatter("program")._expand_help(action)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError("badly formed help string") from error

    def add_checked(parser: Any, *names: Any, **settings: Any) -> argparse.Action:
        action = add_argument(parser, *names, **settings)
        parser._check_help(action)
        return action

    monkeypatch.setattr(container, CHECK, check_help, raising=False)
    monkeypatch.setattr(container, "add_argument", add_checked)


@pytest.mark.usefixtures("_checked_help")
def test_text_that_is_no_string_is_taken_inside_alone() -> None:
    check = getattr(argparse._ActionsContainer, CHECK)
    parser = argparse.ArgumentParser()
    with lazy_help_texts():
        action = parser.add_argument("--lazy", help=_LazyText())  # type: ignore[arg-type]  # as Hydra does
        with pytest.raises(ValueError, match="badly formed help string"):
            parser.add_argument("--malformed", help="100 %")
    assert str(action.help) == "written when printed"
    assert getattr(argparse._ActionsContainer, CHECK) is check
    with pytest.raises(ValueError, match="badly formed help string"):
        parser.add_argument("--lazy-again", help=_LazyText())  # type: ignore[arg-type]


def test_nothing_is_changed_where_argparse_does_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(argparse._ActionsContainer, CHECK, raising=False)
    with lazy_help_texts():
        assert not hasattr(argparse._ActionsContainer, CHECK)


@pytest.mark.usefixtures("_checked_help")
def test_sweep_parses_its_command_line(gan_train: Command) -> None:
    done = gan_train("--multirun", *SHORT, *TINY, "loss=jsd,wgan", "dry_run=true")
    assert done.status == 0, done.err


@pytest.mark.usefixtures("_checked_help")
@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (["--help"], "gan-train"),
        (["--hydra-help"], "Install or Uninstall shell completion:"),
        (["--cfg", "job"], "seed:"),
    ],
)
def test_flags_of_hydra_are_answered(gan_train: Command, flags: list[str], printed: str) -> None:
    done = gan_train(*flags)
    assert done.status == 0, done.err
    assert printed in done.out
