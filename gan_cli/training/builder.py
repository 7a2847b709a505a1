"""Assemble the algorithm of a planned run: read its data, and build it with the parts that it asks for."""

from __future__ import annotations

from collections.abc import Callable

from gan_cli.algorithms.context import Context, StepTimer, untimed
from gan_cli.algorithms.micro_batches import MicroBatches
from gan_cli.algorithms.nonfinite import SkipNonFinite, TrackNonFinite
from gan_cli.algorithms.training_data import TrainingData
from gan_cli.architectures.conditioning import require_supported
from gan_cli.config.micro_batch import count_micro_batches
from gan_cli.config.schema import NonFinite
from gan_cli.errors import ConfigError
from gan_cli.protocols.algorithm import Algorithm, StackedRuns
from gan_cli.protocols.data import LoadedData
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from gan_cli.training.planning import Plan, accepted_parts


def assemble(
    plan: Plan, timer: StepTimer = untimed, source: LoadedData | None = None, group: ProcessGroup | None = None
) -> Algorithm:
    """Read the data and make the algorithm, on its device, with seeded weights.

    Args:
        plan: what to train.
        timer: times the parts of each step.
        source: the data, where they are read already.
        group: the processes of the run; None for a single one.

    Raises:
        DataError: the data cannot be read.
        ConfigError: the batch is larger than the dataset, or cannot be split over the group's processes.
    """
    group, parts = group or SingleProcess(), plan.config.train.batch_size // plan.config.pac
    if parts % group.size:
        what = "train.batch_size" if plan.config.pac == 1 else "train.batch_size / pac"
        raise ConfigError(f"{what}: expected a multiple of the {group.size} processes, got {parts}")
    return _make_algorithm(plan, _split_data(plan, source), plan.config.seed, timer, group)


def assemble_replicas(
    plan: Plan, source: LoadedData | None = None, prepare: Callable[[Algorithm], object] = lambda algorithm: None
) -> StackedRuns:
    """Read the data and make ``train.replicas`` algorithms that are trained as one, each with a seed of its own.

    Args:
        plan: what to train.
        source: the data, where they are read already.
        prepare: called with each algorithm, while it is one by itself.

    Raises:
        DataError: the data cannot be read.
        ConfigError: the batch is larger than the dataset, or these runs cannot be trained as one.
    """
    data, first = _split_data(plan, source), plan.config.seed
    seeds = range(first, first + plan.config.train.replicas)
    runs = [_make_algorithm(plan, data, seed, untimed, SingleProcess()) for seed in seeds]
    for each in runs:
        prepare(each)
    return plan.family.stack(runs, plan)


def _split_data(plan: Plan, source: LoadedData | None) -> TrainingData:
    loaded = plan.dataset.load() if source is None else source
    return plan.family.split_data(loaded, plan.dataset, plan.config, plan.device.torch_device)


def _make_algorithm(plan: Plan, data: TrainingData, seed: int, timer: StepTimer, group: ProcessGroup) -> Algorithm:
    context = data.context(_make_context(plan, seed, timer, group))
    require_supported(plan.architecture, context.condition)
    max_batches = 1 + (1 if plan.loss is None else plan.loss.d_steps.largest)
    parts: dict[str, Callable[[], object]] = {
        "context": lambda: context,
        "architecture": lambda: plan.architecture,
        "loss": lambda: plan.loss,
        "noise": plan.noise_level,
        "augment": lambda: plan.augment,
        "optimizer": lambda: plan.optimizer,
        **data.arguments(context, max_batches),
    }
    algorithm: Algorithm = plan.algorithm.build(**{name: parts[name]() for name in accepted_parts(plan.family)})
    return algorithm


def _make_context(plan: Plan, seed: int, timer: StepTimer, group: ProcessGroup) -> Context:
    """Return the context of an algorithm, without what depends on its data."""
    train, diagnostics = plan.config.train, plan.config.diagnostics
    return Context(
        shape=plan.dataset.shape,
        condition=0,
        device=plan.device,
        seed=seed,
        batch_size=train.batch_size // group.size,
        pac=plan.config.pac,
        log_every=train.log_every,
        sample_count=train.sample_count,
        half_life=plan.config.ema.half_life,
        frozen_g=plan.config.freeze.g,
        frozen_d=plan.config.freeze.d,
        probe_samples=plan.probe_samples,
        probe_every=max(1, diagnostics.every * train.log_every),
        timer=timer,
        group=group,
        micro_batches=MicroBatches(count_micro_batches(plan.config, group.size)),
        nonfinite_policy=SkipNonFinite if plan.config.non_finite is NonFinite.skip else TrackNonFinite,
    )
