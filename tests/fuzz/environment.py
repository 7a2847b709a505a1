"""What surrounds a command: torchrun's variables, errors of the machine, and words on their way to a terminal."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gan_cli.algorithms.seqgan import inference
from gan_cli.datasets.text import Text
from gan_cli.errors import UserError, as_user_error, printable
from gan_cli.inference.loading import checkpoint_errors
from gan_cli.runtime import torchrun
from tests.fuzz.strategies import VALUES, Draw

NAMES = (
    "WORLD_SIZE",
    "RANK",
    "LOCAL_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RESTART_COUNT",
    "GROUP_WORLD_SIZE",
)
VARIABLES: Draw = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(
        ["1", "2", "0", "-1", "abc", "", " 2", "2.0", "1e3", "9" * 5000, "\u0663", "\udcff", "29500", "localhost"]
    )
    | st.text(st.characters(exclude_characters="\0"), max_size=5),
)
WORDS: Draw = st.lists(
    st.text(max_size=6)
    | st.sampled_from(["\x1b[2J", "\n", "\r", "\udcff", "\ud800", "\u202e", "x" * 20_000, "\x9b31m"])
    | VALUES,
    max_size=5,
)
VOCABULARIES: Draw = st.fixed_dictionaries(
    {},
    optional={
        "words": WORDS | VALUES,
        "end": st.integers(-2, 6) | VALUES,
        "between": st.sampled_from(["", " "]) | VALUES,
    },
)
PATHS: Draw = st.text(max_size=8) | st.binary(max_size=8) | st.integers(0, 9) | st.none()
ERRORS: Draw = st.tuples(st.sampled_from([OSError, PermissionError, BlockingIOError]), st.integers(0, 140), PATHS)


def environment(variables: dict[str, str]) -> None:
    torchrun.is_nonzero_rank(variables)
    torchrun.require_environment(variables)
    assert 0 <= torchrun.rank(variables) < torchrun.world_size(variables)


def vocabulary(algorithm: dict[str, Any]) -> None:
    """Words of a checkpoint, and sentences of them as the commands print them."""
    with checkpoint_errors(Path("run")):
        words = inference._vocabulary(algorithm, Text("x", max_length=4))
        tokens = [[index % len(words.words) for index in range(place, place + 4)] for place in range(9)]
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "ascii", errors="backslashreplace")):
            for sentence in words.to_sentences(np.array(tokens)):
                shown = printable(sentence)
                assert len(shown.splitlines()) <= 1
                shown.encode()
                print(shown)


def machine_error(drawn: tuple[type[OSError], int, Any]) -> None:
    kind, number, path = drawn
    error = as_user_error(kind(number, os.strerror(number), path))
    if isinstance(error, UserError):
        assert len(str(error).splitlines()) == 1
        raise error


KINDS = {
    "torchrun environment": (VARIABLES, environment),
    "vocabulary": (VOCABULARIES, vocabulary),
    "errors of the machine": (ERRORS, machine_error),
}
