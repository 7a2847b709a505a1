"""Tags whose meaning depends on the objective: what a loss says of them, for TensorBoard and for ``gan-report``."""

from __future__ import annotations

import inspect
import re

from gan_cli.metrics.registry import MetricInfo
from gan_cli.protocols.adversarial import Objective


def objective_infos(objective: Objective) -> dict[str, MetricInfo]:
    """Describe the tags whose meaning depends on the objective: its divergence, and D's scores.

    The description of the divergence is that of :meth:`Objective.divergence`, without its sections.
    """
    name, unit = f"divergence/{objective.divergence_name}", getattr(objective, "divergence_unit", "")
    text = " ".join(re.split(r"\n\n\w+:\n", inspect.getdoc(objective.divergence) or "")[0].split())
    divergences = {
        tag: MetricInfo(tag, unit, description=text, ceiling=objective.ceiling) for tag in (name, f"{name}_held_out")
    }
    scores = {tag: MetricInfo(tag, objective.score_name, "-") for tag in ("d_real", "d_fake")}
    return {**divergences, **scores}
