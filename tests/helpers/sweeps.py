"""What there is in the directory of a sweep."""

from __future__ import annotations

import json
from pathlib import Path


def jobs_of(sweep: Path) -> list[Path]:
    """The directories of its jobs, in the order of their numbers; there are no others."""
    entries = [json.loads(line) for line in (sweep / ".jobs" / "jobs.jsonl").read_text().splitlines()]
    jobs = [sweep / entry["directory"] for entry in sorted(entries, key=lambda entry: int(entry["number"]))]
    folders = {path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders <= set(jobs)
    return jobs
