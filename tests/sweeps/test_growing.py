"""A sweep grows by values: the jobs that exist keep their folders, the others are added."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.errors import ConfigError
from gan_cli.sweeps.command import Command as SweepCommand
from gan_cli.sweeps.job_registry import JobIdentity, JobRegistry
from tests.conftest import SHORT, TINY, Command
from tests.helpers.run_directories import read_summary
from tests.helpers.sweeps import jobs_of

FIXED = ("dataset=ring8", *SHORT, *TINY)


def test_sweep_grows_by_losses_and_seeds(gan_train: Command, workplace: Path) -> None:
    assert gan_train("-m", "loss=jsd,wgan", "seed=0", *FIXED, "hydra.sweep.dir=sweep").status == 0
    before = {job.name: (job / "metrics.jsonl").read_bytes() for job in jobs_of(Path("sweep"))}
    done = gan_train("-m", "loss=hinge,jsd,wgan", "seed=0,1", *FIXED, "sweep.continue=sweep")
    assert done.status == 0, done.err
    assert "2 skipped (completed before), 0 resumed" in done.err
    names = [job.name for job in jobs_of(Path("sweep"))]
    assert names == [
        *("loss=hinge,seed=0", "loss=hinge,seed=1", "loss=jsd", "loss=jsd,seed=1", "loss=wgan", "loss=wgan,seed=1")
    ]
    assert all(read_summary(job)["status"] == "completed" for job in jobs_of(Path("sweep")))
    for name, metrics in before.items():
        assert (Path("sweep") / name / "metrics.jsonl").read_bytes() == metrics
    done = gan_train("-m", "sweep.continue=sweep")
    assert (done.status, "6 skipped" in done.err) == (0, True)


@pytest.mark.parametrize(
    ("earlier", "typed"),
    [
        (["seed=0,1"], ["seed=0,1,2"]),
        (["seed=0,1"], ["seed=range(0,4)"]),
        (["seed=range(0,2)"], ["seed=1,0,5"]),
        (["seed=0"], ["seed=0,1"]),
        (["loss=jsd", "seed=0,1"], ["seed=0,1,2", "loss=wgan,jsd"]),
    ],
)
def test_more_values_of_a_key_are_accepted(earlier: list[str], typed: list[str]) -> None:
    merged = SweepCommand(tuple(earlier), ()).merge_continuation(SweepCommand(tuple(typed), ()), Path("sweep"))
    assert sorted(merged.task) == sorted(typed)


@pytest.mark.parametrize(
    ("earlier", "typed", "words"),
    [
        (["seed=0,1,2"], ["seed=0,1"], "seed=0,1, which had seed=0,1,2"),
        (["seed=0,1"], ["seed=1,2"], "seed=1,2, which had seed=0,1"),
        (["seed=0,1", "loss=jsd"], ["seed=0,1,2", "loss=wgan"], "loss=wgan, which had loss=jsd"),
        (["seed=0,1"], ["seed=0,1", "loss=jsd,wgan"], "loss=jsd,wgan, which it did not have"),
        (["seed=0,1"], ["seed=0,1,1"], "seed=0,1,1, which had seed=0,1"),
        (["loss=jsd,wgan"], ["loss=glob(*)"], "loss=glob(*), which had loss=jsd,wgan"),
    ],
)
def test_fewer_values_and_other_settings_are_refused(earlier: list[str], typed: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match="the sweep began with another command") as refused:
        SweepCommand(tuple(earlier), ()).merge_continuation(SweepCommand(tuple(typed), ()), Path("sweep"))
    assert words in str(refused.value)


def test_search_does_not_grow() -> None:
    earlier = SweepCommand(("seed=0,1",), ("hydra/sweeper=optuna",))
    with pytest.raises(ConfigError, match="seed=0,1,2, which had seed=0,1"):
        earlier.merge_continuation(SweepCommand(("seed=0,1,2",), earlier.hydra), Path("sweep"))


def test_jobs_keep_their_folders_under_new_numbers(tmp_path: Path) -> None:
    registry = JobRegistry(tmp_path)
    jobs = [JobIdentity(number, overrides) for number, overrides in enumerate([("a=1",), ("a=1",), ("b=2",)])]
    paths = [registry.register(job, tmp_path / "job", "").path for job in jobs]
    registry.renumber([JobIdentity(n, o) for n, o in enumerate([("c=3",), ("b=2",), ("a=1",), ("a=1",)])])
    assert [(entry.identity.number, entry.path) for entry in registry.entries()] == [
        (2, paths[0]),
        (3, paths[1]),
        (1, paths[2]),
    ]


def test_numbers_stay_where_a_job_is_not_in_the_sweep(tmp_path: Path) -> None:
    registry = JobRegistry(tmp_path)
    registry.register(JobIdentity(0, ("seed=7",)), tmp_path / "job", "")  # its command has seed=${oc.env:SEED}
    before = registry.entries()
    registry.renumber([JobIdentity(1, ("seed=${oc.env:SEED}",))])
    assert registry.entries() == before
