"""The summary that a dry run prints: all parts of a plan with their settings."""

from __future__ import annotations

import dataclasses
from enum import Enum

from gan_cli.config.nodes import Node
from gan_cli.runs.memory import format_bytes
from gan_cli.runs.planning import Plan, accepted_parts


def summarize(plan: Plan) -> str:
    """Return a table of what would run, a line for each part."""
    config, train, accepted = plan.config, plan.config.train, accepted_parts(plan.family)
    rows = {
        "algorithm": _describe_node(plan.algorithm),
        "dataset": f"{describe(plan.dataset)}, samples of shape {plan.dataset.shape}",
        "architecture": describe(plan.architecture),
        **{
            f"  {name}": f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters"
            for name, network in plan.outline.networks.items()
        },
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
        "device": ", ".join(f"{key}={value}" for key, value in plan.device.facts().items()),
        "train": f"{train.steps} steps of batch size {train.batch_size}, seed {config.seed}",
    }
    return "\n".join(f"{name:<16}{text}" for name, text in rows.items())


def describe(part: object) -> str:
    """Return the class of an object with its settings, as text."""
    if part is None:
        return "none"
    name = type(part).__name__
    return repr(part) if dataclasses.is_dataclass(part) else name


def _describe_node(node: Node) -> str:
    """Return the class of a node with its arguments, as text; nodes inside it likewise."""
    settings = ", ".join(f"{key}={_describe_argument(value)}" for key, value in node.arguments.items())
    return f"{node.target.__name__}({settings})"


def _describe_argument(value: object) -> str:
    if isinstance(value, Node):
        return _describe_node(value)
    return repr(value.name if isinstance(value, Enum) else value)
