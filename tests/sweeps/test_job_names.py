"""A job's folder is named by what differs between the jobs of its sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gan_cli.sweeps.command import Command as SweepCommand
from gan_cli.sweeps.job_names import MAX_NAME_LENGTH, folder_name
from tests.conftest import SHORT, TINY, Command
from tests.helpers.sweeps import jobs_of

FIXED = ("dataset=ring8", *SHORT, *TINY)


def test_folders_are_named_by_what_varies_with_the_seed_last(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", "seed=0,1", *FIXED, "loss=jsd,wgan", "noise=linear", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    names = [job.name for job in jobs_of(Path("sweep"))]
    assert names == ["loss=jsd,seed=0", "loss=wgan,seed=0", "loss=jsd,seed=1", "loss=wgan,seed=1"]


@pytest.mark.parametrize(
    ("task", "job", "label"),
    [
        (["loss=jsd,wgan", "seed=range(0,3)"], ["loss=wgan", "seed=2"], "loss=wgan,seed=2"),
        (["loss=glob(w*)", "train.steps=5"], ["loss=wgan", "train.steps=5"], "loss=wgan"),
        # The overrides of `sweep=learning_rates` are the sweeper's, not of the command line.
        (
            ["sweep=learning_rates", "seed=0"],
            ["sweep=learning_rates", "optimizer.lr_g=0.1", "seed=0"],
            "optimizer.lr_g=0.1",
        ),
        (["optimizer.lr=interval(1e-5,1e-3)", "seed=0"], ["optimizer.lr=3e-4", "seed=0"], "optimizer.lr=3e-4"),
        (["+a.b=1,2", "seed=choice(0)"], ["+a.b=1", "seed=0"], "+a.b=1"),
        (["loss=jsd", "loss=hinge,wgan"], ["loss=wgan"], "loss=wgan"),
        (["loss=jsd", "seed=0"], ["loss=jsd", "seed=0"], ""),
    ],
)
def test_label_has_what_is_swept_over(task: Sequence[str], job: Sequence[str], label: str) -> None:
    assert SweepCommand(tuple(task), ()).label(job) == label


def test_names_fit_into_one_folder_on_any_system() -> None:
    assert folder_name("loss=jsd,seed=0", 3) == "loss=jsd,seed=0"
    assert folder_name("", 3) == "3"
    assert not set('/\\:*?"<>|$') & set(folder_name('dataset.path=/a/b,x="${c:*?}|<d>\\', 3))
    long = [folder_name("x=" + "a" * 400 + end, 3) for end in "bc"]
    assert all(len(name) <= MAX_NAME_LENGTH for name in long)
    assert long[0] != long[1]


def test_only_job_is_named_by_all_that_was_typed(gan_train: Command, workplace: Path) -> None:
    assert gan_train("-m", "loss=wgan", *FIXED, "hydra.sweep.dir=sweep").status == 0
    assert jobs_of(Path("sweep"))[0].name.startswith("loss=wgan,dataset=ring8,")


def test_sweep_with_folders_of_an_earlier_version_is_continued(gan_train: Command, workplace: Path) -> None:
    command = ("-m", "seed=0,1", *FIXED)
    assert gan_train(*command, "hydra.sweep.dir=sweep").status == 0
    # Earlier versions named folders by all overrides, in the order of their keys.
    registry = Path("sweep/.jobs/jobs.jsonl")
    entries = [json.loads(line) for line in registry.read_text().splitlines()]
    for entry in entries:
        earlier = ",".join(sorted([*FIXED, f"seed={entry['number']}"])).replace("/", "-")
        Path("sweep", entry["directory"]).rename(Path("sweep", earlier))
        entry["directory"] = earlier
    registry.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    before = jobs_of(Path("sweep"))
    done = gan_train(*command, "train.steps=3", "sweep.continue=sweep")
    assert done.status == 0, done.err
    assert "0 skipped (completed before), 2 resumed" in done.err
    assert jobs_of(Path("sweep")) == before
