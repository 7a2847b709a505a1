"""Sweeps: their command lines, checked and composed as Hydra does it before the first job, and their registry."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gan_cli.cli import train
from gan_cli.errors import ConfigError
from gan_cli.sweeps.command import Command, continuation_arguments
from gan_cli.sweeps.job_registry import JobIdentity, JobRegistry
from gan_cli.sweeps.job_status import job_status
from tests.fuzz import strategies

Draw = strategies.Draw

NUMBERS = st.one_of(
    st.integers(-3, 12).map(str),
    st.sampled_from(["0", "1e400", "nan", "inf", "-inf", "1e-400", "1000000000000", "9" * 30, "0.1", "true", "x", ""]),
)
LISTS = st.lists(NUMBERS | st.sampled_from(["a", "[1,2]", "{a:1}", "'x y'", "null"]), max_size=4).map(",".join)
CALLS: Draw = st.builds(
    lambda name, arguments: f"{name}({arguments})",
    st.sampled_from(["range", "choice", "interval", "glob", "shuffle", "sort", "int", "float", "str", "tag"]),
    st.one_of(st.lists(NUMBERS, max_size=4).map(",".join), LISTS, st.just("*")),
)
NESTED: Draw = st.builds(
    lambda name, inner: f"{name}({inner})",
    st.sampled_from(["shuffle", "sort", "tag", "int", "choice", "tag(log,"]),
    CALLS,
)
SWEPT: Draw = st.one_of(
    CALLS, NESTED, LISTS, st.sampled_from(["jsd,wgan", "${hydra:job.num}", "${seed}", "${oc.env:NO}"])
)
TASK: Draw = st.builds(
    lambda key, value: f"{key}={value}",
    st.sampled_from(
        ["seed", "loss", "optimizer.lr", "train.steps", "loss.penalty.gradient.weight", "loss/penalty", "x.y"]
    ),
    SWEPT,
)
HYDRA_KEYS = (
    *(f"hydra.launcher.{name}" for name in ("n_jobs", "batch_size", "pre_dispatch", "timeout", "max_nbytes", "verbose",
                                            "timeout_min", "cpus_per_task", "nodes", "mem_gb", "_target_", "")),
    *(f"hydra.sweeper.{name}" for name in ("max_batch_size", "params", "n_trials", "n_jobs", "direction", "storage",
                                           "max_failure_rate", "study_name", "search_space", "sampler", "sampler.seed",
                                           "sampler.n_startup_trials", "_target_", "")),
    "hydra.sweep.dir", "hydra.sweep.subdir", "+hydra.sweeper.params.seed", "hydra.launcher", "hydra.sweeper", "hydra.mode",
)  # fmt: skip
HYDRA: Draw = st.builds(
    lambda key, value: f"{key}={value}",
    st.sampled_from(HYDRA_KEYS),
    st.one_of(
        NUMBERS, LISTS, CALLS, st.sampled_from(["null", "x", "{a:1}", "[minimize]", "sqlite:////proc/x", "???", "${x}"])
    ),
)
CHOSEN: Draw = st.sampled_from([(), (), ("hydra/launcher=joblib",), ("hydra/launcher=submitit_local",),
                                ("hydra/sweeper=optuna", "sweep.metric=divergence/jsd"), ("sweep=noise",)])  # fmt: skip
COMMANDS: Draw = st.tuples(CHOSEN, st.lists(TASK, max_size=3), st.lists(HYDRA, max_size=2)).map(
    lambda parts: [item for part in parts for item in part]
)


class EnoughError(BaseException):
    """Raised in the place of the launch of jobs."""


def _launch(*arguments: object, **options: object) -> None:
    raise EnoughError


def check_command(overrides: list[str]) -> None:
    """Check a sweep, with all that happens before a job is launched."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import LocalLauncher

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(EnoughError):
        for launcher in (BasicLauncher, JoblibLauncher, LocalLauncher):
            patch.setattr(launcher, "launch", _launch)
        patch.setattr(sys, "argv", ["gan-train", "-m", "dry_run=true", *overrides])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as message:
            try:
                train.main()
            except SystemExit as left:
                lines = message.getvalue().strip().splitlines()
                assert left.code in (0, 2), (left.code, lines)
                assert len([line for line in lines if line.startswith("gan-train: ")]) <= 1, lines
                assert "Traceback" not in message.getvalue()


ENTRIES: Draw = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "number": st.integers(0, 3) | strategies.VALUES,
            "directory": st.sampled_from(["job", "../job", "/tmp", "", ".", "a/../..", "a\0b", "job\n"])
            | strategies.VALUES,
            "label": strategies.VALUES,
            "overrides": st.just(["seed=0"]) | strategies.VALUES,
        },
    ).map(strategies.json_text),
    strategies.LINES,
)
STORED: Draw = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "task": st.lists(TASK | st.text(max_size=9), max_size=3) | strategies.VALUES,
            "hydra": st.lists(HYDRA | st.just("hydra.callbacks.x._target_=os.mkdir"), max_size=2) | strategies.VALUES,
        },
    ).map(strategies.json_text),
    strategies.LINES,
)
FILES: Draw = st.sampled_from(["file", "file", "file", "file", "fifo", "folder", "sparse"])
REGISTRIES: Draw = st.tuples(st.lists(ENTRIES, max_size=4).map("\n".join), FILES, STORED, FILES)


def _make(path: Path, kind: str, text: str) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text(text, errors="surrogatepass", encoding="utf-8")
        if kind == "sparse":
            os.truncate(path, 2**36)


def read_registry(drawn: tuple[str, str, str, str]) -> None:
    """Read a registry and a stored command of unknown origin, and enter a job."""
    lines, kind, command, command_kind = drawn
    shutil.rmtree("sweep", ignore_errors=True)
    sweep = Path("sweep").absolute()
    registry = JobRegistry(sweep)
    registry.folder.mkdir(parents=True)
    _make(registry.folder / "jobs.jsonl", kind, lines)
    _make(registry.folder / "command.json", command_kind, command)
    with contextlib.suppress(ConfigError):
        arguments = continuation_arguments(sweep, [])
        assert not any("_target_" in item for item in arguments)
    with contextlib.suppress(ConfigError):
        Command.from_sweep(sweep)
    for entry in registry.entries():
        assert entry.path.is_relative_to(sweep)
        assert entry.path != sweep
        job_status(entry.path)
    entry = registry.register(JobIdentity.from_overrides(9, ["seed=9"]), sweep / "job", "seed=9")
    assert registry.entries()[-1] == entry


KINDS = {"sweep command lines": (COMMANDS, check_command), "job registry": (REGISTRIES, read_registry)}
