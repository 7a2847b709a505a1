"""One job of a dry run of a sweep: checked, and its steps measured unless those of a like job were."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict

from omegaconf import OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.runs.estimate import StepCosts, estimate, measure
from gan_cli.runs.plan_summary import rows_of_plan
from gan_cli.runs.planning import Plan, plan_with_files
from gan_cli.sweeps.job_registry import JobEntry, JobRegistry
from gan_cli.sweeps.outline import JobOutline, read_outlines, split_overrides

# For all jobs together: a dry run is to be short.
MAX_MEASURING_SECONDS = 20.0
NOT_MEASURED = StepCosts(why_not="other configurations were measured")


def leave_outline(composition: Composition, registry: JobRegistry, entry: JobEntry) -> None:
    """Check a job and leave its outline for the end of the sweep.

    Raises:
        ConfigError: the job could not start.
        DataError: the files of its data are not there.
    """
    plan = plan_with_files(composition.config)
    start, configuration = time.perf_counter(), _configuration(composition)
    costs = _costs(plan, configuration, read_outlines(registry))
    need = estimate(plan, costs)
    JobOutline(
        number=entry.identity.number,
        label=entry.label,
        varying=split_overrides(composition.overrides, composition.distinguishing),
        rows={name: text for name, text in rows_of_plan(plan).items() if name != "seed"},
        configuration=configuration,
        costs=asdict(costs),
        steps=need.steps,
        seconds=need.seconds,
        measured=time.perf_counter() - start,
        disk=need.disk,
    ).write(registry)


def _costs(plan: Plan, configuration: str, earlier: Sequence[JobOutline]) -> StepCosts:
    """Return the costs of a step: those of a like job, or measured while there is time left for it."""
    for outline in earlier:
        if outline.configuration == configuration and not outline.costs["why_not"]:
            return StepCosts(**outline.costs)  # type: ignore[arg-type]  # as they were written
    if sum(outline.measured for outline in earlier) > MAX_MEASURING_SECONDS:
        return NOT_MEASURED
    return measure(plan)


def _configuration(composition: Composition) -> str:
    """Return a digest of all that determines how long a step takes."""
    config = composition.config.copy()
    config.seed, config.train.steps = 0, 1
    return hashlib.sha256(OmegaConf.to_yaml(config).encode()).hexdigest()
