"""Goals of one H200, and what the findings say of each. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.formatting import Spread
from benchmarks.gpu.findings import Finding

Found: TypeAlias = Mapping[tuple[str, str], Finding]
NOT_MEASURED = "not measured"
# Names of wrong findings that a row mentions, at most.
MENTIONED = 3


@dataclass(frozen=True)
class Goal:
    """A row of the table of goals.

    Attributes:
        work: what is measured.
        goal: in words.
        steps: names of the steps that measure it.
        measured: formats what was found; :data:`NOT_MEASURED` where nothing was.
    """

    work: str
    goal: str
    steps: tuple[str, ...]
    measured: Callable[[Found], str]

    @property
    def command(self) -> str:
        """The command that measures it."""
        return f'make gpu ARGS="--only {" ".join(self.steps)}"'


def verdicts(step: str, prefix: str = "") -> Callable[[Found], str]:
    """Return what counts the findings of a step that are right, those whose names begin so."""

    def count(found: Found) -> str:
        chosen = [each for (of, name), each in found.items() if of == step and name.startswith(prefix)]
        decided = [each for each in chosen if each.right is not None]
        if not decided:
            return NOT_MEASURED
        wrong = [each.name for each in decided if not each.right]
        text = f"{len(decided) - len(wrong)} of {len(decided)} right"
        if wrong:
            text += f"; wrong: {', '.join(wrong[:MENTIONED])}{' and others' if len(wrong) > MENTIONED else ''}"
        ended = found.get(("steps", step))
        return text if ended is None or ended.right else f"{text}; {ended.values['status']}"

    return count


def tests(found: Found) -> str:
    """Count the tests that passed; the last finding of a run that was not killed says how it ended."""
    outcomes = {key: each for key, each in found.items() if key != ("tests", "end")}
    text = verdicts("tests")(outcomes)
    skipped = sum(each.right is None for (step, _), each in outcomes.items() if step == "tests")
    return text.replace(" right", " pass") + (f", {skipped} skipped" if skipped else "")


def rate(name: str, *thresholds: float) -> Callable[[Found], str]:
    """Return what formats the rate of a way, its share of the card's limit, and whether it reaches the thresholds."""

    def text(found: Found) -> str:
        finding = found.get(("speed", name))
        if finding is None or "rate" not in finding.values:
            return NOT_MEASURED
        spread, unit = Spread(**finding.values["rate"]), finding.values["unit"]
        limit = found.get(("speed", f"{name.partition(':')[0]}: limit"))
        share = f", {limit.values['share']:.0%} of the limit" if limit is not None and limit.values else ""
        return f"{spread.text(0)} {unit}{share}: {reached(spread.median, thresholds)}"

    return text


def ratio(name: str, key: str, *thresholds: float) -> Callable[[Found], str]:
    """Return what formats the ratio of a way to another one, and whether it reaches the thresholds."""

    def text(found: Found) -> str:
        finding = found.get(("speed", name))
        if finding is None or key not in finding.values:
            return NOT_MEASURED
        spread = Spread(**finding.values[key])
        return f"{spread.text(1)} times: {reached(spread.median, thresholds)}"

    return text


def reached(value: float, thresholds: tuple[float, ...]) -> str:
    """Say which of the thresholds, in ascending order, a value reaches."""
    met = [f"{threshold:,g}" for threshold in thresholds if value >= threshold]
    return f"reaches {met[-1]}" if met else f"misses {thresholds[0]:,g}"


def waiting(name: str, most: float) -> Callable[[Found], str]:
    """Return what formats the share of time that a way waits for data."""

    def text(found: Found) -> str:
        values: Mapping[str, Any] = found[key].values if (key := ("speed", name)) in found else {}
        share = values.get("data_wait")
        return NOT_MEASURED if share is None else f"{share:.2%}: {'reached' if share < most else 'missed'}"

    return text


GOALS = (
    Goal("`pytest -m gpu`", "all pass", ("tests",), tests),
    Goal("probes, one question each", "all right", ("probes",), verdicts("probes")),
    Goal("12 recorded runs against eager ones", "equal metrics", ("parity",), verdicts("parity", "recorded")),
    Goal("4 runs in two parts against one", "equal bitwise", ("parity",), verdicts("parity", "resumed")),
    Goal("resumed on a CPU, and back", "goes on", ("probes",), verdicts("probes", "resumed_elsewhere")),
    Goal("memory of host and device over 10,000 steps", "does not grow", ("memory",), verdicts("memory")),
    Goal(
        "DCGAN-64, batch 128, bf16",
        "65,000 images/s, then 80,000",
        ("facts", "speed_dcgan"),
        rate("dcgan64_b128: recorded", 65e3, 80e3),
    ),
    Goal(
        "DCGAN-64, batch 512, bf16",
        "100,000 images/s",
        ("facts", "speed_dcgan"),
        rate("dcgan64_b512: recorded", 100e3),
    ),
    Goal(
        "MLP WGAN, batch 64, five updates of D",
        "350,000 images/s, then 550,000",
        ("facts", "speed_mlp"),
        rate("mlp_wgan: recorded", 350e3, 550e3),
    ),
    Goal(
        "the same against a plain eager loop",
        "4 times, then 7",
        ("speed_mlp",),
        ratio("mlp_wgan: recorded", "to_plain", 4, 7),
    ),
    Goal(
        "SNGAN-32, batch 64, five updates of D",
        "18,000 real images/s, then 27,000",
        ("facts", "speed_sngan"),
        rate("sngan32: recorded", 18e3, 27e3),
    ),
    Goal(
        "64 replicas of ring8 against one eager run",
        "30 times the steps/s, then 100",
        ("speed_replicas",),
        ratio("ring8: 64 replicas, recorded", "to_eager", 30, 100),
    ),
    Goal(
        "waiting for streamed data at 64x64",
        "under 2% of the time",
        ("speed_dcgan",),
        waiting("dcgan64_b128: recorded, streamed", 0.02),
    ),
)
