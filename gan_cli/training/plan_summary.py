"""The table that a dry run prints: all parts of a plan with their settings, and what the run is likely to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum

from gan_cli.config.nodes import Node
from gan_cli.report.formatting import format_count
from gan_cli.telemetry.quantities import MINUTE, format_bytes, format_duration
from gan_cli.training.announcements import describe_batch, describe_micro_batches
from gan_cli.training.estimate import Estimate
from gan_cli.training.memory import MemoryNeed
from gan_cli.training.planning import Plan, accepted_parts

MEASURED = "an estimate from a few steps"


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
        "memory": "\n".join([f"{format_bytes(plan.memory.total)} or more", *_memory_lines(plan.memory)]),
        "device": plan.device.describe(),
        "train": f"{train.steps:,} steps of {describe_batch(config)}",
    }
    if note := describe_micro_batches(plan):
        rows["micro-batches"] = note.removeprefix("train.micro_batch: ")
    return rows | {"seed": str(config.seed)}


def rows_of_estimate(need: Estimate) -> dict[str, str]:
    """Return what a run is likely to take, as rows of the table."""
    seconds, costs = need.seconds, need.costs
    if seconds is None:
        time = f"not estimated: {costs.why_not}"
    else:
        of_batch = f" of {costs.batch} samples, scaled up" if costs.batch else ""
        time = f"about {format_duration(seconds)} on this machine, {_short(costs.step)} a step; {MEASURED}{of_batch}"
    rows = {"time": time}
    if need.evaluations:
        rows["evaluations"] = _evaluations(need)
    if costs.peak:
        rows["peak memory"] = f"about {format_bytes(costs.peak)} in the measured steps, without the data"
    kept = f"{format_count(need.checkpoints, 'checkpoint')} of {format_bytes(need.checkpoint)}"
    return rows | {"disk": f"about {format_bytes(need.disk)}, with {kept}"}


def _evaluations(need: Estimate) -> str:
    """Return how many evaluations there are, and what is known of their time."""
    what = f"{need.evaluations} of up to {need.drawn:,} samples, beside that time"
    if need.seconds is None:
        return what
    return f"{what}: drawing them takes about {_short(need.drawing)} each, comparing them with real ones comes on top"


def _memory_lines(need: MemoryNeed) -> list[str]:
    """Return the parts of what a run needs, the largest first, as lines of a table."""
    parts = sorted({**need.on_device, **need.on_host}.items(), key=lambda part: -part[1])
    return [f"  {format_bytes(size):<14}{what}" for what, size in parts]


def _short(seconds: float) -> str:
    """Return the time of one step: ``42 ms``, ``3.1 s``."""
    return (
        f"{1000 * seconds:.3g} ms"
        if seconds < 1
        else f"{seconds:.1f} s"
        if seconds < MINUTE
        else format_duration(seconds)
    )


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
