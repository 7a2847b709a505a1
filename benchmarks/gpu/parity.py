"""Step ``parity``: whole runs, recorded as CUDA graphs against eager, and resumed against never stopped."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu import processes
from benchmarks.gpu.setting import Setting, step_parser
from benchmarks.recipes import CONF_DIR
from gan_cli.config.compose import compose, register
from gan_cli.errors import UserError

AT_A_TIME = 7
LIMIT = 70.0
# Largest difference of a metric, as a share of its size or of 0.01, whichever is more.
TOLERANCE, FLOOR = 1e-2, 1e-2
# What a run measures of time, and what the tags of evaluations depend on beside it.
LEFT_OUT = ("step", "time")
LEFT_OUT_GROUPS = ("speed/", "metrics/")

FLOAT32 = ("device.precision=fp32", "device.tf32=false")
DCGAN = ("architecture=dcgan", "architecture.width=16", "train.batch_size=32")
RESNET = ("architecture=resnet", "architecture.width_g=16", "architecture.width_d=16")
R3GAN = ("architecture=r3gan", "architecture.width=32", "architecture.cardinality=4")
CONFIGURATIONS: Mapping[str, tuple[str, ...]] = {
    "digits": (),
    "wgan_warmup": ("loss=wgan", "loss.warmup.every=20", "loss.warmup.d_steps=9"),
    "dcgan_noise": (*DCGAN, "noise=linear", "loss.d_steps=2"),
    "wgan_gp": (*DCGAN, "loss=wgan_gp", "architecture.norm_d=none"),
    "r3gan_ada": (*R3GAN, "loss=r3gan", "augment=ada", "conditional=true", "train.batch_size=32"),
    "resnet": (*RESNET, "architecture.spectral_norm=true", "loss=hinge", "conditional=true", "train.batch_size=32"),
    "streamed_reuse": (*DCGAN, "device.data=streamed", "loss.reuse=true", "loss=rgan", "conditional=true"),
    "adaptive_skip": (*DCGAN, "noise=adaptive", "train.non_finite=skip"),
    "lazy_penalties": (*DCGAN, "architecture.norm_d=none", "loss/penalty=[r1,r2]", "loss.penalty.r1.every=4"),
    "ring8_pac": ("dataset=ring8", "pac=4"),
    "grid25_best": ("experiment=grid25_best",),
    "replicas": ("dataset=ring8", "train.replicas=8"),
}
RESUMED = ("wgan_warmup", "streamed_reuse", "r3gan_ada", "adaptive_skip")
TINY, TINY_RESUMED = ("digits", "ring8_pac"), ("adaptive_skip",)


def main() -> None:
    """Run the step, some runs at a time; or a single comparison, by its kind and configuration."""
    parser = step_parser(__doc__)
    parser.add_argument("only", nargs="*", metavar="KIND CONFIGURATION")
    arguments = parser.parse_args()
    setting = Setting.of(arguments)
    if arguments.only:
        compare(arguments.only[0], arguments.only[1], setting)
        return
    recorded, resumed = (TINY, TINY_RESUMED) if setting.tiny else (tuple(CONFIGURATIONS), RESUMED)
    jobs = [*(("recorded", name) for name in recorded), *(("resumed", name) for name in resumed)]
    with ThreadPoolExecutor(min(AT_A_TIME, os.cpu_count() or 1)) as pool:
        list(pool.map(lambda job: start(job[0], job[1], setting), jobs))


def start(kind: str, name: str, setting: Setting) -> None:
    """Make a comparison in a process of its own; a process that dies is a finding as well."""
    command = [sys.executable, "-m", "benchmarks.gpu.parity", *setting.arguments, kind, name]
    ended = processes.run(command, LIMIT * setting.patience, setting.out / "parity.log", own_group=False)
    if ended.status:
        setting.findings("parity").add(f"{kind}: {name}", False, error=ended.text)


def compare(kind: str, name: str, setting: Setting) -> None:
    """Train a configuration in both ways, and add how their metrics differ."""
    found = setting.findings("parity")
    with found.keep_error(f"{kind}: {name}"), tempfile.TemporaryDirectory() as folder:
        trained = {"recorded": recorded_and_eager, "resumed": whole_and_resumed}[kind](name, Path(folder), setting)
        difference = compare_metrics(*(read_metrics(run) for run in trained.folders))
        exact, wanted = difference.worst == 0.0, TOLERANCE if kind == "recorded" else 0.0
        right = difference.worst <= wanted and trained.fallback == "" and difference.count > 0
        found.add(f"{kind}: {name}", right, {**asdict(difference), "exact": exact, "fallback": trained.fallback})


@dataclass(frozen=True)
class Trained:
    """Two runs that are to be the same.

    Attributes:
        folders: of the runs.
        fallback: the line that says why steps were not recorded which should have been; empty where they were.
    """

    folders: tuple[Path, Path]
    fallback: str = ""


def recorded_and_eager(name: str, folder: Path, setting: Setting) -> Trained:
    """Train with and without CUDA graphs, in float32."""
    recorded, eager = folder / "recorded", folder / "eager"
    # On a CPU no step is recorded: a dry run compares eager runs.
    mode = "true" if setting.device == "cuda" else "null"
    overrides = (*CONFIGURATIONS[name], *FLOAT32, *cadence(setting))
    train(recorded, setting, *overrides, f"device.graph={mode}")
    train(eager, setting, *overrides, "device.graph=false")
    logs = (line for log in recorded.rglob("train.log") for line in log.read_text().splitlines())
    return Trained((recorded, eager), next((line for line in logs if "device.graph:" in line), ""))


def whole_and_resumed(name: str, folder: Path, setting: Setting) -> Trained:
    """Train in one piece, and in two."""
    whole, half = folder / "whole", folder / "half"
    overrides = (*CONFIGURATIONS[name], "device.deterministic=true", *cadence(setting))
    train(whole, setting, *overrides)
    train(half, setting, *overrides, f"train.steps={steps(setting) // 2}")
    resume(half, setting)
    return Trained((whole, half))


def steps(setting: Setting) -> int:
    """Return the number of steps of each run."""
    return setting.pick(60, 8)


def cadence(setting: Setting) -> tuple[str, ...]:
    """Return how many steps runs make, and what they write when."""
    count = steps(setting)
    cadences = (("log", count // 4), ("sample", count // 2), ("checkpoint", count // 2))
    every = tuple(f"train.{name}_every={number}" for name, number in cadences)
    return (f"train.steps={count}", *every, "train.sample_count=16")


def train(folder: Path, setting: Setting, *overrides: str) -> None:
    """Train a run, or replicas, in this process; raises ``UserError`` where it does not end well."""
    from gan_cli.training import replicas, single

    register()
    composition = compose([f"device={setting.device}", *overrides], CONF_DIR)
    status = (single.start if composition.replicas == 1 else replicas.start)(composition, folder)
    if status:
        raise UserError(f"exit status {status}")


def resume(folder: Path, setting: Setting) -> None:
    """Go on with a run to its full number of steps."""
    from gan_cli.config.resume import recompose
    from gan_cli.storage.run_directory import RunDirectory
    from gan_cli.training import single

    directory = RunDirectory(folder)
    overrides = [f"resume={folder}", f"train.steps={steps(setting)}"]
    status = single.resume(recompose(directory, overrides, CONF_DIR), directory)
    if status:
        raise UserError(f"exit status {status} of the resumed run")


Metrics = Mapping[tuple[str, int, str], float]


def read_metrics(folder: Path) -> Metrics:
    """Read all logged metrics but times: (run, step, tag) -> value."""
    found: dict[tuple[str, int, str], float] = {}
    for file in sorted(folder.rglob("metrics.jsonl")):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            for tag, value in values.items():
                if tag not in LEFT_OUT and not tag.startswith(LEFT_OUT_GROUPS) and isinstance(value, float):
                    found[str(file.parent.relative_to(folder)), values["step"], tag] = value
    return found


@dataclass(frozen=True)
class Difference:
    """Largest difference between the metrics of two runs.

    Attributes:
        worst: as a share of the metric's size or of :data:`FLOOR`; infinite where a metric is in one run only.
        place: tag and step.
        count: number of metrics that were compared.
    """

    worst: float
    place: str
    count: int


def compare_metrics(first: Metrics, second: Metrics) -> Difference:
    """Compare the metrics of two runs one by one."""
    lone = first.keys() ^ second.keys()
    if lone:
        return Difference(math.inf, f"{min(lone)[2]}, only in one run", len(first))
    worst = Difference(0.0, "", len(first))
    for key, value in first.items():
        off = relative_difference((value, second[key]))
        if off > worst.worst:
            worst = Difference(off, f"{key[2]} at step {key[1]}", len(first))
    return worst


def relative_difference(values: Sequence[float]) -> float:
    """Return the difference of two metrics as a share of the larger one; equal ones that are not finite differ by 0."""
    first, second = values
    if first == second or (math.isnan(first) and math.isnan(second)):
        return 0.0
    if not (math.isfinite(first) and math.isfinite(second)):
        return math.inf
    return abs(first - second) / max(abs(first), abs(second), FLOOR)


if __name__ == "__main__":
    main()
