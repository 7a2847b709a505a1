"""Table that a dry run of a sweep prints: number of jobs, what varies, time and disk space. Imports no torch.

Each job leaves what it would do in the directory of the sweep, which a dry run removes at its end; jobs may run in
processes of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from gan_cli.report.formatting import format_count
from gan_cli.storage.files import write_atomic
from gan_cli.sweeps.job_registry import JobRegistry, override_key
from gan_cli.telemetry.quantities import format_bytes, format_duration

NAME_WIDTH = 16
MAX_VALUES = 12
# Name of a file with the path of the sweep that is continued.
CONTINUED = "continued"


@dataclass(frozen=True)
class JobOutline:
    """Outline of a job in a dry run.

    Attributes:
        number: of the job, from 0.
        varying: the overrides that differ between jobs, key -> value.
        rows: name of a part -> its settings.
        configuration: digest of its configuration but for its seed and length.
        steps: of its run.
        seconds: that all of it is likely to take; None where that is unknown.
        why_not: why it is unknown; empty where it is known.
        disk: bytes that its directory is likely to take.
        done: steps that it has made before.
    """

    number: int
    varying: Mapping[str, str]
    rows: Mapping[str, str]
    configuration: str
    steps: int
    seconds: float | None
    why_not: str
    disk: int
    done: int = 0

    @property
    def is_done(self) -> bool:
        """True where nothing is left to do."""
        return self.done >= self.steps

    @property
    def seconds_left(self) -> float | None:
        """Seconds that what is left of it is likely to take; None where that is unknown."""
        return None if self.seconds is None else self.seconds * (1 - self.done / max(1, self.steps))

    def write(self, registry: JobRegistry) -> None:
        """Leave the outline for :func:`read_outlines`."""
        folder = dry_run_folder(registry)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"{self.number}.json", json.dumps(asdict(self)).encode())


def read_outlines(registry: JobRegistry) -> list[JobOutline]:
    """Return the outlines of all jobs, in the order of their numbers."""
    found = [JobOutline(**json.loads(file.read_text())) for file in dry_run_folder(registry).glob("*.json")]
    return sorted(found, key=lambda outline: outline.number)


def describe(jobs: Sequence[JobOutline]) -> str:
    """Return the outlines of one or more jobs as one table."""
    steps = {job.steps for job in jobs}
    each = f", {steps.pop():,} each" if len(steps) == 1 else ""
    left, total = sum(job.steps - job.done for job in jobs), sum(job.steps for job in jobs)
    finished = sum(job.is_done for job in jobs)
    head = {
        "jobs": f"{len(jobs)}, of which {finished:,} completed before" if finished else str(len(jobs)),
        "steps": f"{total:,} in all{each}" + (f"; {left:,} left" if left < total else ""),
        "time": _describe_time(jobs),
        "disk": f"about {format_bytes(sum(job.disk for job in jobs))} in all",
    }
    lines = [_row(name, text) for name, text in head.items()]
    lines += ["", "What differs between the jobs:", *(_row(*item) for item in _varying(jobs).items())]
    lines += ["", "What they are:", *(line for name in jobs[0].rows for line in _part(name, jobs))]
    return "\n".join(lines)


def _describe_time(jobs: Sequence[JobOutline]) -> str:
    """Return the time that is left of all jobs, those that were not measured taking the mean of the others."""
    jobs = [job for job in jobs if not job.is_done]
    if not jobs:
        return "none"
    known = [seconds for job in jobs if (seconds := job.seconds_left) is not None]
    if not known:
        return f"not estimated: {jobs[0].why_not}"
    configurations = len({job.configuration for job in jobs})
    measured = len({job.configuration for job in jobs if job.seconds is not None})
    total = sum(known) + fmean(known) * (len(jobs) - len(known))
    return (
        f"about {format_duration(total)} one after another on this machine; an estimate from a few steps of"
        f" {measured} of {configurations} configurations, without evaluations"
    )


def _varying(jobs: Sequence[JobOutline]) -> dict[str, str]:
    """Return key -> its values, of the overrides that differ between jobs."""
    values: dict[str, list[str]] = {}
    for job in jobs:
        for key, value in job.varying.items():
            values.setdefault(key, []).append(value)
    return {key: _listed(list(dict.fromkeys(found))) for key, found in values.items()} or {"nothing": ""}


def _listed(values: Sequence[str]) -> str:
    more = f", ... ({len(values)} values)" if len(values) > MAX_VALUES else ""
    return ", ".join(values[:MAX_VALUES]) + more


def _part(name: str, jobs: Sequence[JobOutline]) -> list[str]:
    """Return the lines of a part: one where it is the same in all jobs, else one for each of its forms."""
    forms: dict[str, list[JobOutline]] = {}
    for job in jobs:
        forms.setdefault(job.rows.get(name, "none"), []).append(job)
    if len(forms) == 1:
        return [_row(name, next(iter(forms)))]
    names = [name] + [""] * (len(forms) - 1)
    return [_row(each, f"{text}  [{_shared(forms[text])}]") for each, text in zip(names, forms, strict=True)]


def _shared(group: Sequence[JobOutline]) -> str:
    """Return the overrides that jobs have in common, and how many jobs these are."""
    shared = [
        f"{key}={value}"
        for key, value in group[0].varying.items()
        if all(job.varying.get(key) == value for job in group)
    ]
    count = format_count(len(group), "job")
    return f"{count}: {','.join(shared)}" if shared else count


def _row(name: str, text: str) -> str:
    return f"{name:<{NAME_WIDTH}} {text}".rstrip()


def split_overrides(overrides: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """Return key -> value of those overrides that have one of the keys."""
    return {override_key(item): item.partition("=")[2] for item in overrides if override_key(item) in keys}


def dry_run_folder(registry: JobRegistry) -> Path:
    """Return the folder for what the jobs of a dry run leave, which may not exist yet."""
    return registry.folder / "dry_run"


def record_continued_sweep(registry: JobRegistry, sweep: Path) -> None:
    """Let the jobs of a dry run know the sweep that it would continue."""
    folder = dry_run_folder(registry)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONTINUED).write_text(str(sweep.absolute()), encoding="utf-8", errors="surrogateescape")


def continued_sweep(registry: JobRegistry) -> Path | None:
    """Return the sweep that a dry run would continue, or None where it would begin one."""
    file = dry_run_folder(registry) / CONTINUED
    return Path(file.read_text(encoding="utf-8", errors="surrogateescape")) if file.exists() else None
