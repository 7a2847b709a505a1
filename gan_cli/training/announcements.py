"""Lines of a run before its first step and after its last: networks and loss, and the alarms that there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gan_cli.config.compose import Composition
from gan_cli.config.schema import Config
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.callbacks import Alarm
from gan_cli.report.formatting import format_count
from gan_cli.runtime import torchrun
from gan_cli.training.planning import Plan


def opening(plan: Plan, composition: Composition) -> Iterator[str]:
    """Yield lines that say what is trained: networks with their numbers of parameters, and the loss."""
    choices = composition.choices
    networks = list(_count_parameters(plan))
    yield f"networks: {choices.get('architecture')}; parameters: {', '.join(networks)}"
    if plan.loss is not None:
        updates = plan.loss.d_steps.regular
        parts = {
            "loss": choices.get("loss"),
            "penalty" if len(plan.loss.penalties) == 1 else "penalties": ", ".join(plan.loss.penalties),
            "instance noise": choices.get("noise") if plan.noise is not None else None,
            "augmentation": choices.get("augment") if plan.augment is not None else None,
        }
        chosen = ", ".join(f"{name} {option}" for name, option in parts.items() if option)
        yield f"{chosen}, {format_count(updates, 'update')} of D per update of G"
    meaning = f"; a step is {plan.family.step}" if plan.family.step else ""
    yield f"training for {plan.config.train.steps:,} steps of {describe_batch(plan.config)}{meaning}"
    if note := describe_micro_batches(plan):
        yield note


def describe_batch(config: Config) -> str:
    """Return the size of a batch, and of the micro-batches that it is divided into."""
    train = config.train
    parts = "" if train.micro_batch is None else f", {train.micro_batch} samples at once"
    return f"batch size {train.batch_size}{parts}"


def describe_micro_batches(plan: Plan) -> str:
    """Return what is computed over micro-batches instead of batches; empty where nothing is."""
    statistics = plan.family.batch_statistics(plan, plan.outline)
    size, share = plan.config.train.micro_batch, plan.config.train.batch_size // torchrun.world_size()
    if size is None or size == share or not statistics:
        return ""
    return f"train.micro_batch: over {size} samples, not over {share}: {', '.join(statistics)}"


def _count_parameters(plan: Plan) -> Iterator[str]:
    """Yield the number of parameters of each network, and how many of them are trained where some are frozen."""
    for name, count in plan.outline.num_parameters.items():
        trained = plan.outline.num_trained[name]
        yield f"{name} {count:,}" if trained == count else f"{name} {count:,}, of which {trained:,} are trained"


def describe_alarms(alarms: Sequence[Alarm], lasting: Sequence[Alarm]) -> str:
    """Return the names of alarms, with how often each was raised; empty where that is known from those that last."""
    counts = Counter(alarm.name for alarm in alarms if alarm.name != NON_FINITE)
    if counts == Counter(alarm.name for alarm in lasting):
        return ""
    names = [name if count == 1 else f"{name} ({count} times)" for name, count in counts.items()]
    return f"alarms: {', '.join(names)}" if names else ""
