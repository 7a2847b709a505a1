"""Step ``memory``: memory of the device and of the host over 10,000 steps, with reports and snapshots on the way."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu import runs
from benchmarks.gpu.findings import Findings
from benchmarks.gpu.setting import Setting, step_parser
from gan_cli.storage.snapshot import snapshot

# Steps between two reports, two snapshots, and two readings.
REPORT, SNAPSHOT, READING = 50, 500, 250
# MiB from the first fifth of the steps to the end, by a line through all readings.
MOST_DEVICE, MOST_HOST = 0.5, 5.0
ROWS = {
    "ring8": ("dataset=ring8", "train.batch_size=64"),
    "dcgan, ada": ("architecture=dcgan", "architecture.width=8", "train.batch_size=16", "augment=ada"),
}


@dataclass(frozen=True)
class Reading:
    """Memory after a number of steps, in MiB.

    Attributes:
        step: number of steps.
        resident: of the process on the host.
        allocated: of tensors on the device.
        reserved: of the device, by torch.
    """

    step: int
    resident: float
    allocated: float
    reserved: float

    @classmethod
    def take(cls, step: int, setting: Setting) -> Reading:
        """Read the memory of this process."""
        runs.synchronize()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        if setting.device == "cpu":
            return cls(step, resident, 0.0, 0.0)
        return cls(step, resident, torch.cuda.memory_allocated() / 2**20, torch.cuda.memory_reserved() / 2**20)


def growth(readings: list[Reading], what: str) -> float:
    """Return the MiB by which memory has grown from the first fifth of the steps to the end, by a fitted line."""
    late = [reading for reading in readings if reading.step >= readings[-1].step / 5]
    at = np.array([reading.step for reading in late], np.float64)
    slope = np.polyfit(at, [getattr(reading, what) for reading in late], 1)[0]
    return float(slope * (at[-1] - at[0]))


def measure(name: str, setting: Setting, found: Findings) -> None:
    """Train a configuration, and add how its memory has grown."""
    algorithm, readings = runs.assemble(setting, *ROWS[name], f"train.log_every={REPORT}"), []
    for step in range(1, setting.pick(10_000, 4 * READING) + 1):
        algorithm.update(step - 1)
        if step % REPORT == 0:
            algorithm.report()
        if step % SNAPSHOT == 0:
            snapshot(algorithm.state_dict()).state()
        if step % READING == 0:
            readings.append(Reading.take(step, setting))
    grown = {what: round(growth(readings, what), 3) for what in ("resident", "allocated", "reserved")}
    right = grown["resident"] <= MOST_HOST and max(grown["allocated"], grown["reserved"]) <= MOST_DEVICE
    found.add(name, right, {"steps": readings[-1].step, "grown_mib": grown})


def main() -> None:
    """Run the step."""
    setting = Setting.of(step_parser(__doc__).parse_args())
    found = setting.findings("memory")
    for name in list(ROWS)[: setting.pick(len(ROWS), 1)]:
        with found.keep_error(name):
            measure(name, setting, found)


if __name__ == "__main__":
    main()
