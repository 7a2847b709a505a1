"""Train all models with every seed, measure, draw, and write the page: ``python -m benchmarks.versus``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims.harness import Job, RunPool, add_run_options, parse_run_options, run_command
from benchmarks.machine import cpu_model
from benchmarks.versus import measure, page
from benchmarks.versus.cost import BATCH, BATCHES
from benchmarks.versus.models import ARMS, count_parameters
from benchmarks.versus.pairs import WHOLE_PIXEL_PAIR
from benchmarks.versus.results import Results
from benchmarks.versus.seed import Runs, Seed, measure_seed
from benchmarks.versus.text import TEXT
from gan_cli.runtime.parent_watch import children_end_with_this_process, end_with_parent

SEEDS = 3
PAGE = Path("docs/comparisons.md")
PICTURES = "images"  # beside the page
RESULTS = "results.json"  # below the folder


def main() -> None:
    """Run the command; exit status 0 whatever the results are, 2 or 3 where a run cannot be made."""
    run_command(run_comparison, _arguments())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description=__doc__)
    add_run_options(parser, "versus", SEEDS, PAGE)
    parser.add_argument("--samples", type=int, default=5000, help="of an evaluation; default: 5,000")
    parser.add_argument("--pairs", type=int, default=500, help="test digits that are changed; default: 500")
    parser.add_argument("--rewrite", action="store_true", help="only write the page, of what was measured before")
    arguments = parse_run_options(parser, SEEDS, PAGE)
    if min(arguments.samples, arguments.pairs) < 10:
        parser.error("--samples and --pairs: expected an integer >= 10")
    return arguments


def run_comparison(arguments: argparse.Namespace) -> None:
    """Measure, unless only the page is to be rewritten, and write the page."""
    if not arguments.rewrite:
        measure_all(arguments)
    results = Results(**json.loads((arguments.folder / RESULTS).read_text()))
    arguments.page.write_text(page.page(results, TEXT, PICTURES))
    print(arguments.page)


def measure_all(arguments: argparse.Namespace) -> None:
    """Train and measure every seed, and store the results as JSON."""
    start_time = time.monotonic()
    seeds = train_all(arguments)
    print(f"{time.monotonic() - start_time:5.0f} s  trained", flush=True)
    results = measure_runs(seeds, arguments)
    print(f"{time.monotonic() - start_time:5.0f} s  measured", flush=True)
    (arguments.folder / RESULTS).write_text(json.dumps(dataclasses.asdict(results), indent=1) + "\n")


def train_all(arguments: argparse.Namespace) -> list[Runs]:
    """Train all models on all datasets; return the runs of each seed."""
    jobs = [
        {
            dataset: {model: Job(arm, seed, tuple(arguments.override)) for model, arm in arms.items()}
            for dataset, arms in ARMS.items()
        }
        for seed in range(arguments.seeds)
    ]
    with RunPool(arguments.folder / "runs", arguments.jobs).open() as pool:
        pool.submit([job for seed in jobs for of in seed.values() for job in of.values()], arguments.fresh)
        return [
            {dataset: {model: pool.run(job) for model, job in of.items()} for dataset, of in seed.items()}
            for seed in jobs
        ]


def _init_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)


def measure_runs(seeds: Sequence[Runs], arguments: argparse.Namespace) -> Results:
    """Measure the runs of all seeds, side by side, and draw the pictures of the first."""
    first = seeds[0]
    # Before the workers start: they find classifier and features of real samples in the cache.
    evaluators = {dataset: measure.make_evaluator(of["gan"], arguments.samples) for dataset, of in first.items()}
    floors = {dataset: evaluator.floor() for dataset, evaluator in evaluators.items()}
    pictures = [arguments.page.parent / PICTURES, *[None] * (len(seeds) - 1)]
    parts = [
        Seed(runs, arguments.samples, arguments.pairs, folder) for runs, folder in zip(seeds, pictures, strict=True)
    ]
    workers = min(arguments.jobs, len(parts))
    context = multiprocessing.get_context("spawn")
    with children_end_with_this_process(), ProcessPoolExecutor(workers, context, initializer=_init_worker) as pool:
        found: list[dict[str, Any]] = list(pool.map(measure_seed, parts))
    test = measure.TestDigits.of(first["mnist"]["vae"], arguments.pairs)
    networks = {
        dataset: {model: count_parameters(model, run) for model, run in of.items()} for dataset, of in first.items()
    }
    plans = {dataset: of["gan"].plan.config.train for dataset, of in first.items()}  # the same for all models
    return Results(
        {str(seed): each for seed, each in enumerate(found)},
        floors,
        networks,
        {dataset: (train.steps, train.batch_size) for dataset, train in plans.items()},
        count_sizes(test, arguments),
        describe_machine(),
    )


def count_sizes(test: measure.TestDigits, arguments: argparse.Namespace) -> dict[str, float]:
    """Return numbers of samples and of test digits, by the names that the page's text has for them."""
    return {
        "generated": arguments.samples,
        "cost_batch": min(BATCH, arguments.samples),
        "cost_batches": BATCHES,
        "bounded": measure.BOUND_IMAGES,
        "pairs": len(test.pairs.rows),
        "skipped": test.pairs.skipped,
        "whole": len(test.whole.rows),
        "whole_skipped": test.whole.skipped,
        "whole_distance": round(float(test.whole.distances[WHOLE_PIXEL_PAIR[0]].mean()), 2),
    }


def describe_machine() -> str:
    """Return processor and versions in words."""
    return f"{cpu_model()}, Python {platform.python_version()}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
