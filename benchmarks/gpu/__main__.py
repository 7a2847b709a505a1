"""Run the steps one after the other within a budget, and summarize what was found: ``python -m benchmarks.gpu``.

    python -m benchmarks.gpu                              # on a machine with a GPU: all steps in 470 s
    python -m benchmarks.gpu --only speed_dcgan --out OUT # some of them; results are added to those of OUT
    python -m benchmarks.gpu --dry                        # on the CPU, in tiny sizes: does everything run
    python -m benchmarks.gpu --write-page OUT             # put the summary of results into docs/performance.md

Every step is a process of its own with a time limit; its findings are in ``OUT/results.jsonl`` as they come, what it
prints is in ``OUT/<step>.log``, and ``OUT/summary.md`` is written anew after each step.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
import time
from datetime import date
from pathlib import Path

from benchmarks.gpu import findings, page, processes, summary
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.steps import Budget, Step, choose, environment
from benchmarks.recipes import ROOT
from gan_cli.errors import ConfigError, UserError

BUDGET = 470.0
# A CPU takes longer for tiny sizes than a GPU for full ones.
PATIENCE_OF_A_CPU = 4.0
OUT, OUT_TINY = Path("outputs/gpu"), Path("outputs/gpu_tiny")
PAGE = ROOT / "docs" / "performance.md"
# Modules that the steps import, beside those of the standard library.
NEEDED = ("torch", "hydra", "omegaconf", "tensorboard", "PIL", "numpy", "scipy", "sklearn", "pooch", "tqdm", "jinja2")
NEEDED_TOO = ("nltk", "pytest")


def main() -> None:
    """Run the command; exit status 0 whatever was found, 2 where nothing can be run."""
    arguments = _parser().parse_args()
    try:
        if arguments.write_page is not None:
            write_page(arguments.write_page, arguments.page)
        else:
            run_steps(arguments)
    except UserError as error:
        print(f"python -m benchmarks.gpu: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=BUDGET, metavar="SECONDS", help=f"in all [{BUDGET:g}]")
    parser.add_argument("--only", nargs="+", metavar="STEP", help="steps; default: all")
    parser.add_argument("--out", type=Path, help=f"folder of the results [{OUT}; in tiny sizes {OUT_TINY}]")
    parser.add_argument("--dry", action="store_true", help="on the CPU, in tiny sizes")
    parser.add_argument("--tiny", action="store_true", help="in tiny sizes on the GPU, too")
    parser.add_argument("--patience", type=float, metavar="FACTOR", help="on the time limits of steps [1; dry: 4]")
    parser.add_argument("--write-page", type=Path, metavar="OUT", help="only put these results into the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page [docs/performance.md]")
    return parser


def run_steps(arguments: argparse.Namespace) -> None:
    """Run the chosen steps, and write and print the summary."""
    start = time.monotonic()
    chosen = choose(arguments.only)
    for name in ("budget", "patience"):
        if getattr(arguments, name) is not None and not getattr(arguments, name) > 0:
            raise ConfigError(f"--{name}: expected a number > 0, got {getattr(arguments, name):g}")
    require_packages()
    if not arguments.dry:
        require_gpu()
    setting = setting_of(arguments)
    require_sizes(setting)
    budget = Budget(arguments.budget, setting.patience)
    setting.out.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]])
    invocation = {"command": command, "day": date.today().isoformat(), "tiny": setting.tiny}
    setting.findings("invocation").add("machine", values=invocation)
    for step in chosen:
        run_step(step, budget, start, setting)
        (setting.out / "summary.md").write_text(summary.summary(findings.read(setting.out)))
    print((setting.out / "summary.md").read_text())


def setting_of(arguments: argparse.Namespace) -> Setting:
    """Return where the steps compute, and in which sizes."""
    device, tiny = ("cpu", True) if arguments.dry else ("cuda", arguments.tiny)
    patience = arguments.patience or (PATIENCE_OF_A_CPU if arguments.dry else 1.0)
    out = arguments.out or (OUT_TINY if tiny else OUT)
    return Setting(out.absolute(), device, tiny, patience)


def require_sizes(setting: Setting) -> None:
    """Raise ``ConfigError`` where the folder has results of other sizes, which no summary may mix."""
    earlier = findings.read(setting.out).get(("invocation", "machine"))
    if earlier is not None and earlier.values["tiny"] != setting.tiny:
        sizes = "full" if setting.tiny else "tiny"
        raise ConfigError(f"--out: {setting.out} has results of {sizes} sizes; choose another folder")


def run_step(step: Step, budget: Budget, start: float, setting: Setting) -> None:
    """Run a step, unless there is no time for it; how it ended is a finding."""
    ends, limit = setting.findings("steps"), budget.limit(step, time.monotonic() - start)
    if limit is None:
        ends.add(step.name, False, {"status": "left out for want of time"})
        return
    print(f"--- {step.name}: {step.question} (at most {limit:.0f} s)", flush=True)
    ended = processes.run(
        step.command(sys.executable, setting.arguments),
        limit,
        setting.out / f"{step.name}.log",
        environment(os.environ, str(setting.out / "data"), str(ROOT)),
    )
    ends.add(step.name, ended.status == 0, {"status": ended.text, "seconds": round(ended.seconds, 1)})


def require_packages() -> None:
    """Raise ``ConfigError`` where a package is missing that the steps import."""
    missing = [name for name in (*NEEDED, *NEEDED_TOO) if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{sys.executable} has no {', '.join(missing)}; without a network: python -m benchmarks.gpu.wheels"
            " elsewhere collects what to install"
        )


def require_gpu() -> None:
    """Raise ``ConfigError`` where torch sees no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(
            f"torch {torch.__version__} sees no CUDA device here; --dry tries everything on the CPU, in tiny sizes"
        )


def write_page(folder: Path, target: Path) -> None:
    """Put the summary of results into the page, between its markers.

    Raises:
        ConfigError: there are no results in the folder, or they are those of tiny sizes.
    """
    found = findings.read(folder)
    if not found:
        raise ConfigError(f"--write-page: no {findings.RESULTS} in {folder}")
    if found["invocation", "machine"].values["tiny"]:
        raise ConfigError(
            f"--write-page: the results in {folder} are of tiny sizes (--dry, --tiny), which mean nothing"
        )
    target.write_text(page.with_section(target.read_text(), summary.section(found)))
    print(target)


if __name__ == "__main__":
    main()
