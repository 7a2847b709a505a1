"""Build a run from its configuration: the only place that turns configuration into objects, after checking it.

A run is built in two stages. :func:`plan` checks every section and node and reads nothing; :func:`assemble` reads the
data and makes the algorithm.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, cast

import torch
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.algorithms.context import Context, StepTimer, untimed
from gan_cli.algorithms.nonfinite import SkipNonFinite, TrackNonFinite
from gan_cli.algorithms.spec import AlgorithmSpec, Outline, Sizes
from gan_cli.components.losses import DiscriminatorSteps, Loss, WarmUp
from gan_cli.components.noise import Scheduled
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.config.nodes import Node
from gan_cli.config.schema import Config, LossSection, NonFinite
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.config.targets import parameters
from gan_cli.config.validate import validate_config
from gan_cli.data.corpus import Corpus
from gan_cli.data.probe_batches import DataSplit, split_data
from gan_cli.data.samplers import choose_sampler
from gan_cli.data.splits import split_sequences
from gan_cli.errors import ConfigError, Mistakes
from gan_cli.protocols.adversarial import Augmentation, Constraint, NoiseLevel, Objective, Penalty
from gan_cli.protocols.algorithm import Algorithm, Schedule, StackedRuns
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.callbacks import Callback
from gan_cli.protocols.data import (
    Dataset,
    Density,
    Images,
    KnownDistribution,
    LoadedData,
    Modal,
    Sampler,
    Sequences,
    data_kinds,
)
from gan_cli.runs import compatibility
from gan_cli.runtime.device import Device, Workload, choose
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from gan_cli.runtime.rng import seeded_generator

logger = logging.getLogger(__name__)

PREVIEW_POINTS = 1000

# Parts of a run that may be null.
OPTIONAL = ("loss.objective", "loss.anneal", "loss.top_k", "loss.constraint", "noise", "augment")

# Parameters of an algorithm's constructor that are provided here; the configuration sets all others.
PROVIDED = ("context", "architecture", "loss", "noise", "augment", "optimizer", "sampler", "probe_batches", "corpus")
# Vocabulary for the outline of networks for sequences, before the data are read.
ASSUMED_VOCABULARY = 5000


@dataclass(frozen=True)
class Plan:
    """A run that is checked and ready to start, before any data are read.

    Attributes:
        config: the typed configuration.
        algorithm: its algorithm, to be built when the data are read.
        outline: its networks on the meta device, without memory behind their weights.
        device: where it computes, with every ``auto`` decided.
        dataset: built, not loaded.
        architecture: builds the networks.
        loss: losses of D and G, for an algorithm that takes one, or None.
        noise: schedule or level of instance noise, or None.
        augment: augmentation of images, or None.
        optimizer: makes the optimizers.
        callbacks: those of the user, by name; every run builds its own.
    """

    config: Config
    algorithm: Node
    outline: Outline
    device: Device
    dataset: Dataset
    architecture: Any
    loss: Loss | None
    noise: Schedule | NoiseLevel | None
    augment: Augmentation | None
    optimizer: OptimizerConfig
    callbacks: Mapping[str, Node]

    @property
    def family(self) -> type[AlgorithmSpec]:
        """The class of its algorithm, for questions that need no instance."""
        return cast(type[AlgorithmSpec], self.algorithm.target)

    def summary(self) -> str:
        """Return a table of what would run, for a person."""
        config, train, accepted = self.config, self.config.train, _accepted_parts(self.family)
        rows = {
            "algorithm": _describe_node(self.algorithm),
            "dataset": f"{_describe(self.dataset)}, samples of shape {self.dataset.shape}",
            "architecture": _describe(self.architecture),
            **{
                f"  {name}": f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters"
                for name, network in self.outline.networks.items()
            },
        }
        if self.loss is not None:
            rows |= {
                "classes": "not used" if not config.conditional else str(self.dataset.classes or "those of the data"),
                "loss": f"{_describe(self.loss.objective)}, D steps per G step: {self.loss.d_steps.regular},"
                f" constraint: {_describe(self.loss.constraint)}",
                "penalties": ", ".join(map(_describe, self.loss.penalties.values())) or "none",
            }
        rows |= {name: _describe(getattr(self, name)) for name in ("noise", "augment") if name in accepted}
        rows |= {
            "optimizer": _describe(self.optimizer),
            "device": ", ".join(f"{key}={value}" for key, value in self.device.facts().items()),
            "train": f"{train.steps} steps of batch size {train.batch_size}, seed {config.seed}",
        }
        return "\n".join(f"{name:<16}{text}" for name, text in rows.items())


def plan(config: DictConfig) -> Plan:
    """Check the whole configuration, and build what needs no data.

    Raises:
        ConfigError: with one line for each mistake that can be found independently of the others.
    """
    typed = validate_config(config)
    if not isinstance(typed.loss.penalty, dict | None):
        raise ConfigError(f"loss.penalty: expected penalties by name or null, got {typed.loss.penalty!r}")
    if not isinstance(typed.callback, dict | None):
        raise ConfigError(f"callback: expected callbacks by name or null, got {typed.callback!r}")
    algorithm = Node.parse(typed.algorithm, "algorithm", AlgorithmSpec, PROVIDED)
    family = cast(type[AlgorithmSpec], algorithm.target)
    accepted = _accepted_parts(family)
    nodes = _parse_parts(typed, family, accepted)
    built = _build_all(nodes)
    dataset, architecture = built["dataset"], built["architecture"]
    compatibility.reject_incompatible_with_data(typed, dataset)
    loss = _make_loss(typed.loss, built) if "loss" in accepted else None
    outline = _outline(family, architecture, _sizes(typed, dataset))
    family.check(typed, loss, outline)
    metric = SweepMetric.from_config(typed)
    if metric is not None:
        metric.require_measured(typed, family.reports(loss))
    work = Workload.of(
        outline.networks.values(), _forward_flops(outline, typed.train.batch_size * typed.train.replicas)
    )
    return Plan(
        config=typed,
        algorithm=algorithm,
        outline=outline,
        device=choose(typed.device, work),
        dataset=dataset,
        architecture=architecture,
        loss=loss,
        noise=built.get("noise"),
        augment=built.get("augment"),
        optimizer=built["optimizer"],
        callbacks={name: nodes[f"callback.{name}"] for name in typed.callback or {}},
    )


def _parse_parts(config: Config, family: type[AlgorithmSpec], accepted: Mapping[str, Any]) -> dict[str, Node]:
    """Parse the nodes of all parts but the algorithm, by their paths.

    Raises:
        ConfigError: one line for each mistake in a node; or parts that do not go together.
    """
    loss, nodes = config.loss, dict[str, Node]()
    parts: dict[str, tuple[object, Any]] = {
        "architecture": (config.architecture, object),
        "loss.objective": (loss.objective, Objective),
        **{f"loss.penalty.{name}": (node, Penalty) for name, node in (loss.penalty or {}).items()},
        "loss.anneal": (loss.anneal, Schedule),
        "loss.top_k": (loss.top_k, Schedule),
        "loss.constraint": (loss.constraint, Constraint),
        "noise": (config.noise, Schedule | NoiseLevel),
        "augment": (config.augment, Augmentation),
        "optimizer": (config.optimizer, OptimizerConfig),
        **{f"callback.{name}": (node, Callback) for name, node in (config.callback or {}).items()},
    }
    with Mistakes() as mistakes:
        with mistakes.collect():
            nodes["dataset"] = Node.parse(config.dataset, "dataset", Dataset)
        if "dataset" in nodes:
            compatibility.reject_unsupported_data(nodes["dataset"], config, family)
        compatibility.reject_unused(config, family, accepted)
        for path, (value, kind) in parts.items():
            with mistakes.collect():
                if value is not None or path not in OPTIONAL:
                    nodes[path] = Node.parse(value, path, kind)
    kind = accepted["architecture"]
    return {**nodes, "architecture": compatibility.require_architecture(nodes["architecture"], family, kind)}


def _build_all(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """Build the objects of nodes; raises ``ConfigError`` with one line for each that rejects a value."""
    built = {}
    with Mistakes() as mistakes:
        for path, node in nodes.items():
            with mistakes.collect():
                built[path] = node.build()
    return built


def _make_loss(section: LossSection, built: Mapping[str, Any]) -> Loss:
    """Return the loss that a section describes, with the objects built from its nodes, by their paths."""
    warmup = section.warmup
    return Loss(
        objective=built["loss.objective"],
        penalties={name: built[f"loss.penalty.{name}"] for name in section.penalty or {}},
        anneal=built.get("loss.anneal"),
        top_k=built.get("loss.top_k"),
        constraint=built.get("loss.constraint"),
        reuse=section.reuse,
        d_steps=DiscriminatorSteps(
            section.d_steps, WarmUp(warmup.d_steps, warmup.first, warmup.every) if warmup.enabled else None
        ),
    )


def _accepted_parts(family: type) -> dict[str, Any]:
    """Return the parts that the constructor of an algorithm takes: name -> annotated type."""
    signature = parameters(family)
    return {name: signature[name].annotation for name in PROVIDED if name in signature}


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
    return _make_algorithm(plan, _load(plan, source), plan.config.seed, timer, group)


def assemble_replicas(plan: Plan, source: LoadedData | None = None) -> StackedRuns:
    """Read the data and make ``train.replicas`` algorithms that are trained as one, each with a seed of its own.

    Args:
        plan: what to train.
        source: the data, where they are read already.

    Raises:
        DataError: the data cannot be read.
        ConfigError: the batch is larger than the dataset, or these runs cannot be trained as one.
    """
    data, first = _load(plan, source), plan.config.seed
    runs = [_make_algorithm(plan, data, seed) for seed in range(first, first + plan.config.train.replicas)]
    return plan.family.stack(runs, plan.loss, _noise_level(plan), plan.optimizer)


@dataclass(frozen=True)
class _LoadedSamples:
    """Images or points of a run.

    Attributes:
        split: training and held-out samples.
        labels: ``(N,)`` of all images, where G and D are conditional.
        sampler: makes a sampler of the training samples.
    """

    split: DataSplit
    labels: IntArray | None
    sampler: Callable[..., Sampler]


def _load(plan: Plan, source: LoadedData | None) -> _LoadedSamples | Corpus:
    source = plan.dataset.load() if source is None else source
    train = plan.config.train
    if isinstance(source, Sequences):
        return _make_corpus(plan, source)
    labels = _require_labels(plan, source) if plan.config.conditional else None
    if isinstance(source, Images):
        source = replace(source, labels=labels)  # used by nothing else
    parts = split_data(source, train.held_out)
    sampler = choose_sampler(parts.train, train.batch_size, plan.device.torch_device, plan.config.device.data)
    return _LoadedSamples(parts, labels, sampler)


def _make_corpus(plan: Plan, source: Sequences) -> Corpus:
    parts = split_sequences(source, plan.config.train.held_out)
    if not isinstance(plan.dataset, KnownDistribution):
        return Corpus(parts.train, parts.held_out)
    oracle = plan.dataset.oracle(plan.device.torch_device)
    return Corpus(parts.train, parts.held_out, oracle, plan.dataset.entropy)


def _make_algorithm(
    plan: Plan, data: _LoadedSamples | Corpus, seed: int, timer: StepTimer = untimed, group: ProcessGroup | None = None
) -> Algorithm:
    group, device = group or SingleProcess(), plan.device.torch_device
    context = _make_context(plan, seed, timer, group)
    parts: dict[str, Callable[[], Any]] = {
        "architecture": lambda: plan.architecture,
        "loss": lambda: plan.loss,
        "noise": lambda: _noise_level(plan),
        "augment": lambda: plan.augment,
        "optimizer": lambda: plan.optimizer,
    }
    if isinstance(data, Corpus):
        parts["corpus"] = lambda: data
    else:
        context = _with_samples(context, plan, data)
        max_batches = 1 + (1 if plan.loss is None else plan.loss.d_steps.largest)
        parts["sampler"] = lambda: data.sampler(data.split.train, context.batch_size, seed, device, max_batches, group)
        parts["probe_batches"] = lambda: data.split.probe_batches(seed, device)
    parts["context"] = lambda: context
    provided = {name: parts[name]() for name in _accepted_parts(plan.family)}
    algorithm: Algorithm = plan.algorithm.build(**provided)
    return algorithm


def _make_context(plan: Plan, seed: int, timer: StepTimer, group: ProcessGroup) -> Context:
    """Return the context of an algorithm, without what depends on its data."""
    train, diagnostics = plan.config.train, plan.config.diagnostics
    return Context(
        shape=plan.dataset.shape,
        classes=0,
        device=plan.device,
        seed=seed,
        batch_size=train.batch_size // group.size,
        pac=plan.config.pac,
        log_every=train.log_every,
        sample_count=train.sample_count,
        half_life=plan.config.ema.half_life,
        probe_samples=diagnostics.samples,
        probe_every=max(1, diagnostics.every * train.log_every),
        timer=timer,
        group=group,
        nonfinite_policy=SkipNonFinite if plan.config.non_finite is NonFinite.skip else TrackNonFinite,
    )


def _with_samples(context: Context, plan: Plan, data: _LoadedSamples) -> Context:
    """Return the context with labels, probe batches and modes of images or points."""
    device, source = plan.device.torch_device, data.split.train
    return replace(
        context,
        classes=0 if data.labels is None else plan.dataset.classes or int(data.labels.max()) + 1,
        labels=data.labels,
        probe_batches=data.split.probe_batches(context.seed, device) if plan.config.diagnostics.every else None,
        centres=plan.dataset.centres().to(device) / plan.dataset.scale if isinstance(plan.dataset, Modal) else None,
        points=None if isinstance(source, Images) else _preview_points(source, context.seed),
    )


def _noise_level(plan: Plan) -> NoiseLevel:
    return plan.noise if isinstance(plan.noise, NoiseLevel) else Scheduled(plan.noise)


def _require_labels(plan: Plan, source: Images | Density) -> IntArray:
    """Return the label of every sample; raises ``ConfigError`` if the loaded data have none."""
    if not isinstance(source, Images) or source.labels is None:
        raise ConfigError(f"conditional: expected false, because these data have no labels: {_describe(plan.dataset)}")
    return source.labels


def _sizes(config: Config, dataset: Dataset) -> Sizes:
    """Return the sizes that networks are built for, as far as they are known before data are loaded."""
    return Sizes(
        dataset.shape,
        (dataset.classes or 1) if config.conditional else 0,
        config.pac,
        ASSUMED_VOCABULARY if Sequences in data_kinds(type(dataset)) else 0,
    )


def _outline(family: type[AlgorithmSpec], architecture: Any, sizes: Sizes) -> Outline:
    """Build the networks on the meta device; raises ``ConfigError`` if they do not fit the data."""
    with torch.device("meta"):
        return family.outline(architecture, sizes)


def _forward_flops(outline: Outline, batch_size: int) -> int:
    """Count the floating-point operations of one forward pass of a batch through all networks, with torch's counter."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        outline.run()
    return int(counter.get_total_flops()) * batch_size // 2  # the outline runs two samples


def _preview_points(density: Density, seed: int) -> FloatArray:
    """Draw real points to show beside generated ones, ``(PREVIEW_POINTS, D)``."""
    stream = seeded_generator(seed, "points shown", torch.device("cpu"))
    points: FloatArray = density.draw(PREVIEW_POINTS, stream).numpy()
    return points


def _describe(part: object) -> str:
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
