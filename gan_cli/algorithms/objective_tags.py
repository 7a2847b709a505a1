"""Tags whose meaning depends on the objective: what a loss says of them, for TensorBoard and for ``gan-report``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from gan_cli.metrics.registry import MetricInfo
from gan_cli.protocols.adversarial import Objective, ZeroSumObjective

GAME_VALUE = "game/value"


def objective_infos(objective: Objective) -> dict[str, MetricInfo]:
    """Describe the tags whose meaning depends on the objective: its divergence, the value of its game, and D's scores.

    The descriptions are those of the objective's methods, without their sections.
    """
    name, unit = f"divergence/{objective.divergence_name}", getattr(objective, "divergence_unit", "")
    text = _first_paragraph(objective.divergence)
    infos = {
        tag: MetricInfo(tag, unit, description=text, ceiling=objective.ceiling) for tag in (name, f"{name}_held_out")
    }
    if isinstance(objective, ZeroSumObjective):
        # D raises it and G lowers it: neither direction is better.
        infos[GAME_VALUE] = MetricInfo(GAME_VALUE, unit, "-", _first_paragraph(objective.value), ceiling=0.0)
    return {**infos, **{tag: MetricInfo(tag, objective.score_name, "-") for tag in ("d_real", "d_fake")}}


def _first_paragraph(method: Callable[..., object]) -> str:
    """Return a method's docstring without its sections, on one line."""
    return " ".join(re.split(r"\n\n\w+:\n", inspect.getdoc(method) or "")[0].split())
