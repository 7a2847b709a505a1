"""Measure training speed as ratios to the loop of the popular scripts, and start-up times: two tables in Markdown.

    python benchmarks/speed.py --data DIR
    make bench ARGS="--rows mlp_wgan --pairs 7"

A pair is a run of ``benchmarks/reference.py`` and one run of each variant of gan_cli, every other pair in reverse
order; each run is a process of its own and has the machine to itself. A ratio is taken within its pair, so that a
machine that slows down in between slows both. gan_cli's speed is that of its summary: real images over seconds of the
training loop, with what the recipe logs, samples and saves; the reference counts its loop likewise. Nothing else
may run meanwhile: threads of networks this small wait for each other, and beside a busy process that wait has made the
reference twenty times slower, and ratios far too good.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from benchmarks import start_up
from benchmarks.formatting import Spread, heading, row
from benchmarks.machine import cpu_facts, cpu_model
from benchmarks.recipes import CONFIG_DIR_FLAGS, ROOT
from gan_cli.runtime.cpu import supports_bf16_matmul

REFERENCE = "reference"
# Overrides of each variant of gan_cli.
VARIANTS: Mapping[str, tuple[str, ...]] = {"auto": (), "fp32": ("device.precision=fp32",)}
# Duration of a warm-up run, as a share of a measured one.
WARM_UP = 0.25
# From this load average on, other processes were busy in the minute before.
BUSY = 0.7
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
CPU_FLAGS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Row:
    """A comparison: the row of ``benchmarks/reference.py`` of the same name, and a recipe of gan_cli.

    Attributes:
        experiment: the recipe.
        images_per_step: real images that D sees in one of its steps.
        seconds: duration of each run, unless the command line says otherwise.
        goal: ratio that the variant auto is to reach on a processor that multiplies bf16 numbers.
        goal_without_bf16: the same on others, where auto computes in float32.
    """

    experiment: str
    images_per_step: int
    seconds: float
    goal: float
    goal_without_bf16: float

    def goal_of(self, variant: str, bf16: bool) -> float | None:
        """Return the ratio that a variant is to reach on a processor with bf16 products or without; None: any."""
        if variant != "auto":
            return None
        return self.goal if bf16 else self.goal_without_bf16

    def steps(self, speed: float, seconds: float) -> int:
        """Return the number of steps that take about ``seconds`` at a speed in images a second; 1 at least."""
        return max(1, round(speed * seconds / self.images_per_step))


ROWS: Mapping[str, Row] = {
    "mlp_wgan": Row("bench_mlp_wgan", 320, 10.0, goal=2.6, goal_without_bf16=2.2),
    "mlp_gan": Row("bench_mlp_gan", 64, 10.0, goal=2.3, goal_without_bf16=2.0),
    "dcgan64": Row("bench_dcgan64", 64, 30.0, goal=2.3, goal_without_bf16=1.2),
}
START_UP = "start_up"


# ---- Metrics


@dataclass(frozen=True)
class Speed:
    """Real images shown to D in one run, and seconds of its training loop."""

    images: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds


@dataclass(frozen=True)
class Pair:
    """Runs that are compared with each other; ``ours`` holds those of gan_cli by variant."""

    reference: Speed
    ours: Mapping[str, Speed]

    def ratio(self, variant: str) -> float:
        """Return the speed of a variant over that of the reference."""
        return self.ours[variant].images_per_second / self.reference.images_per_second


@dataclass(frozen=True)
class Comparison:
    """One line of the table of speeds, in images a second; ``ratio`` summarizes the ratios of the pairs."""

    row: str
    variant: str
    reference: Spread
    ours: Spread
    ratio: Spread
    goal: float | None

    @classmethod
    def of(cls, row: str, variant: str, pairs: Sequence[Pair]) -> Comparison:
        """Summarize the pairs of a row for one variant."""
        return cls(
            row,
            variant,
            reference=Spread.of(pair.reference.images_per_second for pair in pairs),
            ours=Spread.of(pair.ours[variant].images_per_second for pair in pairs),
            ratio=Spread.of(pair.ratio(variant) for pair in pairs),
            goal=ROWS[row].goal_of(variant, supports_bf16_matmul()),
        )

    def line(self) -> str:
        """Format the line in Markdown."""
        goal, met = ("", "") if self.goal is None else (f"{self.goal:g}", _met(self.ratio.median >= self.goal))
        cells = (self.row, self.variant, self.reference.text(0), self.ours.text(0), self.ratio.text(2), goal, met)
        return row(cells)


SPEEDS = ("row", "variant", "reference, images/s", "gan_cli, images/s", "ratio", "goal", "met")


def _met(met: bool) -> str:
    return "yes" if met else "no"


# ---- Runs


@dataclass(frozen=True)
class Bench:
    """Settings of the benchmark, and its measurements.

    Attributes:
        data: the data root.
        pairs: pairs of a row, and runs of a start-up command.
        seconds: duration of each run; None: that of its row.
    """

    data: Path
    pairs: int
    seconds: float | None

    def row(self, name: str) -> Iterator[Pair]:
        """Warm up, then measure pair by pair; the speed of a variant's latest run sets the steps of its next."""
        row = ROWS[name]
        seconds = row.seconds if self.seconds is None else self.seconds
        first = self.reference(name, WARM_UP * seconds)
        steps = row.steps(first.images_per_second, WARM_UP * seconds)
        latest = {variant: self.ours(row, variant, steps) for variant in VARIANTS}

        def measured(run: str) -> Speed:
            if run == REFERENCE:
                return self.reference(name, seconds)
            return self.ours(row, run, row.steps(latest[run].images_per_second, seconds))

        order = [REFERENCE, *VARIANTS]
        for _ in range(self.pairs):
            found = {run: measured(run) for run in order}
            reference = found.pop(REFERENCE)
            yield Pair(reference, found)
            latest = found
            order.reverse()

    def reference(self, name: str, seconds: float) -> Speed:
        """Time one run of the popular scripts' loop."""
        with tempfile.TemporaryDirectory() as folder:
            script = [str(ROOT / "benchmarks" / "reference.py"), name, "--seconds", str(seconds)]
            output = run_python(*script, "--data", str(self.data), "--out", folder)
        found = json.loads(output.splitlines()[-1])
        return Speed(found["images"], found["seconds"])

    def ours(self, row: Row, variant: str, steps: int) -> Speed:
        """Time one run of gan_cli."""
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            overrides = [f"train.steps={steps}", f"dataset.root={self.data}", "dataset.mirrors=[]", *VARIANTS[variant]]
            recipe = (*CONFIG_DIR_FLAGS, f"experiment={row.experiment}")
            run_python("-m", "gan_cli", *recipe, *overrides, f"hydra.run.dir={run}")
            summary = json.loads((run / "summary.json").read_text())
        return Speed(summary["images_seen"], summary["seconds"])


def run_python(*arguments: str) -> str:
    """Return what a Python process with this checkout's gan_cli prints; exit with its stderr if it fails."""
    command = [sys.executable, *arguments]
    # The reference computes on the CPU: neither sees a GPU, though no device is chosen for gan_cli.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"speed.py: exit status {done.returncode} of {shlex.join(command)}\n{done.stderr}")
    return done.stdout


# ---- The machine


@dataclass(frozen=True)
class Machine:
    """Machine, versions and date of a measurement.

    Attributes:
        cpu: model of the processor.
        cores: processors that this process may use.
        flags: whether the CPU has each of :data:`CPU_FLAGS`, its instructions for bf16.
        load: load average of the minute before.
        torch: version.
        day: date.
        command: the command line.
    """

    cpu: str
    cores: int
    flags: Mapping[str, bool]
    load: float
    torch: str
    day: str
    command: str

    @classmethod
    def current(cls) -> Machine:
        """Describe this machine now; imports no torch, whose threads and memory could disturb the runs."""
        known = cpu_facts().get("flags", "").split()
        return cls(
            cpu=cpu_model(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            flags={flag: flag in known for flag in CPU_FLAGS},
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
            torch=metadata.version("torch"),
            day=date.today().isoformat(),
            command=shlex.join(["python", "benchmarks/speed.py", *sys.argv[1:]]),
        )

    def text(self) -> str:
        """Format as two lines in Markdown, with a warning where the machine was not idle."""
        flags = ", ".join(f"{flag} {_met(has)}" for flag, has in self.flags.items())
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        machine = f"{self.cpu}, {cores} ({flags}), load {self.load:.1f} at the start"
        warning = "" if self.load < BUSY else "\n\n**Other processes were at work: not to be quoted.**"
        return f"{machine}; torch {self.torch}; {self.day}.  \n`{self.command}`{warning}"


# ---- The command


def missing_data(root: Path) -> str | None:
    """Name the missing files of MNIST below a data root in one line; None if it is complete."""
    folder = root / "mnist"
    missing = [file for file in FILES if not ((folder / file).exists() or (folder / f"{file}.gz").exists())]
    if not missing:
        return None
    return f"{folder}: no {' and no '.join(f'{file}[.gz]' for file in missing)}; --data DIR names the data root\n"


def main() -> None:
    """Run the command: measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rows = [*ROWS, START_UP]
    parser.add_argument("--rows", nargs="+", choices=rows, default=rows, metavar="ROW", help=", ".join(rows))
    parser.add_argument("--pairs", type=int, default=5, help="pairs a row, and runs of each start-up command")
    parser.add_argument("--seconds", type=float, help="of each run; by default 10 or 30, as the row needs")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GAN_DATA", "~/.cache/gan_cli")))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every measurement there")
    arguments = parser.parse_args()
    if arguments.pairs < 1 or (arguments.seconds is not None and arguments.seconds <= 0):
        parser.error("--pairs has to be at least 1, and --seconds more than 0")
    compared = [row for row in ROWS if row in arguments.rows]
    bench = Bench(arguments.data.expanduser().absolute(), arguments.pairs, arguments.seconds)
    problem = missing_data(bench.data) if compared else None
    if problem:
        parser.exit(3, f"{parser.prog}: {problem}")

    machine = Machine.current()
    print(machine.text())
    speeds: dict[str, list[Pair]] = {}
    starts: Mapping[str, Sequence[start_up.Times]] = {}
    if compared:
        print(f"\n{heading(SPEEDS)}", flush=True)
    for name in compared:
        speeds[name] = list(bench.row(name))
        for variant in VARIANTS:
            print(Comparison.of(name, variant, speeds[name]).line(), flush=True)
    if START_UP in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            starts = start_up.measure(list(start_up.COMMANDS), bench.pairs, Path(folder))
        print(f"\n{start_up.table(starts)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report(machine, speeds, starts), indent=2) + "\n")


def report(
    machine: Machine, speeds: Mapping[str, Sequence[Pair]], starts: Mapping[str, Sequence[start_up.Times]]
) -> dict[str, dict[str, object]]:
    """Return all measurements as plain values: the machine, each pair and each line of the tables."""
    compared = {
        name: {
            "pairs": [asdict(pair) for pair in pairs],
            "variants": {variant: asdict(Comparison.of(name, variant, pairs)) for variant in VARIANTS},
        }
        for name, pairs in speeds.items()
    }
    return {
        "machine": asdict(machine),
        "speeds": compared,
        "start_up": {name: [asdict(each) for each in times] for name, times in starts.items()},
    }


if __name__ == "__main__":
    main()
