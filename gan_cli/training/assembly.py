"""Assembly of a run: its data and algorithm, then its callbacks in a directory. Used by every command that trains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from gan_cli.algorithms.objective_tags import objective_infos
from gan_cli.config.compose import Composition
from gan_cli.config.metric_choice import MetricChoice
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.data.fingerprint import DataIdentity, data_identity
from gan_cli.data.samplers import require_whole_batch
from gan_cli.data.splits import held_out_shortage, training_count
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.evaluation import factory
from gan_cli.evaluation.callback import EvaluateSamples
from gan_cli.evaluation.evaluator import SampleEvaluator
from gan_cli.evaluation.text import QUICK_SIZE, sequence_evaluator
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.callbacks import Callback, CheckpointEvent, EndEvent
from gan_cli.protocols.data import LoadedData, Sequences, StoredSamples, data_noun
from gan_cli.runtime import distributed
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry.images import pixel_type
from gan_cli.telemetry.loggers.interface import Durable
from gan_cli.telemetry.metric_tracker import MetricTracker
from gan_cli.telemetry.metrics_file import MetricsFileWriter
from gan_cli.telemetry.sample_writer import SampleWriter
from gan_cli.telemetry.tags_file import TagsFileWriter
from gan_cli.telemetry.tensorboard_writer import TensorBoardLayout
from gan_cli.telemetry.throughput import Throughput
from gan_cli.training import selection
from gan_cli.training.callbacks import CallbackList, StatefulCallbacks
from gan_cli.training.checkpointing import Checkpointer, checkpoint_content
from gan_cli.training.logged_run import logged_run
from gan_cli.training.monitoring import ActOnAlarms, CheckAlarms
from gan_cli.training.planning import Plan
from gan_cli.training.summary import Outcome, summary

logger = logging.getLogger(__name__)

AlgorithmT_co = TypeVar("AlgorithmT_co", covariant=True)


@dataclass(frozen=True)
class AssembledRun(Generic[AlgorithmT_co]):
    """All that a run consists of before it has a directory.

    Attributes:
        plan: what is trained.
        composition: the configuration as Hydra composed it.
        algorithm: the networks and their optimizers, or those of several runs that are trained as one.
        data: identity of the data, for checkpoints; None where there is none.
        evaluator: measures samples; None without ``train.eval_every``.
        group: the processes of the run.
    """

    plan: Plan
    composition: Composition
    algorithm: AlgorithmT_co
    data: DataIdentity | None
    evaluator: SampleEvaluator | None
    group: ProcessGroup


def assemble_run(
    plan: Plan,
    composition: Composition,
    build: Callable[[Plan, LoadedData], AlgorithmT_co],
    group: ProcessGroup,
    *,
    check_data: Callable[[DataIdentity | None], None] = lambda identity: None,
    evaluated: bool = True,
) -> AssembledRun[AlgorithmT_co]:
    """Read the data and make the evaluator and the algorithm of a run; write nothing.

    Args:
        plan: what to train.
        composition: the configuration as Hydra composed it.
        build: makes the algorithm from plan and data.
        group: the processes of the run.
        check_data: raises an error where these are not the data that the run is to have.
        evaluated: false: no evaluator, whatever ``train.eval_every`` says.

    Raises:
        DataError: the data cannot be read, or ``check_data`` rejects them.
        ConfigError: data and configuration do not fit.
    """
    train = plan.config.train
    source = distributed.local_rank0_first(group, plan.dataset.load)
    identity = data_identity(source)
    check_data(identity)
    _warn_if_none_held_out(plan, source)
    if isinstance(source, StoredSamples):  # before a classifier is trained, which takes minutes
        require_whole_batch(training_count(len(source.array), train.held_out), train.batch_size)
    # Before the algorithm seeds its weights, as a classifier that is trained here draws random numbers.
    evaluator = _make_evaluator(plan, source) if evaluated and train.eval_every else None
    return AssembledRun(plan, composition, build(plan, source), identity, evaluator, group)


def _warn_if_none_held_out(plan: Plan, source: LoadedData) -> None:
    """Log that the data are too few for ``train.held_out``; a density has as many samples as are asked for."""
    rows = source.array if isinstance(source, StoredSamples) else source.tokens if isinstance(source, Sequences) else ()
    count = len(rows)
    shortage = held_out_shortage(count, plan.config.train.held_out) if count else None
    if shortage is not None:
        logger.warning("%s", shortage)


@dataclass(frozen=True)
class TrainingRun:
    """Everything that belongs to one run while it trains, on rank 0.

    Attributes:
        plan: what is trained.
        composition: the configuration as Hydra composed it.
        algorithm: the networks and their optimizers.
        group: the processes of the run.
        directory: where the run writes.
        errors: policy for write errors.
        saver: writes checkpoints in the background.
        checkpointer: hands them to the saver.
        stateful: those of the callbacks that have a state.
        callbacks: all callbacks, in their order.
        data: identity of the data, or None.
    """

    plan: Plan
    composition: Composition
    algorithm: Algorithm
    group: ProcessGroup
    directory: RunDirectory
    errors: WriteErrorHandler
    saver: BackgroundWriter
    checkpointer: Checkpointer
    stateful: StatefulCallbacks
    callbacks: CallbackList
    data: DataIdentity | None

    def end_by_error(self, outcome: Outcome) -> None:
        """Tell the callbacks that an error has ended training, unless it came after the end."""
        event = EndEvent(outcome.step, outcome.status)
        if event.by_error:
            self.callbacks.on_end(event)

    def finish(self, outcome: Outcome) -> None:
        """Write the summary and close the callbacks."""
        content = summary(outcome, self.algorithm, self.stateful, self.plan.device, self.data)
        content |= self.directory.stored_origin()
        with self.errors.writing("summary.json", self.directory.summary):
            self.directory.write_summary(content)
        self.callbacks.close()


def make_training_run(
    assembled: AssembledRun[Algorithm],
    directory: RunDirectory,
    observers: Sequence[Callback],
    saver: BackgroundWriter | None = None,
) -> TrainingRun:
    """Make the callbacks of a run that writes to a directory.

    Args:
        assembled: the run.
        directory: where it writes.
        observers: show its progress, and react to the machine.
        saver: writes checkpoints, where runs share a thread; None: a thread of its own.
    """
    plan, composition, algorithm = assembled.plan, assembled.composition, assembled.algorithm
    train, limits = plan.config.train, plan.config.diagnostics
    errors = WriteErrorHandler(train.on_write_error)
    saver = saver or BackgroundWriter(errors, directory.checkpoints)
    monitor = AlarmMonitor(limits, plan.family.alarm_rules(plan.config, plan), plan.config.non_finite)
    tracker = MetricTracker()
    reported = plan.family.reports(plan.loss)
    best = selection.best_checkpoint(plan.config, reported, directory, saver, errors)
    stopping = selection.early_stopping(plan.config, reported)
    stateful = StatefulCallbacks(
        check_alarms=CheckAlarms(monitor, tracker),
        throughput=Throughput(data_noun(type(plan.dataset))),
        tracker=tracker,
        act_on_alarms=ActOnAlarms(monitor, limits.on_alarm),
        user={name: node.build() for name, node in plan.callbacks.items()},
        best=best,
        stopping=stopping,
    )
    metrics_file = MetricsFileWriter(directory, errors)
    infos = {} if plan.loss is None else objective_infos(plan.loss.objective)
    evaluated = () if assembled.evaluator is None else assembled.evaluator.names
    layout = TensorBoardLayout.for_family(plan.family)
    layout = layout.with_metrics(infos, (f"metrics/{name}" for name in evaluated))
    logged = logged_run(plan, composition, directory, errors, layout, tracker)
    loggers = [config.callback(logged) for config in plan.loggers.values()]

    def content(event: CheckpointEvent) -> dict[str, Any]:
        device_kind = plan.device.torch_device.type
        return checkpoint_content(event, stateful.state_dict(), assembled.data, assembled.group.size, device_kind)

    def fsync() -> None:
        for writer in (metrics_file, *loggers):
            if isinstance(writer, Durable):
                writer.fsync()

    best_steps = (lambda: ()) if best is None else (lambda: best.steps)
    checkpointer = Checkpointer(directory, train.keep_checkpoints, saver, content, fsync, best_steps)
    # Each receives an event with what earlier ones have added: who adds comes before who writes.
    in_order: list[Callback] = [
        *_evaluation(assembled),
        *([] if stopping is None else [stopping]),
        stateful.check_alarms,
        stateful.throughput,
        metrics_file,
        TagsFileWriter(directory, errors, infos),
        SampleWriter(directory, errors, pixel_type(assembled.plan.dataset)),
        *loggers,
        tracker,
        *observers,
        *stateful.user.values(),
        stateful.act_on_alarms,  # may raise an error, once all others know of the report
        checkpointer,
        *([] if best is None else [best]),  # what an alarm rolls back is not considered
    ]
    callbacks = CallbackList(in_order, assembled.group)
    return TrainingRun(
        plan,
        composition,
        algorithm,
        assembled.group,
        directory,
        errors,
        saver,
        checkpointer,
        stateful,
        callbacks,
        assembled.data,
    )


def _evaluation(assembled: AssembledRun[Algorithm]) -> list[EvaluateSamples]:
    """Return the callback that measures samples, if there is an evaluator."""
    if assembled.evaluator is None:
        return []
    reported = assembled.plan.family.reports(assembled.plan.loss)
    stop = assembled.plan.config.stop
    watched = MetricChoice(stop.metric, selection.STOP_KEY) if stop.active and stop.metric is not None else None
    return [EvaluateSamples(assembled.evaluator, assembled.algorithm.samples, reported, watched)]


def _make_evaluator(plan: Plan, source: LoadedData) -> SampleEvaluator:
    config = plan.config
    evaluator: SampleEvaluator
    if isinstance(source, Sequences):
        extent, device = replace(QUICK_SIZE, count=config.evaluation.samples), plan.device.torch_device
        evaluator = sequence_evaluator(plan.dataset, source, config.train.held_out, config.seed, extent, device=device)
    else:
        evaluator = factory.training_evaluator(
            config, plan.dataset, source, config.train.held_out, plan.device.torch_device
        )
    selection.require_available(config, plan.family.reports(plan.loss), evaluator.names)
    metric = SweepMetric.from_config(config)
    if metric is not None and metric.tag.startswith("metrics/"):
        # The metrics of real samples have the names of all metrics, and are cached, so that they cost time only once.
        metric.require_available([f"metrics/{name}" for name in evaluator.floor()])
    return evaluator
