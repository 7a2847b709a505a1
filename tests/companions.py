"""Runs of several processes, started as a user does: with torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def start_together(processes: int, *overrides: str, flags: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """``torchrun --standalone --nproc-per-node=N -m gan_cli ...`` in a session of its own."""
    command = [*TORCHRUN, f"--nproc-per-node={processes}", *flags, "-m", "gan_cli", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def train_together(processes: int, *overrides: str) -> tuple[int, str]:
    """Exit status of torchrun and what was said."""
    process = start_together(processes, *overrides)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err
