"""A mistake in a sweep as a whole costs one line before its first job, and leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_cli.sweeps.job_registry import JobIdentity, JobRegistry
from tests.conftest import SHORT, TINY, Command
from tests.helpers.sweeps import jobs_of

RING = ("dataset=ring8", *SHORT, *TINY)
JOBLIB, OPTUNA = "hydra/launcher=joblib", "hydra/sweeper=optuna"
SEARCH = (OPTUNA, "sweep.metric=divergence/jsd", "hydra.sweeper.n_trials=1", "loss.d_steps=1,2")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["seed=range(0,1000000000000)"], ["10,000 jobs at most", "1,000,000,000,000 of seed"]),
        (["seed=range(0,10,0)"], ["seed=range(0,10,0)", "a step other than 0"]),
        (["loss=glob(x*)"], ["loss=glob(x*)", "at least one value, got none"]),
        (["seed=0,1", "hydra.sweeper.max_batch_size=0"], ["max_batch_size", "from 1 to 10,000, or null", "got 0"]),
        (["seed=0,1", "hydra.sweeper.params=3"], ["hydra.sweeper.params"]),
        (["seed=0,1", "hydra.sweep.dir=${oc.env:GAN_UNSET}"], ["hydra.sweep.dir", "GAN_UNSET"]),
        (["seed=0,1", "hydra.sweep.dir=${hydra.job.chdir}/.."], ["hydra.sweep.dir: expected a folder of its own"]),
        (["seed=0,1", "hydra.launcher=null"], ["hydra.launcher: expected the settings of a launcher"]),
        (["seed=0,1", "hydra.sweeper=null"], ["hydra.sweeper: expected the settings of a sweeper"]),
        (["seed=0,1", "hydra.launcher._target_=os.system"], ["hydra.launcher._target_", "'os.system'"]),
        ([JOBLIB, "hydra.launcher.n_jobs=0"], ["hydra.launcher.n_jobs", "other than 0, got 0"]),
        ([JOBLIB, "hydra.launcher.n_jobs=1000000"], ["hydra.launcher.n_jobs", "got 1000000"]),
        ([JOBLIB, "hydra.launcher.batch_size=0"], ["hydra.launcher.batch_size", "auto or an integer"]),
        ([JOBLIB, "hydra.launcher.pre_dispatch=0"], ["hydra.launcher.pre_dispatch", "2*n_jobs"]),
        ([JOBLIB, "hydra.launcher.prefer=threads"], ["hydra.launcher.prefer", "processes"]),
        ([JOBLIB, "hydra.launcher.timeout=-1"], ["hydra.launcher.timeout", "got -1.0"]),
        ([JOBLIB, "hydra.launcher.max_nbytes=x"], ["hydra.launcher.max_nbytes", "10M"]),
        (["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=0"], ["hydra.launcher.timeout_min", "got 0"]),
        (["hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2"], ["tasks_per_node", "got 2"]),
        ([*SEARCH, "optimizer.lr=interval(1,0.1)"], ["optimizer.lr=interval(1,0.1)", "the lower end"]),
        ([*SEARCH, "hydra.sweeper.n_trials=0"], ["hydra.sweeper.n_trials", "from 1 to 10,000"]),
        ([*SEARCH, "hydra.sweeper.n_trials=100000000000"], ["hydra.sweeper.n_trials"]),
        ([*SEARCH, "hydra.sweeper.n_jobs=0"], ["hydra.sweeper.n_jobs"]),
        ([*SEARCH, "hydra.sweeper.max_failure_rate=nan"], ["max_failure_rate", "from 0 to 1"]),
        ([*SEARCH, "hydra.sweeper.direction=up"], ["hydra.sweeper.direction", "minimize or maximize, got 'up'"]),
        ([*SEARCH, "hydra.sweeper.direction=[minimize,maximize]"], ["hydra.sweeper.direction"]),
        ([*SEARCH, "hydra.sweeper.sampler.seed=-1"], ["hydra.sweeper.sampler.seed", "got -1"]),
        ([*SEARCH, "hydra.sweeper.sampler.n_ei_candidates=100000000000"], ["n_ei_candidates"]),
        ([*SEARCH, "hydra.sweeper.storage=x"], ["hydra.sweeper.storage: cannot use 'x'"]),
        ([*SEARCH, "hydra.sweeper.storage='sqlite:////proc/x.db'"], ["hydra.sweeper.storage", "sqlite:////proc/x.db"]),
        ([*SEARCH, "hydra.sweeper.storage='redis://localhost:1'"], ["hydra.sweeper.storage"]),
        ([*SEARCH, "hydra.sweeper.storage={a: 1}"], ["hydra.sweeper.storage", "sqlite:///study.db"]),
        ([*SEARCH, "hydra.sweeper.search_space={seed: {type: foo}}"], ["hydra.sweeper.search_space", "null"]),
        ([*SEARCH, "hydra/sweeper/sampler=grid", "optimizer.lr=interval(1,2)"], ["grid", "lists or ranges"]),
    ],
)
def test_mistake_costs_one_line_and_leaves_nothing(
    overrides: list[str], words: list[str], gan_train: Command, workplace: Path
) -> None:
    done = gan_train("-m", *RING, *overrides)
    assert done.status == 2, done.err
    (line,) = done.err.splitlines()
    assert line.startswith("gan-train: ")
    assert all(word in line for word in words), line
    assert not list(workplace.iterdir())


def test_jobs_that_lack_a_key_are_named_before_the_first_is_trained(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *RING, "loss=wgan_gp,jsd,hinge", "loss.penalty.gradient.weight=5")
    assert done.status == 2
    jobs, mistake = (
        "2 of 3 jobs (loss=jsd; loss=hinge)",
        "loss.penalty.gradient: loss.penalty has no such key, it is empty."
        " Did you mean loss/penalty=gradient loss.penalty.gradient.weight=5?",
    )
    assert done.err == f"gan-train: {jobs}: {mistake}\n"
    assert not list(workplace.iterdir())


def test_key_that_only_the_options_of_a_sweep_have(gan_train: Command, workplace: Path) -> None:
    command = ("-m", *RING, "loss=wgan_gp,wgan_gp", "loss.penalty.gradient.weight=5")
    done = gan_train(*command, "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert all("weight: 5" in (job / ".hydra" / "config.yaml").read_text() for job in jobs_of(Path("sweep")))
    for again in (command, ("-m",)):
        continued = gan_train(*again, "sweep.continue=sweep")
        assert continued.status == 0, continued.err
        assert "2 skipped" in continued.err


@pytest.mark.parametrize(
    ("overrides", "values"),
    [
        (["hydra.sweep.subdir=${hydra.job.num}", "seed=0,1"], [("seed: 0",), ("seed: 1",)]),
        (["seed=${hydra:job.num}", "loss=jsd,wgan"], [("seed: 0",), ("seed: 1",)]),
        (["optimizer.lr_d=${optimizer.lr_g}", "optimizer.lr_g=0.5,0.25"], [("lr_g: 0.5",), ("lr_g: 0.25",)]),
        (["seed=${oc.env:GAN_SEED}", "loss=jsd,wgan"], [("seed: 7",), ("seed: 7",)]),
    ],
)
def test_job_is_what_it_was_composed_to(
    overrides: list[str],
    values: list[tuple[str]],
    gan_train: Command,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GAN_SEED", "7")
    done = gan_train("-m", *RING, *overrides, "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    jobs = jobs_of(Path("sweep"))
    for job, words in zip(jobs, values, strict=True):
        assert all(word in (job / ".hydra" / "config.yaml").read_text() for word in words)
    for again in (["-m"], ["-m", *RING, *overrides]):
        continued = gan_train(*again, "sweep.continue=sweep")
        assert continued.status == 0, continued.err
        assert "2 skipped (completed before), 0 resumed" in continued.err
    assert jobs_of(Path("sweep")) == jobs


def test_job_that_would_be_another_now_is_not_trained_anew(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_SEED", "7")
    assert gan_train("-m", *RING, "seed=${oc.env:GAN_SEED}", "loss=jsd,wgan", "hydra.sweep.dir=sweep").status == 0
    monkeypatch.setenv("GAN_SEED", "8")
    done = gan_train("-m", "sweep.continue=sweep")
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if "HYDRA" not in line)
    assert "job 0 of" in line
    assert "began with seed=7, and would have seed=8 now" in line
    assert len(jobs_of(Path("sweep"))) == 2


@pytest.mark.parametrize("subdir", ["..", "../x", ".", "/tmp/x"])
def test_jobs_stay_inside_their_sweep(subdir: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *RING, "seed=0,1", f"hydra.sweep.subdir={subdir}", "hydra.sweep.dir=a/sweep")
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if "HYDRA" not in line)
    assert "hydra.sweep.subdir: expected a folder below hydra.sweep.dir" in line


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("multirun.yaml", _fifo),
        ("multirun.yaml", _folder),
        ("optimization_results.yaml", _fifo),
        (".jobs", _fifo),
        (".jobs/command.json", _folder),
        (".jobs/jobs.jsonl", _fifo),
        (".jobs/jobs.jsonl", _folder),
        (".jobs/jobs.jsonl", _sparse),
        (".jobs/ended", _folder),
        (".jobs/jobs.lock", _fifo),
        (".jobs/jobs.lock", _folder),
    ],
)
def test_what_is_no_file_of_a_sweep(
    name: str, make: Callable[[Path], None], gan_train: Command, workplace: Path
) -> None:
    """The callback's error is no warning with status 0, as Hydra would have it."""
    path = Path("sweep") / name
    path.parent.mkdir(parents=True)
    make(path)
    done = gan_train("-m", *RING, "seed=0,1", "hydra.sweep.dir=sweep")
    assert done.status == 2, done.err
    (line,) = (line for line in done.err.splitlines() if "HYDRA" not in line)
    assert line.startswith("gan-train: cannot write ") or "jobs.jsonl cannot be read" in line, line


@pytest.mark.parametrize("make", [_fifo, _folder, _sparse])
def test_stored_command_that_is_no_file(make: Callable[[Path], None], gan_train: Command, workplace: Path) -> None:
    registry = JobRegistry(workplace / "sweep")
    registry.folder.mkdir(parents=True)
    make(registry.folder / "command.json")
    done = gan_train("-m", *RING, "seed=0", "dry_run=true", "sweep.continue=sweep")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "command.json cannot be read" in done.err


@pytest.mark.parametrize("text", ["", "[]", '{"task": 3}', '{"task": ["a"]}', '{"task": [1], "hydra": []}', "[" * 5000])
def test_command_that_is_none(text: str, gan_train: Command, workplace: Path) -> None:
    registry = JobRegistry(workplace / "sweep")
    registry.folder.mkdir(parents=True)
    (registry.folder / "command.json").write_text(text)
    done = gan_train("-m", "sweep.continue=sweep")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "command.json cannot be read: expected what gan-train wrote" in done.err


@pytest.mark.parametrize(
    "override",
    [
        "+hydra.callbacks.x._target_=os.mkdir",
        "hydra.callbacks={x: {a: b}}",
        "hydra.job_logging={formatters: {x: {'()': os.mkdir}}}",
        "hydra.sweeper.custom_search_space=os.mkdir",
        "+hydra.job.env_set.PYTHONPATH=x",
        "hydra.sweep.subdir=${unique_dir:canary}",
    ],
)
def test_stored_command_calls_nothing(override: str, gan_train: Command, workplace: Path) -> None:
    registry = JobRegistry(workplace / "sweep")
    registry.folder.mkdir(parents=True)
    (registry.folder / "command.json").write_text(json.dumps({"task": ["seed=0"], "hydra": [override]}))
    done = gan_train("-m", "sweep.continue=sweep")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "names code to be called: type the whole command again" in done.err
    assert [path.name for path in workplace.iterdir()] == ["sweep"]


def test_registry_s_lines_that_are_none_do_not_count(tmp_path: Path) -> None:
    registry = JobRegistry(tmp_path)
    entry = registry.register(JobIdentity.from_overrides(0, ["seed=0"]), tmp_path / "job", "seed=0")
    lines = [
        "[]",
        "{}",
        "null",
        "[" * 5000,
        '{"number": 1e999, "directory": "a", "label": "", "overrides": []}',
        '{"number": 1, "directory": "../a", "label": "", "overrides": []}',
        '{"number": 1, "directory": "/a", "label": "", "overrides": []}',
        '{"number": 1, "directory": "", "label": "", "overrides": []}',
        '{"number": 1, "directory": "a", "label": "", "overrides": 3}',
        f'{{"number": {"9" * 5000}, "directory": "a", "label": "", "overrides": []}}',
        "\x00\xff",
    ]
    with (registry.folder / "jobs.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    assert registry.entries() == [entry]


def test_job_without_a_command_file(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *RING, "seed=0,1", "~hydra.callbacks.tally", "hydra.sweep.dir=sweep")
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if "HYDRA" not in line)
    assert "hydra.callbacks.tally" in line
    assert "sweep.continue" not in line


@pytest.mark.parametrize(
    "overrides",
    [
        ["hydra.sweep.dir=file"],
        ["hydra.sweep.dir=file/x"],
        ["hydra.sweep.dir=/dev/null"],
        ["hydra/launcher=submitit_local", "hydra.launcher.submitit_folder=file/x", "hydra.sweep.dir=sweep"],
    ],
)
def test_what_cannot_be_written_costs_one_line(overrides: list[str], gan_train: Command, workplace: Path) -> None:
    Path("file").touch()
    done = gan_train("-m", *RING, "seed=0,1", *overrides)
    assert done.status == 2, done.err
    (line,) = (line for line in done.err.splitlines() if "HYDRA" not in line)
    assert line.startswith("gan-train: cannot write ")


def test_jobs_with_a_working_directory_of_their_own(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *RING, "seed=0", "hydra.job.chdir=true", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert len(jobs_of(workplace / "sweep")) == 1


def test_sweep_is_continued_from_inside(gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gan_train("-m", *RING, "seed=0", "hydra.sweep.dir=sweep").status == 0
    monkeypatch.chdir("sweep")
    done = gan_train("-m", "sweep.continue=.")
    assert done.status == 0, done.err
    assert "1 skipped" in done.err
