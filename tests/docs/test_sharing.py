"""docs/sharing.md works as it is written, from the first line to the last, with a hub on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
from pathlib import Path

import pytest

from gan_cli.config.schema import Config
from tests.conftest import Command, FinishedRun
from tests.helpers.fake_hub import FakeHub
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "sharing.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.splitlines()
]
RUN = "outputs/2026-01-31/12-00-00"
SMALL = ("conditional=true", "train.steps=2", "train.batch_size=4", "train.log_every=1", "train.sample_count=4",
         "architecture.generator_hidden=[8]", "architecture.discriminator_hidden=[8]")  # fmt: skip


def test_every_command_in_its_order(
    hub: FakeHub,
    finished_run: FinishedRun,
    gan_train: Command,
    gan_export: Command,
    gan_sample: Command,
    gan_eval: Command,
    digits_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished_run(RUN, *SMALL)
    monkeypatch.setenv("GAN_DATA", str(shutil.copytree(digits_root, "data")))
    commands = {"gan-export": gan_export, "gan-sample": gan_sample, "gan-eval": gan_eval}
    if any(field.name == "init" for field in dataclasses.fields(Config)):
        commands["gan-train"] = lambda *arguments: gan_train(*arguments, "dry_run=true")
    for name, *arguments in COMMANDS:
        if name in commands:
            done = commands[name](*arguments)
            assert done.status == 0, (name, arguments, done.err)
    assert hub.repositories["OWNER/NAME"].private
    assert Path("grid.png").exists()


def test_the_table_lists_the_files(hub: FakeHub, finished_run: FinishedRun, gan_export: Command) -> None:
    finished_run(RUN, *SMALL)
    assert gan_export(RUN, "--format", "hub", "--out", "out").status == 0
    listed = re.findall(r"^\| `(\S+\.\w+)` \|", PAGE, flags=re.MULTILINE)
    assert {file.name for file in Path("out").iterdir()} == set(listed) - {".npy", ".npz"}
