"""A job of a sweep has a directory of its own, is found in any process, and leaves nothing behind for the next."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch

from gan_cli.sweeps.isolation import isolated_job
from gan_cli.sweeps.job import job
from gan_cli.sweeps.job_registry import JobIdentity, JobRegistry
from tests.conftest import TINY, Command
from tests.helpers.run_directories import read_summary
from tests.helpers.sweeps import jobs_of
from tests.soak.equality import figures, same

SMALL = (*TINY, "train.batch_size=4", "train.sample_count=4", "train.log_every=5", "train.sample_every=0")


@pytest.mark.locks
def test_jobs_of_one_name_that_begin_at_once_share_nothing(tmp_path: Path) -> None:
    code = "import sys, pathlib; from gan_cli.sweeps.job_registry import *; sweep = pathlib.Path(sys.argv[1]);"
    code += (
        " first = int(sys.argv[2]) * 50; identities = [JobIdentity.from_overrides(first + n, []) for n in range(50)];"
    )
    code += "[print(JobRegistry(sweep).register(identity, sweep / 'job', '').path) for identity in identities]"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    paths = [path for process in processes for path in process.communicate(timeout=60)[0].splitlines()]
    assert len(paths) == len(set(paths)) == 150


def test_registry_survives_a_line_that_was_cut_short(tmp_path: Path) -> None:
    registry = JobRegistry(tmp_path)
    entries = [
        registry.register(JobIdentity.from_overrides(number, ["seed=0"]), tmp_path / "seed=0", "seed=0")
        for number in range(2)
    ]
    with (registry.folder / "jobs.jsonl").open("a") as file:
        file.write('{"number": 2, "direc')
    assert registry.entries() == entries
    third = registry.register(JobIdentity.from_overrides(2, ["seed=0"]), tmp_path / "seed=0", "seed=0")
    assert registry.entries() == [*entries, third]
    assert [place.path.name for place in registry.entries()] == ["seed=0", "seed=0_1", "seed=0_2"]
    # Steps do not make it another job.
    assert (
        registry.register(JobIdentity.from_overrides(1, ["train.steps=9", "seed=0"]), tmp_path / "other", "")
        == entries[1]
    )


def test_job_is_found_by_its_name_in_another_process() -> None:
    pickled = cloudpickle.dumps(job)
    assert len(pickled) < 200, "it takes something of this process along"
    code = "import sys, pickle; print(pickle.loads(sys.stdin.buffer.read()), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, check=True)
    assert b"function job" in done.stdout
    assert b"False" in done.stdout


def test_a_job_leaves_no_switch_behind() -> None:
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    products, propagate = torch.get_float32_matmul_precision(), logging.getLogger("gan_cli").propagate
    os.environ["GAN_A"] = "a"
    with isolated_job():
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
        torch.set_num_threads(threads + 1)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("high")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.backends.cudnn.benchmark = True
        os.environ.pop("GAN_A")
        os.environ["GAN_B"] = "b"
        warnings.simplefilter("error", ResourceWarning)
        logging.getLogger("gan_cli").addHandler(logging.NullHandler())
        logging.getLogger("gan_cli").propagate = not propagate
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python
    assert (np.random.get_state()[1] == numpy).all()  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == products
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert not torch.backends.cudnn.benchmark
    assert os.environ.pop("GAN_A") == "a"
    assert "GAN_B" not in os.environ
    assert ("error", None, ResourceWarning, None, 0) not in warnings.filters
    assert not any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("gan_cli").handlers)
    assert logging.getLogger("gan_cli").propagate is propagate


LOUD = """# @package _global_
defaults:
  - override /architecture: maxout
  - override /dataset: ring8
  - override /loss/penalty: r1
architecture: {generator_hidden: [8], discriminator_hidden: [8]}
device: {deterministic: true, threads: 2, precision: bf16}
"""
QUIET = """# @package _global_
defaults:
  - override /architecture: dcgan
architecture: {width: 4}
"""


@pytest.mark.slow
def test_second_job_is_bitwise_equal_to_the_same_run_alone(workplace: Path) -> None:
    for name, content in (("loud", LOUD), ("quiet", QUIET)):
        (workplace / "conf" / "pair").mkdir(parents=True, exist_ok=True)
        (workplace / "conf" / "pair" / f"{name}.yaml").write_text(content)
    common = ["--config-dir", "conf", "train.steps=20", "train.batch_size=8", "train.log_every=5"]
    alone = [sys.executable, "-m", "gan_cli", *common, "+pair=quiet", "hydra.run.dir=alone"]
    both = [sys.executable, "-m", "gan_cli", "-m", *common, "+pair=loud,quiet", "hydra.sweep.dir=sweep"]
    for process in [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in (alone, both)]:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    loud, quiet = jobs_of(Path("sweep"))
    assert read_summary(loud)["device"] != read_summary(quiet)["device"]
    assert read_summary(quiet)["device"] == read_summary(Path("alone"))["device"]
    states = [torch.load(run / "checkpoints" / "last.pt", weights_only=True) for run in (quiet, Path("alone"))]
    same(states[0]["algorithm"], states[1]["algorithm"], "algorithm")
    assert figures(quiet) == figures(Path("alone"))


@pytest.mark.slow
def test_jobs_leave_no_files_open_and_no_threads_running(gan_train: Command, workplace: Path) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def sweep(jobs: int) -> None:
        seeds = ",".join(map(str, range(jobs)))
        arguments = (*SMALL, "train.steps=2", f"hydra.sweep.dir=sweep_{jobs}")
        assert gan_train("-m", f"seed={seeds}", *arguments).status == 0

    sweep(2)
    after_two = held()
    sweep(6)
    assert held() == after_two
