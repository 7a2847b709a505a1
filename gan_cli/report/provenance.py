"""Conditions under which gan-eval measured the runs of a comparison, and remarks where values are incomparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gan_cli.errors import printable
from gan_cli.report.formatting import format_count, join_words
from gan_cli.report.grouping import Comparison
from gan_cli.report.records import RunRecord
from gan_cli.storage.json_files import mapping

# Digits of a checksum that are shown.
SHOWN_DIGITS = 8


def is_comparable(comparison: Comparison) -> bool:
    """Return whether all runs were measured alike, as far as their measured metrics are shown."""
    runs = [run for run in comparison.runs if any(tag in run.evaluated for tag in comparison.tags)]
    return not any(len(counts) > 1 for counts in _conditions(comparison.tags, runs).values())


def sentences(comparison: Comparison) -> list[str]:
    """Return how the measured columns were measured, and remarks on runs measured otherwise, early or doubtfully."""
    runs = [run for run in comparison.runs if any(tag in run.evaluated for tag in comparison.tags)]
    if not runs:
        return []
    return [*_measured(comparison.tags, runs), *_early(runs), *_cautions(comparison.tags, runs)]


def measuring_conditions(provenance: Mapping[str, Any], backbones: Iterable[str]) -> dict[str, str]:
    """Return what has to be equal for two runs' values to be comparable, as texts by name.

    Args:
        provenance: ``evaluation.json`` without its metrics, of any version and in any state.
        backbones: those whose metrics are compared.
    """
    samples, generator, data = (mapping(provenance.get(key)) for key in ("samples", "generator", "data"))
    stored = mapping(provenance.get("backbones"))
    weights = "moving average" if generator.get("ema") is True else "weights as training left them"
    found = {
        "samples": _number(samples.get("generated")),
        "seed": _number(provenance.get("seed")),
        "generator": weights if isinstance(generator.get("ema"), bool) else "",
        "data": _shortened(data.get("fingerprint")),
        **{name: _shortened(mapping(stored.get(name)).get("reference")) for name in backbones},
        "gan_cli": _text(mapping(provenance.get("versions")).get("gan_cli")),
    }
    return {name: value for name, value in found.items() if value}


def _backbones(tags: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag.rpartition("/")[2] for tag in tags if "/" in tag))


def _conditions(tags: Sequence[str], runs: Sequence[RunRecord]) -> dict[str, Counter[str]]:
    """Return the values of each condition with the number of runs that were measured so."""
    conditions = [measuring_conditions(run.provenance, _backbones(tags)) for run in runs]
    values = {name: Counter(each[name] for each in conditions if name in each) for each in conditions for name in each}
    if len({run.options.get("dataset") for run in runs}) > 1:  # whose values nobody takes for comparable
        for name in ("data", *_backbones(tags)):
            values.pop(name, None)
    return values


def _measured(tags: Sequence[str], runs: Sequence[RunRecord]) -> list[str]:
    shown = [tag for tag in tags if any(tag in run.evaluated for run in runs)]
    values = _conditions(tags, runs)
    same = [_condition(name, next(iter(counts))) for name, counts in values.items() if len(counts) == 1]
    found = [f"{join_words(shown)}: measured by gan-eval with {', '.join(same)}."] if same else []
    different = [_counts(name, counts) for name, counts in values.items() if len(counts) > 1]
    if different:
        found.append(
            f"Not measured alike, and so not to be compared: {'; '.join(different)}. gan-eval --again PATH... measures"
            " all with the same options."
        )
    return found


def _condition(name: str, value: str) -> str:
    return f"{value} samples" if name == "samples" else value if name == "generator" else f"{name} {value}"


def _counts(name: str, counts: Counter[str]) -> str:
    texts = [f"{value} ({format_count(count, 'run')})" for value, count in counts.most_common()]
    return f"{name} {', '.join(texts)}"


def _early(runs: Iterable[RunRecord]) -> list[str]:
    """Return a remark on runs that have been trained on since they were measured."""
    early = [(run, step) for run in runs if (step := _step(run)) is not None and step < run.step]
    if not early:
        return []
    run, step = early[0]
    more = f", and {len(early) - 1} more" if len(early) > 1 else ""
    return [f"Measured before the last step: {run.name} at step {step:,} of {run.step:,}{more}."]


def _cautions(tags: Sequence[str], runs: Iterable[RunRecord]) -> list[str]:
    """Return a remark for each backbone whose provenance has a caution."""
    found: dict[str, str] = {}
    for run in runs:
        for name in _backbones(tags):
            caution = _text(mapping(mapping(run.provenance.get("backbones")).get(name)).get("caution"))
            if caution:
                found.setdefault(name, caution)
    return [f"Metrics of the backbone {name} say little here: {name} {caution}." for name, caution in found.items()]


def _step(run: RunRecord) -> int | None:
    step = mapping(run.provenance.get("generator")).get("step")
    return step if isinstance(step, int) else None


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def _shortened(value: object) -> str:
    return _text(value)[:SHOWN_DIGITS]


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else ""
