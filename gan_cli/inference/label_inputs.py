"""Labels of an exported network that is conditional: its argument, and lines of code that make some."""

from __future__ import annotations

from typing import Any

from gan_cli.architectures.conditioning import example_labels
from gan_cli.inference.class_labels import describe_condition
from gan_cli.inference.exportable import NUM_SAMPLES, TRACE_BATCH, NetworkInput
from gan_cli.inference.stored_condition import stored_condition
from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition


def conditional_clause(condition: Condition) -> str:
    """Return in words whether a network is conditional, and on what."""
    if isinstance(condition, VectorCondition):
        return f"conditional on {describe_condition(condition)}"
    return f"class-conditional: {condition} classes" if condition else "unconditional"


def label_inputs(condition: Condition, class_names: tuple[str, ...]) -> list[NetworkInput]:
    """Return the argument ``labels`` as a list of one; of none where the network is unconditional.

    Args:
        condition: what the network is conditional on.
        class_names: names of the classes, where they have names.
    """
    if isinstance(condition, VectorCondition):
        units = "0 or 1" if condition.kind is ConditionKind.several else "in the data's own units"
        about = f"`(N, {condition.size})`, float32, {units}: {describe_condition(condition)}"
    else:
        about = f"`(N,)`, int64, {describe_condition(condition, class_names)}"
    return [NetworkInput("labels", example, about) for example in example_labels(condition, TRACE_BATCH)]


def label_metadata(condition: Condition) -> dict[str, Any]:
    """Return what export formats store of the condition: the number of classes, or the vectors as plain values."""
    if isinstance(condition, VectorCondition):
        return {"classes": 0, "condition": stored_condition(condition)}
    return {"classes": condition}


def torch_label_lines(condition: Condition) -> list[str]:
    """Return the line of code that assigns ``labels``, given ``torch``; none where the network is unconditional."""
    if not isinstance(condition, VectorCondition):
        return [f"labels = torch.arange({NUM_SAMPLES}) % {condition}"] if condition else []
    if condition.kind is ConditionKind.several:
        return [f"labels = torch.eye({condition.size})[torch.arange({NUM_SAMPLES}) % {condition.size}]"]
    low, high = _ends(condition)
    shares = f"torch.linspace(0, 1, {NUM_SAMPLES})[:, None]"
    return [f"labels = torch.lerp(torch.tensor({low}), torch.tensor({high}), {shares})"]


def numpy_label_lines(condition: Condition) -> list[str]:
    """Return the line of code that assigns ``labels``, given NumPy as ``np``; none without a condition."""
    if not isinstance(condition, VectorCondition):
        return [f"labels = np.arange({NUM_SAMPLES}, dtype=np.int64) % {condition}"] if condition else []
    if condition.kind is ConditionKind.several:
        return [f"labels = np.eye({condition.size}, dtype=np.float32)[np.arange({NUM_SAMPLES}) % {condition.size}]"]
    low, high = _ends(condition)
    return [f"labels = np.linspace({low}, {high}, {NUM_SAMPLES}, dtype=np.float32)"]


def _ends(condition: VectorCondition) -> tuple[list[float], list[float]]:
    """Return the lower and the upper ends of all ranges, with the digits that float32 has."""
    low, high = ([float(f"{end:.8g}") for end in ends] for ends in zip(*condition.ranges, strict=True))
    return low, high
