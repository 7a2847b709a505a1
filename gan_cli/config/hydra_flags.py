"""Hydra's parser of its flags (``--multirun``, ``--help``, ``--cfg``, ...) on Python 3.14 and later."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

# Python 3.14 and later try to format a help text when its argument is added, in this method.
CHECK = "_check_help"


@contextlib.contextmanager
def lazy_help_texts() -> Iterator[None]:
    """Let ``argparse`` take help texts that are not strings but are made into one when printed; checks strings as ever.

    Hydra's text of ``--shell-completion`` is such an object, because it takes all plugins to write it. Without this,
    Hydra cannot build its parser on Python 3.14: "badly formed help string". No effect on earlier versions of Python.
    Remove it once the oldest supported Hydra has a remedy of its own; 1.3.8 has none
    (https://github.com/facebookresearch/hydra/issues/3121).
    """
    container = argparse._ActionsContainer
    check = getattr(container, CHECK, None)
    if check is None:
        yield
        return

    def check_strings(parser: argparse._ActionsContainer, action: argparse.Action) -> None:
        if isinstance(action.help, str):
            check(parser, action)

    setattr(container, CHECK, check_strings)
    try:
        yield
    finally:
        setattr(container, CHECK, check)
