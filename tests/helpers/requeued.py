"""``gan-train`` below a launcher whose signal handler requeues the job; the signal comes in the third step."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from gan_cli.cli import train
from gan_cli.protocols.callbacks import StepEvent
from gan_cli.telemetry.console import Progress


def requeue(number: int, frame: object) -> None:
    saved = sorted(path.name for path in Path("run/checkpoints").iterdir())
    print("requeue", saved, Path("run/summary.json").exists(), flush=True)
    sys.exit(75)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, requeue)
    on_step, steps = Progress.on_step, []

    def stepped(self: Progress, event: StepEvent) -> None:
        steps.append(0)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGUSR2)
        on_step(self, event)

    Progress.on_step = stepped  # type: ignore[method-assign]
    train.main()
