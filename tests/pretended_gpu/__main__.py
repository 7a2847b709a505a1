"""Run commands on the pretended device and print what was found, a line of JSON for each run.

``python -m tests.pretended_gpu NAME ...``: runs of these names (``runs.py``), all of them without a name.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.pretended_gpu.device import PretendedDevice, first_line, place
from tests.pretended_gpu.library import compiled

NOT_RECORDED = "steps run as they are, not recorded: "


@dataclass(frozen=True)
class Found:
    """What was found in a run.

    Attributes:
        name: of the run.
        errors: what went wrong; empty where nothing did.
        seconds: of processor time that it took.
    """

    name: str
    errors: list[str]
    seconds: float


def _programs() -> dict[str, Callable[[], object]]:
    from gan_cli.cli import evaluate, export, sample, train

    return {"gan-train": train.main, "gan-sample": sample.main, "gan-eval": evaluate.main, "gan-export": export.main}


def _call(program: Callable[[], object], arguments: tuple[str, ...], status: int, output: str) -> list[str]:
    """Run a command in this process; a message if it does not end with this status and print this output."""
    sys.argv[:] = list(arguments)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            program()
    except SystemExit as left:
        lines = printed.getvalue().strip().splitlines()
        eager = [line for line in lines if NOT_RECORDED in line]
        if eager:
            return eager
        if left.code != status:
            return [f"{arguments[0]}: exit status {left.code}, expected {status}: {' / '.join(lines[-5:])}"]
        return [] if output in printed.getvalue() else [f"{arguments[0]}: did not print {output!r}: {lines}"]
    except BaseException as error:
        if "PRETENDED_GPU_TRACE" in os.environ:
            traceback.print_exc()
        return [f"{arguments[0]}: {first_line(error)} at {place(error.__traceback__)}"]
    return [f"{arguments[0]}: returned without an exit status"]


def _differences(runs: tuple[str, ...]) -> list[str]:
    """Messages about what differs in the last checkpoints of two runs."""
    import torch

    states = [torch.load(f"{run}/checkpoints/last.pt", weights_only=True)["algorithm"] for run in runs]
    return [f"{' and '.join(runs)} differ in {path}" for path in _unequal(*states)] if states else []


def _unequal(first: object, second: object, path: str = "state") -> Iterator[str]:
    import torch

    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key, value in first.items():
            yield from _unequal(value, second[key], f"{path}.{key}")
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for index, value in enumerate(first):
            yield from _unequal(value, second[index], f"{path}.{index}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if not torch.equal(first, second):
            yield path
    elif first != second:
        yield path


@contextlib.contextmanager
def _updates_never_wait(device: PretendedDevice) -> Iterator[None]:
    """Let updates raise where the host waits for the device."""
    from gan_cli.training import loop

    train = loop.train

    def train_without_waits(algorithm: Any, *arguments: Any) -> int:
        update = algorithm.update

        def update_without_waits(step: int) -> None:
            with device.raising_on_waits():
                update(step)

        with mock.patch.object(algorithm, "update", update_without_waits):
            return train(algorithm, *arguments)

    with mock.patch.object(loop, "train", train_without_waits):
        yield


def _found(name: str, device: PretendedDevice, folder: Path) -> Found:
    """Run the commands of a run in a folder of their own."""
    from tests.pretended_gpu import runs

    folder.mkdir(parents=True)
    os.chdir(folder)
    run, programs, start = runs.run_of(name, folder), _programs(), time.process_time()
    errors: list[str] = []
    device.reports_waits = run.rehearsed
    with contextlib.ExitStack() as stack:
        if run.watched:
            stack.enter_context(_updates_never_wait(device))
        for command in run.commands:
            last = command is run.commands[-1]
            errors += _call(programs[command[0]], command, run.status if last else 0, run.output if last else "")
            if errors and not run.equal:
                break
    captures = device.take_captures()
    errors = [f"{first_line(error)} at {place(error.__traceback__)}" for error in captures.failures] or errors
    errors += device.take_faults()
    if bool(errors) is bool(run.error):
        errors += _differences(run.equal)
    if run.captured and not errors and not (captures.graphs and captures.replays):
        errors.append("no step was captured and replayed")
    return Found(name, errors, round(time.process_time() - start, 2))


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pretended_gpu", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of runs; -: as they come, one a line of standard input [all]"
    )
    parser.add_argument("--folder", type=Path, help="where they run [a temporary one]")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["GAN_DATA"] = str(folder / "data")
        device = PretendedDevice(compiled())
        from gan_cli.datasets.oracle import Oracle
        from tests.helpers.composition import composing_once
        from tests.helpers.oracles import remembered_entropy
        from tests.pretended_gpu import runs

        os.environ["GAN_PLUGINS"] = runs.MISTAKES
        stack.enter_context(composing_once())
        stack.enter_context(mock.patch.object(Oracle, "entropy", property(remembered_entropy)))
        gc.disable()  # each collection goes through all of torch: a tenth of the time
        lines = map(str.strip, iter(sys.stdin.readline, ""))
        names = lines if arguments.names == ["-"] else arguments.names or [*runs.names(), *runs.PLANTED]
        for index, name in enumerate(names):
            found = _found(name, device, folder / f"{os.getpid()}_{index}")
            print(json.dumps(asdict(found)), file=sys.__stdout__, flush=True)
        os.chdir("/")


if __name__ == "__main__":
    _main()
