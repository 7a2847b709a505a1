"""Compare a step with its limit, and show where its time goes: product by product and operator by operator.

    python benchmarks/limit.py experiment=bench_mlp_wgan device.precision=fp32 device.threads=2

The limit is that of ``gan-bench`` (``gan_cli/bench/limit.py``): the same matrix products and convolutions, and the
bytes of weights and their state, measured in turns with the steps. Takes the overrides of ``gan-train``; the recipes
in ``benchmarks/conf`` are known too. Nothing else may run meanwhile.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.formatting import heading, row
from benchmarks.machine import cpu_model
from benchmarks.openmp import restart_with_settings
from benchmarks.recipes import CONF_DIR
from gan_cli.bench import benchmark, limit, profiling, recording
from gan_cli.bench.profiling import OperatorTimes
from gan_cli.bench.recording import Operand, Product, StateUpdate
from gan_cli.bench.results import Limit
from gan_cli.config.compose import compose, register
from gan_cli.telemetry import run_log

# Operators with a smaller share of a step are summed.
SMALLEST_SHARE = 0.005
OTHERS, OUTSIDE = "other operators", "outside operators: Python"
PERIODS = 20


@dataclass(frozen=True)
class ProductTime:
    """Time of products of one kind, or of all updates of state, in a step.

    Attributes:
        what: operator and shapes.
        way: the call that was the fastest.
        count: in a step.
        flops: of all of them in a step.
        milliseconds: of all of them in a step.
    """

    what: str
    way: str
    count: float
    flops: float
    milliseconds: float

    def line(self) -> str:
        """Format the line in Markdown."""
        rate = f"{self.flops / self.milliseconds / 1e6:,.0f}" if self.flops else ""
        return row(
            (self.what, self.way, f"{self.count:g}", f"{self.flops / 1e6:,.1f}", f"{self.milliseconds:.3f}", rate)
        )


def product_times(minimal: limit.MinimalSteps, periods: int) -> list[ProductTime]:
    """Measure the products of a period one by one, and sum those of one kind; the longest first."""
    recorded = minimal.recording
    seconds = minimal.time_events(periods)
    ways = iter(minimal.ways)
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for event, elapsed in zip(recorded.events, seconds, strict=True):
        what, flops = ("updates of state", 0) if isinstance(event, StateUpdate) else (described(event), event.flops)
        way = "" if isinstance(event, StateUpdate) else next(ways)
        sums[what, way] = [total + more for total, more in zip(sums[what, way], (1, flops, 1e3 * elapsed), strict=True)]
    found = [
        ProductTime(what, way, *(total / recorded.steps for total in totals)) for (what, way), totals in sums.items()
    ]
    return sorted(found, key=lambda each: -each.milliseconds)


def described(product: Product) -> str:
    """Return operator and shapes of a product."""
    return f"{product.op.overloadpacket.__name__} {', '.join(_shapes(product))}"


def _shapes(product: Product) -> Iterator[str]:
    for value in product.args:
        if isinstance(value, Operand) and len(value.shape) > 1:
            # A transposed operand is read along its columns.
            transposed = "T" if len(value.shape) == 2 and value.strides[0] == 1 != value.shape[0] else ""
            yield "x".join(map(str, value.shape)) + transposed


def operator_lines(profiled: OperatorTimes) -> list[tuple[str, float]]:
    """Return the time of a profiled step by operator; short ones are summed, and the rest of the step is Python's."""
    step, milliseconds = profiled.step_milliseconds, profiled.milliseconds
    long = [(name, time) for name, time in milliseconds.items() if time >= SMALLEST_SHARE * step]
    total = sum(milliseconds.values())
    return [*long, (OTHERS, total - sum(time for _, time in long)), (OUTSIDE, step - total)]


def tables(measured: Limit, products: Sequence[ProductTime], operators: Sequence[tuple[str, float]]) -> str:
    """Format three tables in Markdown: the share, the limit by product, the step by operator."""
    share, step = measured.share, measured.step_milliseconds
    profiled = sum(time for _, time in operators)
    moved = (measured.bytes_read + measured.bytes_written) / 1e6
    blocks = (
        [
            heading(("products a step", "MB of state", "limit, ms", "step, ms", "share of the limit")),
            row(
                (
                    f"{measured.products:g}",
                    f"{moved:.1f}",
                    f"{measured.milliseconds.median:.2f}",
                    f"{step.median:.2f} ({step.least:.2f} to {step.most:.2f})",
                    f"{share.median:.1%} ({share.lower:.1%} to {share.upper:.1%})",
                )
            ),
        ],
        [
            heading(("of the limit", "by", "a step", "MFLOP", "ms", "GFLOP/s")),
            *(each.line() for each in products),
        ],
        [
            heading(("of a profiled step", "ms", "share")),
            *(row((name, f"{time:.3f}", f"{time / profiled:.1%}")) for name, time in operators),
        ],
    )
    return "\n\n".join("\n".join(block) for block in blocks)


def main() -> None:
    """Run the command: measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="as of gan-train")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long steps and limit are timed, about [10]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every measurement there")
    arguments = parser.parse_intermixed_args()
    if arguments.seconds <= 0:
        parser.error("--seconds has to be more than 0")
    register()
    composition = compose(arguments.overrides, CONF_DIR)
    with run_log.console(), benchmark.step_benchmark(benchmark.EAGER, composition) as (assembled, bench):
        minimal = limit.MinimalSteps(recording.record(bench), assembled.plan.device.torch_device)
        measured = limit.measure(bench, minimal, arguments.seconds)
        products = product_times(minimal, PERIODS)
        steps = bench.steps_within(arguments.seconds / 10)
        operators = operator_lines(profiling.operator_times(bench, steps))
    threads = torch.get_num_threads()
    print(f"{cpu_model()}, threads: {threads}; torch {torch.__version__}; {' '.join(arguments.overrides)}\n")
    print(tables(measured, products, operators))
    if arguments.json:
        report = {
            "overrides": arguments.overrides,
            "threads": threads,
            "limit": asdict(measured),
            "products": [asdict(each) for each in products],
            "operators": dict(operators),
        }
        arguments.json.write_text(f"{json.dumps(report, indent=2)}\n")


if __name__ == "__main__":
    restart_with_settings()
    main()
