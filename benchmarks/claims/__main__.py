"""Train, measure, test against the bounds, plot, and write the page: ``python -m benchmarks.claims``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.claims import charts, page
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.claim import Claim, Result
from benchmarks.claims.harness import Job, RunPool, add_run_options, parse_run_options, run_command
from benchmarks.machine import cpu_model
from gan_cli.telemetry.quantities import format_duration

SEEDS = 5
PAGE = Path("docs/claims.md")


def main() -> None:
    """Run the command; exit status 0 whatever the verdicts are, 2 or 3 where a run cannot be made."""
    run_command(run_claims, _arguments())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__, epilog=times())
    parser.add_argument("--only", nargs="+", choices=tuple(CLAIMS), default=tuple(CLAIMS), help="claims; default: all")
    add_run_options(parser, "claims", SEEDS, PAGE)
    return parse_run_options(parser, SEEDS, PAGE)


def times() -> str:
    """Return how long the claims take, by the page's measurements."""
    seconds = page.processor_seconds(PAGE.read_text()) if PAGE.exists() else {}
    if not seconds:
        return ""
    one = sum(seconds.values())
    each = ", ".join(f"{name} {format_duration(value)}" for name, value in seconds.items())
    return (
        f"One processor takes, as measured for {PAGE}: all claims {format_duration(one * SEEDS)} with {SEEDS} seeds,"
        f" {format_duration(one)} with one seed, of which {each}."
    )


def run_claims(arguments: argparse.Namespace) -> None:
    """Train all runs, and write results and page claim by claim."""
    chosen, seeds = [CLAIMS[name] for name in arguments.only], range(arguments.seeds)
    # Results of other protocols or of fewer seeds are no part of the same page.
    results = arguments.folder / f"results_{arguments.seeds}{'_changed' * bool(arguments.override)}"
    results.mkdir(parents=True, exist_ok=True)
    pictures = arguments.page.parent / "images" / "claims"
    print(f"page: {arguments.page}; pictures: {pictures}/", flush=True)
    with RunPool(arguments.folder / "runs", arguments.jobs).open() as pool:
        for claim in chosen:
            pool.submit(
                [job for seed in seeds for job in jobs_by_arm(claim, seed, arguments.override).values()],
                arguments.fresh,
            )
        for claim in chosen:
            result = measure_claim(claim, pool, seeds, arguments)
            (results / f"{claim.name}.json").write_text(page.to_json(result))
            earlier = arguments.page.read_text() if arguments.page.exists() else ""
            arguments.page.write_text(page.page(CLAIMS, page.read_results(results), "images/claims", earlier))
            for line in page.verdict(claim, result):
                print(f"{claim.name}: {line}", flush=True)
            print(f"  what you should see: {claim.look_for}\n  {pictures / claim.name}.png", flush=True)
    print(arguments.page)


def jobs_by_arm(claim: Claim, seed: int, overrides: Sequence[str]) -> dict[str, Job]:
    """Return the runs of one seed by arm."""
    return {arm.name: Job(arm, seed, tuple(overrides)) for arm in claim.arms}


def measure_claim(claim: Claim, pool: RunPool, seeds: Sequence[int], arguments: argparse.Namespace) -> Result:
    """Wait for the claim's runs, measure them, and save its picture beside the page."""
    runs = [
        {name: pool.run(job) for name, job in jobs_by_arm(claim, seed, arguments.override).items()} for seed in seeds
    ]
    metrics = {seed: claim.measure(of_seed) for seed, of_seed in zip(seeds, runs, strict=True)}
    seconds = sum(run.processor_seconds for of_seed in runs for run in of_seed.values())
    pictures = arguments.page.parent / "images" / "claims"
    pictures.mkdir(parents=True, exist_ok=True)
    charts.save(claim.picture(runs), pictures / f"{claim.name}.png")
    return Result(metrics, seconds, f"{cpu_model()}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
