"""A run whose memory runs out ends with one line that names the largest micro-batch that fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gan_cli.algorithms.autoencoders.base import AutoencoderTrainer
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.training import out_of_memory
from gan_cli.training.out_of_memory import largest_fitting
from tests.conftest import SHORT, TINY, Command
from tests.helpers.paths import ROOT

ALLOCATION = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
# A process with the address space that it has after its imports, and some megabytes more.
LIMITED = """
import resource, sys
from pathlib import Path
import torch
import gan_cli.evaluation.factory, gan_cli.training.single
from gan_cli.cli import train
torch.set_num_threads(1)
torch.randn(64, 64) @ torch.randn(64, 64)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
train.main()
"""


def limit_samples(most: int, monkeypatch: pytest.MonkeyPatch, error: type[Exception] = RuntimeError) -> None:
    """Let updates of more samples at once than these fail, from the second step on."""
    for family in (GANTrainer, AutoencoderTrainer):
        update = family.update

        def limited(self, step, update=update):  # type: ignore[no-untyped-def]
            update(self, step)
            if step and self.context.samples_at_once > most:
                raise error(ALLOCATION)

        monkeypatch.setattr(family, "update", limited)


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError, MemoryError])
def test_message_names_the_largest_half_that_fits(
    error: type[Exception], gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_samples(5, monkeypatch, error)
    done = gan_train(*TINY, *SHORT, "train.steps=3", "train.batch_size=48", "hydra.run.dir=run")
    assert done.status == 2
    *_, looking, last = done.err.splitlines()
    assert looking == "out of memory: looking for a micro-batch that fits"
    assert last == f"gan-train: not enough memory for these sizes: {ALLOCATION}; train.micro_batch=3 would fit"
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("failed", 1)
    assert [path.name for path in workplace.iterdir()] == ["run"], "a probe writes nothing"


def test_run_goes_on_with_a_micro_batch(gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as limited:
        limit_samples(4, limited)
        command = (*TINY, *SHORT, "train.batch_size=8", "train.steps=3", "train.checkpoint_every=1")
        assert gan_train(*command, "hydra.run.dir=run").status == 2
        resumed = gan_train("resume=run")
        assert resumed.status == 2
        assert resumed.err.endswith("; train.micro_batch=4 would fit\n")
        assert gan_train("resume=run", "train.micro_batch=4").status == 0
    assert json.loads(Path("run/summary.json").read_text())["status"] == "completed"


@pytest.mark.parametrize(
    ("most", "overrides", "end"),
    [
        (0, (), f"{ALLOCATION}; smaller micro-batches do not fit either"),
        (1, ("train.micro_batch=4",), "; train.micro_batch=1 would fit"),
        (7, ("pac=4",), "; train.micro_batch=4 would fit"),
        (7, ("loss/top_k=exponential",), ALLOCATION),
    ],
)
def test_message_without_a_smaller_micro_batch_promises_none(
    most: int, overrides: tuple[str, ...], end: str, gan_train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_samples(most, monkeypatch)
    done = gan_train("dataset=ring8", *TINY, *SHORT, "train.batch_size=8", "architecture.norm_g=none", *overrides)
    assert done.status == 2
    assert done.err.splitlines()[-1].endswith(end)


def test_other_errors_stay_what_they_are(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: GANTrainer, step: int) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(GANTrainer, "update", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        gan_train(*TINY, *SHORT)


def test_processes_look_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_memory.torchrun, "is_distributed", lambda: True)
    register()
    assert "divides a process's samples" in out_of_memory._advice(compose([*TINY, *SHORT]).config)


def test_families_without_micro_batches_cannot_be_probed(workplace: Path) -> None:
    register()
    with pytest.raises(ConfigError, match="SeqGAN"):
        largest_fitting(compose(["algorithm=seqgan", "dataset=oracle"]).config)


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of a process")
def test_memory_that_really_runs_out(tmp_path: Path) -> None:
    wide = ("architecture.generator_hidden=[1024,1024]", "architecture.discriminator_hidden=[1024,1024]")
    command = ("architecture=mlp", *wide, "device=cpu", "device.threads=1", "device.precision=fp32")
    size = ("train.batch_size=1024", "train.steps=2", "train.sample_every=0", "diagnostics.every=0")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "140", "dataset=digits", *command, *size, "hydra.run.dir=run"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("gan-train: not enough memory for these sizes: ")
    assert "; train.micro_batch=" in last
    fitting = int(last.rpartition("=")[2].split()[0])
    assert fitting in (512, 256, 128, 64)
