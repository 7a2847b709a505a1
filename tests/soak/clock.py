"""A clock that is set in mid-run, and between stop and resume: the run ends as it would have, in the right order."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.helpers.run_directories import has_reported
from tests.soak import recipes
from tests.soak.children import completed, start, wait_for
from tests.soak.equality import same_run
from tests.soak.sabotage import NOTHING, Jump, Sabotage

HOUR_BACK, DAY_ON = -3600.0, 86400.0
STOPPED_AT = 80


def _mid_run(seconds: float) -> Sabotage:
    return Sabotage(jumps=(Jump(seconds, step=STOPPED_AT // 2),))


def _from_the_start(seconds: float) -> Sabotage:
    return Sabotage(jumps=(Jump(seconds),))


# What happens to the first process, which is stopped, and to the one that continues.
JUMPS = {
    "back an hour in mid-run": (_mid_run(HOUR_BACK), _from_the_start(HOUR_BACK)),
    "on a day in mid-run": (_mid_run(DAY_ON), _from_the_start(DAY_ON)),
    "on a day in mid-run, and right again when it continues": (_mid_run(DAY_ON), NOTHING),
    "back an hour before it continues": (NOTHING, _from_the_start(HOUR_BACK)),
    "on a day before it continues": (NOTHING, _from_the_start(DAY_ON)),
    "back an hour after it continued": (NOTHING, Sabotage(jumps=(Jump(HOUR_BACK, step=STOPPED_AT + 40),))),
}


def soak(place: Path, jumps: dict[str, tuple[Sabotage, Sabotage]] = JUMPS) -> str:
    """Stop a run and resume it under each of these clocks; raises AssertionError where it ends otherwise."""
    arguments, data = recipes.folder_run(recipes.make_pictures(place / "pictures")), place / "data"
    undisturbed = place / "undisturbed"
    completed((*arguments, f"hydra.run.dir={undisturbed}"), data)
    for number, (output, (first, second)) in enumerate(jumps.items()):
        run = place / f"run_{number}"
        try:
            child = start((*arguments, f"hydra.run.dir={run}"), data, first)
            wait_for(has_reported(run, STOPPED_AT), child)
            child.process.send_signal(signal.SIGTERM)
            stopped = child.ended()
            assert stopped.status == 128 + signal.SIGTERM, stopped.err
            lived = stopped.seconds + completed((f"resume={run}",), data, second).seconds
            same_run(run, undisturbed)
            _sane(run, lived)
        except AssertionError as error:
            raise AssertionError(f"the clock {output}: {error}") from error
    promised = "the runs end bitwise equal, TensorBoard in order, speeds and durations correct"
    return f"{len(jumps)} of {len(jumps)} clocks: {promised}"


def _sane(run: Path, lived: float) -> None:
    """No speed and no duration that the clock made up."""
    seconds = json.loads((run / "summary.json").read_text())["seconds"]
    assert 0 < seconds < lived, f"{seconds} s of training in {lived:.1f} s"
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        speed = line.get("speed/steps_per_second", 1.0)
        assert 0.1 < speed < 1e5, f"{speed} steps a second at step {line['step']}"
