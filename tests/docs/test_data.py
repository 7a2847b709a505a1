"""docs/data.md works as it is written: each row of its table is trained, resumed, sampled, evaluated and exported."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.helpers.own_data import MAKERS, make_own_data
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "data.md").read_text()
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.splitlines()
]
ROWS = [shlex.split(settings) for settings in re.findall(r"^\|.* \| `(dataset=[^`]*)` \|$", PAGE, flags=re.MULTILINE)]
SMALL = ("train.batch_size=4", "train.log_every=1", "train.sample_count=4", "train.held_out=0.25")


def marked_rows() -> list[object]:
    """The rows as parameters: the first of each kind of data in the quick tests, the others in the slow ones."""
    seen = set[str]()
    marked: list[object] = []
    for row in ROWS:
        kind = row[0].partition("=")[2]
        slow = () if kind not in seen else (pytest.mark.slow,)
        seen.add(kind)
        marked.append(pytest.param(row, marks=slow, id=" ".join(row)))
    return marked


def make_files(words: list[str]) -> None:
    """Make the files that a command names."""
    for word in words:
        key, _, value = word.partition("=")
        if key in ("dataset.path", "dataset.labels"):
            make_own_data(value.partition("/")[0], Path())


def test_every_file_that_can_be_made_is_named() -> None:
    words = [word for words in (*COMMANDS, *ROWS) for word in words]
    named = {
        word.partition("=")[2].partition("/")[0]
        for word in words
        if word.startswith(("dataset.path=", "dataset.labels="))
    }
    assert named == set(MAKERS)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_one_line_that_trains(arguments: list[str], gan_train: Command) -> None:
    make_files(arguments)
    done = gan_train(*arguments, "dry_run=true")
    assert done.status == 0, done.err
    assert "parameters" in done.out


@pytest.mark.parametrize("row", marked_rows())
def test_row_of_the_table(
    row: list[str],
    gan_train: Command,
    gan_sample: Command,
    gan_eval: Command,
    gan_export: Command,
) -> None:
    pytest.importorskip("h5py")
    make_files(row)
    narrow = () if "dataset=table" in row else ("architecture.width=8",)
    done = gan_train(*row, *SMALL, *narrow, "train.steps=3", "hydra.run.dir=run")
    assert done.status == 0, done.err
    done = gan_train("resume=run", "train.steps=5")
    assert done.status == 0, done.err
    assert "completed at step 5" in done.err
    done = gan_sample("run", "--n", 4, "--out", "samples.png")
    assert done.status == 0, done.err
    done = gan_sample("run", "--n", 4, "--out", "samples.npy")
    assert done.status == 0, done.err
    done = gan_eval("run", "--n", 10, "--backbone", "pixels")
    assert done.status == 0, done.err
    assert "/pixels" in done.out
    done = gan_export("run", "--format", "torch", "--out", "exported")
    assert done.status == 0, done.err
    assert Path("exported", "README.md").is_file()
