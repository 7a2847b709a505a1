"""One job of a dry run of a sweep: checked, and its steps measured unless those of a like job were."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.storage.files import write_atomic
from gan_cli.sweeps.job_registry import JobEntry, JobIdentity, JobRegistry
from gan_cli.sweeps.job_status import JobState, job_status
from gan_cli.sweeps.outline import JobOutline, continued_sweep, dry_run_folder, split_overrides
from gan_cli.training.estimate import StepCosts, estimate, measure
from gan_cli.training.plan_summary import rows_of_plan
from gan_cli.training.planning import Plan, plan_with_files

# For all jobs together: a dry run is to be short.
MAX_MEASURING_SECONDS = 20.0
NOT_MEASURED = StepCosts(why_not="other configurations were measured")


def leave_outline(composition: Composition, registry: JobRegistry, entry: JobEntry) -> None:
    """Check a job and leave its outline for the end of the sweep, with the steps that it has made before.

    Raises:
        ConfigError: the job could not start.
        DataError: the files of its data are not there.
    """
    plan = plan_with_files(composition.config)
    configuration = _configuration(composition)
    number = entry.identity.number
    costs = _costs(plan, configuration, dry_run_folder(registry) / "costs" / f"{number}.json")
    need = estimate(plan, costs)
    JobOutline(
        number=number,
        varying=split_overrides(composition.overrides, composition.distinguishing),
        rows={name: text for name, text in rows_of_plan(plan).items() if name != "seed"},
        configuration=configuration,
        steps=need.steps,
        done=min(_steps_before(registry, entry.identity), need.steps),
        seconds=need.seconds,
        why_not=costs.why_not,
        disk=need.disk,
    ).write(registry)


def _steps_before(registry: JobRegistry, identity: JobIdentity) -> int:
    """Return the steps from which a job goes on in the sweep that is continued; 0 where it starts."""
    sweep = continued_sweep(registry)
    entries = [] if sweep is None else JobRegistry(sweep).entries()
    found = [job_status(entry.path) for entry in entries if entry.identity.overrides == identity.overrides]
    return max((each.step for each in found if each.state is JobState.completed or each.has_checkpoint), default=0)


def _costs(plan: Plan, configuration: str, file: Path) -> StepCosts:
    """Return the costs of a step: those of a like job, or measured while there is time left for it.

    Args:
        plan: of the job.
        configuration: digest of what determines the costs.
        file: what this job leaves if it measures; beside it are those of others, which are few.
    """
    earlier = [json.loads(other.read_text()) for other in file.parent.glob("*.json")]
    for measured in earlier:
        if measured["configuration"] == configuration:
            return StepCosts(**measured["costs"])
    if sum(measured["seconds"] for measured in earlier) > MAX_MEASURING_SECONDS:
        return NOT_MEASURED
    start = time.perf_counter()
    costs = measure(plan)
    if not costs.why_not:
        content = {"configuration": configuration, "costs": asdict(costs), "seconds": time.perf_counter() - start}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(content).encode())
    return costs


def _configuration(composition: Composition) -> str:
    """Return a digest of all that determines how long a step takes."""
    config = composition.config.copy()
    config.seed, config.train.steps = 0, 1
    return hashlib.sha256(OmegaConf.to_yaml(config).encode()).hexdigest()
