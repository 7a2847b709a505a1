"""A trace of a few steps, operation by operation, for Perfetto, chrome://tracing or TensorBoard's trace viewer."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from torch.profiler import profile, record_function

from gan_cli.bench.trial import Trial
from gan_cli.bench.watches import Switch
from gan_cli.storage.files import writing

STEPS = 3


def write(trial: Trial, switch: Switch, path: Path) -> None:
    """Trace steps with their parts as ranges, into ``path``: gzipped where its name ends in .gz.

    Raises:
        OutputError: the file cannot be written.
    """
    with switch.to(record_function), profile() as profiler:
        for _ in range(STEPS):
            with record_function("step"):
                trial.advance(1)
        trial.synchronise()
    # The profiler's own writer reports a failure on stderr alone.
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        written = Path(scratch) / f"trace{'.json.gz' if path.suffix == '.gz' else '.json'}"
        profiler.export_chrome_trace(str(written))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(written, path)
