"""Launchers and the search with Optuna: composed as an option says, and real sweeps of small jobs with each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf

from gan_cli.config.compose import compose, register
from gan_cli.config.schema import conf_dir
from gan_cli.training import planning
from tests.conftest import SHORT, TINY, Command, Finished
from tests.helpers import fake_slurm
from tests.helpers.run_directories import has_reported, wait_for
from tests.helpers.sweeps import jobs_of
from tests.soak.equality import figures, same

RING = ("dataset=ring8", *SHORT, *TINY)
MIXED = (*RING, "seed=0,1", "optimizer.lr=1e-3,-1")  # two jobs that fail
LONG = ("dataset=ring8", *TINY, "train.batch_size=4", "train.sample_every=0", "train.checkpoint_every=500")
RAY = pytest.param(
    "ray", marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="Ray's plugin wants cloudpickle<3")
)
LAUNCHERS = ("joblib", "submitit_local", "submitit_slurm", RAY)
SEARCH = ("hydra/sweeper=optuna", "sweep=learning_rates", "sweep.metric=metrics/high_quality")
MEASURED = ("train.eval_every=2", "evaluation.samples=40")


def summary(directory: Path) -> dict[str, object]:
    content = json.loads((directory / "summary.json").read_text())
    assert isinstance(content, dict)
    return content


def start(arguments: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """A sweep as a process that leads a group of its own, and ignores no signal that its parent ignores."""
    command = [sys.executable, "-m", "gan_cli", "-m", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True, preexec_fn=_reset_signals
    )


def _reset_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=120)
    return Finished(process.returncode, out, err)


def trained_by(directory: Path) -> list[int]:
    """The processes that have trained in a run directory, in their order."""
    files = sorted(file.name for file in directory.glob("events.out.*"))
    return [int(name.split(".")[-2]) for name in files]


def alive(group: int) -> list[str]:
    """The processes of a group that have not ended; it may be that nobody asks for the status of those that have."""
    command = ["ps", "-e", "-o", "pgid=,stat=,args="]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [row for row in rows if row.split()[0] == str(group) and not row.split()[1].startswith("Z")]


def shown(gan_train: Command, *overrides: str) -> object:
    done = gan_train(*overrides, "--cfg", "hydra")
    assert done.status == 0, done.err
    return OmegaConf.select(OmegaConf.create(done.out), "hydra")


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep that the launchers' ones are to be equal to."""
    sweep = tmp_path_factory.mktemp("serial") / "sweep"
    done = ended(start([*MIXED, f"hydra.sweep.dir={sweep}"]))
    assert done.status == 1, done.err
    return sweep


def assert_equal_runs(sweep: Path, other: Path) -> None:
    """Bitwise equal, but for the machine's clock."""
    for one, two in zip(jobs_of(sweep), jobs_of(other), strict=True):
        assert summary(one)["status"] == summary(two)["status"]
        assert summary(one).get("error") == summary(two).get("error")
        if summary(one)["status"] == "completed":
            assert figures(one) == figures(two)
            states = [torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (one, two)]
            same(states[0]["algorithm"], states[1]["algorithm"], "algorithm")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launcher_is_an_option_that_says_how_many_cores_a_job_has(launcher: str, gan_train: Command) -> None:
    hydra = shown(gan_train, f"hydra/launcher={launcher}")
    assert "hydra_plugins" in hydra.launcher._target_  # type: ignore[attr-defined]
    assert "GAN_CORES" in hydra.job.env_set  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["hydra/launcher=jobli"], ["Did you mean hydra/launcher=joblib?", "submitit_slurm"]),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=many"], ["hydra.launcher.n_jobs", "an integer", "'many'"]),
        (
            ["hydra/launcher=joblib", "hydra.launcher.njobs=2"],
            ["hydra.launcher.njobs: ", "Did you mean hydra.launcher.n_jobs=2?"],
        ),
        (["hydra/launcher=submitit_slurm", "hydra.launcher.partitoin=a"], ["Did you mean hydra.launcher.partition=a?"]),
        (["hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=day"], ["timeout_min", "an integer"]),
        (["hydra/launcher=submitit_slurm"], ["no Slurm here", "submitit_local"]),
        (["sweep=learning_rate"], ["Did you mean sweep=learning_rates?", "wgan_gp"]),
        (["sweep=learning_rates"], ["intervals", "hydra/sweeper=optuna"]),
        (["hydra/sweeper=optuna", "sweep=learning_rates"], ["sweep.metric=metrics/frechet", "divergence/jsd"]),
        ([*SEARCH, "sweep.metric=loss/g"], ["'loss/g'", "metrics/recall"]),
    ],
)
def test_mistake_costs_one_line_and_leaves_nothing(
    overrides: list[str], words: list[str], gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(workplace))  # where there is no Slurm for sure
    done = gan_train("-m", *RING, *overrides, "seed=0,1")
    assert done.status != 0
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert all(word in line for word in words), line
    assert "Traceback" not in done.err
    assert not list(workplace.rglob("summary.json"))


@pytest.mark.parametrize("option", ["hydra/launcher=joblib", "hydra/launcher=ray", "hydra/sweeper=optuna"])
def test_missing_plugin_costs_one_line(option: str, workplace: Path) -> None:
    code = f"""
import sys
sys.modules["hydra_plugins"] = None
sys.argv = ["gan-train", "-m", "{option}", "seed=0,1"]
from gan_cli.cli.train import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"gan-train: {option.partition('=')[0]}")
    assert line.endswith("needs a plugin that is not installed: pip install 'gan-cli[sweep]'")
    assert not list(workplace.iterdir())


def test_search_space_wants_a_sweep(gan_train: Command, workplace: Path) -> None:
    done = gan_train("sweep=noise")
    assert done.status == 2
    assert done.err == "gan-train: sweep=noise: is of many runs; add --multirun (-m)\n"
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(
    ("n_jobs", "cores", "each"), [(2, 8, "4"), (3, 8, "2"), (16, 8, "1"), (-1, 8, "1"), (-7, 8, "4")]
)
def test_jobs_at_once_share_the_cores(
    n_jobs: int, cores: int, each: str, gan_train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    chosen = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={n_jobs}", "hydra/sweeper=optuna")
    done = gan_train(*chosen, "--cfg", "hydra", "-p", "hydra.job.env_set", "--resolve")
    assert f"GAN_CORES: '{each}'" in done.out
    at_once = gan_train(*chosen, "objective=divergence/jsd", "--cfg", "all", "-p", "hydra.sweeper", "--resolve").out
    assert f"n_jobs: {n_jobs if n_jobs > 0 else cores + 1 + n_jobs}" in at_once


def test_one_job_for_each_visible_gpu(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,3")
    show = ("--cfg", "hydra", "-p", "hydra.launcher", "--resolve")
    assert "n_jobs: 3" in gan_train("hydra/launcher=joblib", *show).out
    refused = gan_train("hydra/launcher=submitit_local", *show)
    assert refused.status == 2
    assert "expected CUDA_VISIBLE_DEVICES to name the first GPUs (0,1,...), got 0,1,3" in refused.err


@pytest.mark.parametrize("file", sorted((conf_dir() / "sweep").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_value_of_a_search_space_makes_a_run(file: Path) -> None:
    register()
    space = OmegaConf.load(file).hydra.sweeper.params
    loss = ["loss=wgan_gp"] if file.stem == "wgan_gp" else []
    values = []
    for override in OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in space.items()]):
        key, value = override.get_key_element(), override.value()
        assert override.is_sweep_override()
        ends = [value.start, value.end] if isinstance(value, IntervalSweep) else override.sweep_string_iterator()
        values.append([f"{key}={end}" for end in ends])
    for together in zip_longest(*values):
        planning.plan(compose([*RING[:1], *loss, *filter(None, together)]).config)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", RAY])
def test_jobs_in_other_processes_are_those_of_a_serial_sweep(launcher: str, serial: Path, workplace: Path) -> None:
    quiet = {**os.environ, "RAY_AUTH_MODE": "disabled"}  # else Ray keeps a token in the home directory
    process = start([f"hydra/launcher={launcher}", *MIXED, "hydra.sweep.dir=sweep"], quiet)
    done = ended(process)
    assert done.status == 1, done.err
    assert "2 of 4 jobs failed: optimizer.lr=-1,seed=0; optimizer.lr=-1,seed=1" in done.err
    assert_equal_runs(Path("sweep"), serial)
    assert process.pid not in {pid for job in jobs_of(Path("sweep")) for pid in trained_by(job)}
    wait_for(lambda: not alive(process.pid))  # a Ray of the sweep's own, and all workers, are gone with it


@pytest.mark.slow
def test_optuna_improves_the_metric_and_goes_on_after_a_kill(gan_train: Command, workplace: Path) -> None:
    arguments = ("-m", *SEARCH, *RING, *MEASURED, "train.steps=40", "hydra.sweeper.n_trials=8")
    whole = gan_train(*arguments, "hydra.sweep.dir=whole")
    assert whole.status == 0, whole.err
    found = OmegaConf.load("whole/optimization_results.yaml")
    reached_by = {}
    for job in jobs_of(Path("whole")):
        final = summary(job)["final"]
        assert isinstance(final, dict)
        reached_by[job.name] = final["metrics/high_quality"]
    assert len(reached_by) == 8
    assert found.best_value == max(reached_by.values()), "more is better of this figure"

    killed = start([*arguments[1:], "hydra.sweep.dir=killed"])
    third = Path("killed") / jobs_of(Path("whole"))[3].name
    wait_for(lambda: (third / "checkpoints").is_dir())
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    done = gan_train(*arguments, "sweep.continue=killed")
    assert done.status == 0, done.err
    assert "3 skipped (completed before)" in done.err
    assert [job.name for job in jobs_of(Path("killed"))] == [job.name for job in jobs_of(Path("whole"))]
    assert OmegaConf.load("killed/optimization_results.yaml") == found


@pytest.mark.slow
def test_optuna_goes_on_after_failed_jobs_and_says_when_there_is_nothing_else(workplace: Path) -> None:
    search = ("hydra/sweeper=optuna", "objective=divergence/jsd", "hydra.sweeper.n_trials=4", *RING)
    done = ended(start([*search, "optimizer.lr=choice(-1,1e-3)", "hydra.sweep.dir=some"]))
    assert done.status == 1
    assert re.search(r"[123] of 4 jobs failed: optimizer\.lr=-1", done.err)
    assert Path("some/optimization_results.yaml").exists()
    done = ended(start([*search, "optimizer.lr=choice(-1,-2)", "hydra.sweep.dir=none"]))
    assert done.status == 1
    assert "no job came to a value of sweep.metric" in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_for_the_sweep_reaches_jobs_in_other_processes(number: signal.Signals, workplace: Path) -> None:
    """Each saves a checkpoint."""
    arguments = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *LONG, "seed=0,1", "train.log_every=50"]
    process = start([*arguments, "train.steps=1000000", "hydra.sweep.dir=sweep"])
    wait_for(lambda: len(list(Path("sweep").glob("*/metrics.jsonl"))) == 2)
    wait_for(lambda: all(has_reported(job, 50)() for job in jobs_of(Path("sweep"))))
    process.send_signal(number)
    done = ended(process)
    assert done.status == 128 + number, done.err
    for job in jobs_of(Path("sweep")):
        assert summary(job)["status"] == "interrupted"
        state = torch.load(job / "checkpoints" / "last.pt", weights_only=True)
        assert state["step"] == summary(job)["step"] > 50


@pytest.mark.slow
def test_killed_worker_ends_the_sweep_in_one_line_that_names_the_lost_jobs(workplace: Path) -> None:
    arguments = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *LONG, "seed=0,1,2", "train.log_every=50"]
    process = start([*arguments, "train.steps=1000000", "hydra.sweep.dir=sweep"])
    wait_for(lambda: len(list(Path("sweep").glob("*/events.out.*"))) == 2)
    worker = trained_by(jobs_of(Path("sweep"))[0])[0]
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    done = ended(process)
    assert done.status == 1
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert "a job's process is gone" in line
    assert "Lost: 2 of 2 jobs that were started (seed=0; seed=1)" in line
    assert f"sweep.continue={Path('sweep').absolute()} continues" in line
    wait_for(lambda: not alive(process.pid))


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a cluster."""
    return fake_slurm.install(tmp_path / "slurm")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "submitit_slurm"])
def test_preempted_job_is_requeued_and_resumes_bitwise_equal_in_its_directory(
    launcher: str, gan_train: Command, slurm: dict[str, str], tmp_path: Path, workplace: Path
) -> None:
    arguments = [*LONG, "seed=0,1", "train.steps=1200", "train.log_every=50"]
    assert gan_train("-m", *arguments, "hydra.sweep.dir=whole").status == 0
    process = start([f"hydra/launcher={launcher}", *arguments, "hydra.sweep.dir=sweep"], slurm)
    first = Path("sweep") / jobs_of(Path("whole"))[0].name
    wait_for(has_reported(first, 100))
    (job,) = trained_by(first)
    os.kill(job, signal.SIGUSR2)
    done = ended(process)
    assert done.status == 0, done.err
    assert len(trained_by(first)) == 2
    assert "continuing from step" in (first / "train.log").read_text()
    assert_equal_runs(Path("sweep"), Path("whole"))
    if launcher == "submitit_slurm":
        assert fake_slurm.requeued(tmp_path / "slurm") == ["1_0"]
