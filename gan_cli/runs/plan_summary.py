"""The table that a dry run prints: all parts of a plan with their settings, and what the run is likely to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum

from gan_cli.config.nodes import Node
from gan_cli.runs.announcements import describe_batch, describe_micro_batches
from gan_cli.runs.estimate import Estimate
from gan_cli.runs.planning import Plan, accepted_parts
from gan_cli.telemetry.quantities import format_bytes, format_duration

MEASURED = "an estimate from a few steps, without evaluations"


def rows_of_plan(plan: Plan) -> dict[str, str]:
    """Return what would run: name of a part -> its settings."""
    config, train, accepted = plan.config, plan.config.train, accepted_parts(plan.family)
    rows = {
        "algorithm": _describe_node(plan.algorithm),
        "dataset": f"{describe(plan.dataset)}, samples of shape {plan.dataset.shape}",
        "architecture": describe(plan.architecture),
        **{f"  {name}": f"{count:,} parameters" for name, count in plan.outline.num_parameters.items()},
    }
    if "conditional" in plan.family.supported_settings:
        classes = str(plan.dataset.classes or "those of the data")
        rows["classes"] = classes if config.conditional else "not used"
    if plan.loss is not None:
        rows |= {
            "loss": f"{describe(plan.loss.objective)}, D steps per G step: {plan.loss.d_steps.regular},"
            f" constraint: {describe(plan.loss.constraint)}",
            "penalties": ", ".join(map(describe, plan.loss.penalties.values())) or "none",
        }
    rows |= {name: describe(getattr(plan, name)) for name in ("noise", "augment") if name in accepted}
    rows |= {
        "optimizer": describe(plan.optimizer),
        "memory": f"{format_bytes(plan.memory.total)} or more",
        "device": plan.device.describe(),
        "train": f"{train.steps:,} steps of {describe_batch(config)}",
    }
    if note := describe_micro_batches(plan):
        rows["micro-batches"] = note.removeprefix("train.micro_batch: ")
    return rows | {"seed": str(config.seed)}


def rows_of_estimate(need: Estimate) -> dict[str, str]:
    """Return what a run is likely to take, as rows of the table."""
    seconds, why = need.seconds, need.costs.why_not
    time = (
        f"not estimated: {why}" if seconds is None else f"about {format_duration(seconds)} on this machine; {MEASURED}"
    )
    return {"time": time, "disk": f"about {format_bytes(need.disk)}"}


def table(rows: Mapping[str, str]) -> str:
    """Return rows as a table of two columns."""
    return "\n".join(f"{name:<16}{text}" for name, text in rows.items())


def describe(part: object) -> str:
    """Return the class of an object with its settings, as text; options as they are typed on the command line."""
    if part is None:
        return "none"
    name = type(part).__name__
    if not dataclasses.is_dataclass(part):
        return name
    shown = [field.name for field in dataclasses.fields(part) if field.repr]
    return f"{name}({', '.join(f'{key}={_describe_value(getattr(part, key))}' for key in shown)})"


def _describe_value(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return describe(value) if dataclasses.is_dataclass(value) else repr(value)


def _describe_node(node: Node) -> str:
    """Return the class of a node with its arguments, as text; nodes inside it likewise."""
    settings = ", ".join(f"{key}={_describe_argument(value)}" for key, value in node.arguments.items())
    return f"{node.target.__name__}({settings})"


def _describe_argument(value: object) -> str:
    return _describe_node(value) if isinstance(value, Node) else _describe_value(value)
