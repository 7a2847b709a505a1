"""Train both models with every seed, measure, draw, and write the page: ``python -m benchmarks.versus``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims.claim import Arm
from benchmarks.claims.harness import Job, Run, RunPool, add_run_options, parse_run_options, run_command
from benchmarks.machine import cpu_model
from benchmarks.versus import album, measure, page
from benchmarks.versus.pairs import WHOLE_PIXEL_PAIR
from benchmarks.versus.scores import TrainedModels
from benchmarks.versus.text import TEXT
from gan_cli.evaluation.evaluator import Evaluator

SEEDS = 3
PAGE = Path("docs/gan-vs-vae.md")
RESULTS = "results.json"  # below the folder
ARMS = {name: Arm(name, f"versus_{name}_mnist") for name in page.MODELS}


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
    results = page.Results(**json.loads((arguments.folder / RESULTS).read_text()))
    arguments.page.write_text(page.page(results, TEXT, "images"))
    print(arguments.page)


def measure_all(arguments: argparse.Namespace) -> None:
    """Train and measure every seed, and store the results as JSON."""
    start_time = time.monotonic()
    jobs = {
        seed: {name: Job(arm, seed, tuple(arguments.override)) for name, arm in ARMS.items()}
        for seed in range(arguments.seeds)
    }
    with RunPool(arguments.folder / "runs", arguments.jobs).open() as pool:
        pool.submit([job for of_seed in jobs.values() for job in of_seed.values()], arguments.fresh)
        runs = {seed: {name: pool.run(job) for name, job in of_seed.items()} for seed, of_seed in jobs.items()}
    print(f"{time.monotonic() - start_time:5.0f} s  trained", flush=True)
    test = measure.TestDigits.of(runs[0]["vae"], arguments.pairs)
    evaluator = measure.make_evaluator(runs[0]["gan"], arguments.samples)
    seeds = {}
    for seed, of_seed in runs.items():
        seeds[str(seed)] = measure_seed(of_seed, test, evaluator, arguments.page.parent if seed == 0 else None)
        print(f"{time.monotonic() - start_time:5.0f} s  seed {seed} measured", flush=True)
    results = page.Results(seeds, evaluator.floor(), count_sizes(runs[0], test, arguments), describe_machine())
    (arguments.folder / RESULTS).write_text(json.dumps(dataclasses.asdict(results), indent=1) + "\n")


def measure_seed(
    runs: Mapping[str, Run], test: measure.TestDigits, evaluator: Evaluator, pictures: Path | None
) -> dict[str, Any]:
    """Return the metrics of one seed, and save its pictures below a folder; None: no pictures."""
    models = TrainedModels.of(runs["gan"], runs["vae"])
    (gan, of_gan), (vae, of_vae) = (measure.sample_metrics(runs[name], evaluator) for name in page.MODELS)
    if pictures is not None:
        drawn = {
            "samples": album.samples(of_gan, of_vae, test),
            "neighbours": album.neighbours(of_gan, of_vae, evaluator),
            "pairs": album.pairs(models, test),
            "places": album.places(models, test),
        }
        for name, image in drawn.items():
            album.save(image, pictures / "images" / f"versus_{name}.webp")
    return {
        "gan": gan,
        "vae": vae,
        "likelihood": measure.likelihood_metrics(models, test),
        **measure.pair_scores(models, test, of_gan),
        "places": measure.place_dependence(models, test),
        "seconds": measure.seconds([runs[name] for name in page.MODELS]),
    }


def count_sizes(runs: Mapping[str, Run], test: measure.TestDigits, arguments: argparse.Namespace) -> dict[str, float]:
    """Return sizes of networks, data and samples, by the names that the page's text has for them."""
    plan = runs["gan"].plan
    shape = plan.dataset.shape
    networks = {
        "decoder": plan.architecture.generator(shape, 0),
        "discriminator": plan.architecture.discriminator(shape, 0),
        "encoder": runs["vae"].plan.architecture.encoder(shape, 2),
    }
    train = plan.config.train
    return {
        **{name: sum(each.numel() for each in network.parameters()) for name, network in networks.items()},
        "steps": train.steps,
        "batch": train.batch_size,
        "generated": arguments.samples,
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
