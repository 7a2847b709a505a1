"""Runs of several processes, started as a user does: with torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gan_cli.config.compose import compose, register
from gan_cli.runtime import distributed
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.training import builder, planning
from tests.helpers.paths import ROOT

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def start_together(count: int, *what: str, flags: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """``torchrun --standalone --nproc-per-node=N -m ...`` in a session of its own."""
    command = [*TORCHRUN, f"--nproc-per-node={count}", *flags, "-m", *what]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def run_together(count: int, *what: str, flags: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit status of torchrun, and all that was said."""
    process = start_together(count, *what, flags=flags)
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


# What several processes have to make of a batch as one does: all that draws, or looks at more than a sample.
GAMES = {
    "points": ["dataset=ring8", "architecture=mlp_small", "optimizer.lr=2e-4"],
    "wgan": ["dataset=ring8", "architecture=mlp_small", "loss=wgan", "optimizer.lr=5e-5"],
    "gradient penalty": ["dataset=ring8", "architecture=mlp_small", "loss=wgan_gp", "optimizer.lr=1e-4"],
    "relativistic, packed": ["dataset=ring8", "architecture=mlp_small", "loss=rgan", "pac=2", "optimizer.lr=5e-5"],
    "images, noise, augmentation": ["architecture=mlp_small", "noise=adaptive", "augment=ada", "loss=hinge"],
    "labels, streamed": ["architecture=mlp_small", "conditional=true", "device.data=streamed", "loss/penalty=r1"],
    "micro-batches, gradient penalty, noise": [
        *("dataset=ring8", "architecture=mlp_small", "loss=wgan_gp", "noise=constant", "optimizer.lr=1e-4"),
        "train.micro_batch=8",
    ],
    "batch norm over all": ["device.sync_batch_norm=true", "architecture=dcgan", "architecture.width=8"],
    "batch norm, penalty": [
        "device.sync_batch_norm=true",
        "architecture=dcgan",
        "architecture.width=8",
        "architecture.norm_d=batch",
        "loss=wgan_gp",
    ],
}
STEPS = 2


def figures(overrides: list[str], group: ProcessGroup) -> dict[str, float]:
    """What a few steps of a game come to."""
    config = compose([*overrides, "train.batch_size=32", "device.precision=fp32", "diagnostics.every=0"]).config
    algorithm = builder.assemble(planning.plan(config), group=group)
    for step in range(STEPS):
        algorithm.update(step)
    scalars = algorithm.report().scalars
    algorithm.close()
    return {tag: value for tag, value in scalars.items() if not tag.startswith("speed/")}


if __name__ == "__main__":
    register()
    with distributed.process_group() as together:
        found = {name: figures(overrides, together) for name, overrides in GAMES.items()}
        if together.rank == 0:
            Path(sys.argv[1]).write_text(json.dumps(found))
