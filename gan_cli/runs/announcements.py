"""What a run says before its first step and after its last: what is trained, and what to do with it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from gan_cli.config.compose import Composition
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.callbacks import Alarm
from gan_cli.runs.planning import Plan
from gan_cli.storage.run_directory import RunDirectory

# As `make tensorboard`: TensorBoard keeps ten images of a tag unless told otherwise.
TENSORBOARD = "tensorboard --samples_per_plugin images=1000 --logdir"
TENSORBOARD_PAGE = "http://localhost:6006/#custom_scalars"


def opening(plan: Plan, composition: Composition) -> Iterator[str]:
    """Yield lines that say what is trained: networks with their numbers of parameters, and the loss."""
    choices = composition.choices
    networks = [
        f"{name} {sum(weight.numel() for weight in network.parameters()):,}"
        for name, network in plan.outline.networks.items()
    ]
    yield f"networks: {choices.get('architecture')}; parameters: {', '.join(networks)}"
    if plan.loss is not None:
        updates = plan.loss.d_steps.regular
        parts = {
            "loss": choices.get("loss"),
            "penalty": ", ".join(plan.loss.penalties),
            "instance noise": choices.get("noise") if plan.noise is not None else None,
            "augmentation": choices.get("augment") if plan.augment is not None else None,
        }
        chosen = ", ".join(f"{name} {option}" for name, option in parts.items() if option)
        yield f"{chosen}, {updates} update{'s' if updates > 1 else ''} of D per update of G"
    yield f"training for {plan.config.train.steps:,} steps of batch size {plan.config.train.batch_size}"


def closing(directory: RunDirectory, step: int, completed: bool) -> Iterator[str]:
    """Yield commands to go on with.

    Args:
        directory: of the run that has ended.
        step: updates made in all.
        completed: whether these are all that it was to make.
    """
    path = _short(directory.path)
    yield f"samples:   gan-sample {path}"
    yield f"curves:    {TENSORBOARD} {path}  ({TENSORBOARD_PAGE})"
    more = f" train.steps={2 * step}" if completed else ""
    yield f"train on:  gan-train resume={path}{more}"


def describe_alarms(alarms: Sequence[Alarm]) -> str:
    """Return the names of alarms, with how often each was raised; empty without any."""
    counts = Counter(alarm.name for alarm in alarms if alarm.name != NON_FINITE)
    names = [name if count == 1 else f"{name} ({count} times)" for name, count in counts.items()]
    return f"alarms: {', '.join(names)}" if names else ""


def _short(path: Path) -> str:
    """Return a path as to be typed in a shell: relative where it lies below the working directory."""
    here = Path.cwd()
    absolute = path.absolute()
    return shlex.quote(os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
