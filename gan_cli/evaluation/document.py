"""Format an evaluation as a table, and as the content of ``evaluation.json``. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gan_cli.metrics.registry import metric_info

# Keys of digests, which the table shortens to their first digits.
DIGESTS = ("checksum", "reference", "fingerprint")


def document(metrics: Mapping[str, float], floor: Mapping[str, float], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evaluation as plain values: each metric with its floor and which way is better, then the provenance.

    A metric by a backbone whose provenance has a caution repeats it.
    """
    cautions = {name: facts["caution"] for name, facts in provenance.get("backbones", {}).items() if "caution" in facts}
    return {
        "figures": {
            name: {
                "value": _finite(value),
                "floor": _finite(floor[name]) if name in floor else None,
                "better": metric_info(name).better,
                "what": metric_info(name).description,
                **_caution(name, cautions),
            }
            for name, value in metrics.items()
        },
        **provenance,
    }


def table(evaluated: Mapping[str, Any]) -> str:
    """Return the metrics of a :func:`document` in aligned columns, and their provenance below."""
    rows = [("", "value", "floor", "good", "")]
    for name, metric in evaluated["figures"].items():
        caution = f" ({metric['caution']})" if "caution" in metric else ""
        what = f"{metric['what']}{caution}"
        rows.append((name, _number(metric["value"]), _number(metric["floor"]), metric["better"], what))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {floor:>{widths[2]}}  {good:<{widths[3]}}  {what}".rstrip()
        for name, value, floor, good, what in rows
    ]
    return "\n".join([*lines, "", *_provenance_lines(evaluated)])


def _caution(name: str, cautions: Mapping[str, str]) -> dict[str, str]:
    """Return the caution of the backbone that a metric is by, if there is one."""
    backbone = name.rpartition("/")[2]
    return {"caution": f"{backbone} {cautions[backbone]}"} if backbone in cautions else {}


def _provenance_lines(evaluated: Mapping[str, Any]) -> list[str]:
    counts, data = evaluated["samples"], evaluated["data"]
    lines = [
        _line("generated", {"samples": counts["generated"], **evaluated["generator"], "seed": evaluated["seed"]}),
        _line(
            "real",
            {
                "dataset": data["name"],
                "moments of": counts.get("real_moments"),
                "neighbours among": counts.get("real_neighbours"),
                "training": counts["training"],
                "held out": f"{counts['held_out']} ({data['held_out']})",
                "fingerprint": data["fingerprint"],
            },
        ),
        _line("floor", {"the same figures of real samples": f"{counts['floor']} ({data['floor']})"}),
    ]
    # Backbones of images and points, and settings of the metrics of text.
    for name, facts in {**evaluated.get("backbones", {}), **evaluated.get("measures", {})}.items():
        lines.append(_line(name, facts))
    lines.append(_line("versions", evaluated["versions"]))
    return lines


def _line(name: str, facts: Mapping[str, Any]) -> str:
    shown = {key: value[:12] if key in DIGESTS else value for key, value in facts.items() if value is not None}
    words = ", ".join(f"{key} {_plain(value)}" for key, value in shown.items()).replace("_samples ", " samples ")
    return f"{name:<11}{words}"


def _plain(value: Any) -> str:
    """Format a value without JSON's brackets."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _finite(value: float) -> float | None:
    """Return None for NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None
