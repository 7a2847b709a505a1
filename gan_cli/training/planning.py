"""Plan a run: check every section and node of its configuration together, and build the parts that need no data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.algorithms.spec import PROVIDED, AlgorithmSpec, Outline, Parts, Sizes
from gan_cli.components.losses import DiscriminatorSteps, Loss, WarmUp
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.config.loggers import ChosenLoggers
from gan_cli.config.micro_batch import count_micro_batches
from gan_cli.config.nodes import Node
from gan_cli.config.schema import Config, DeviceSection, LossSection
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.config.targets import parameters
from gan_cli.config.validate import validate_config
from gan_cli.data.samplers import require_whole_batch
from gan_cli.data.splits import training_count
from gan_cli.errors import ConfigError, Mistakes
from gan_cli.protocols.adversarial import Augmentation, Constraint, NoiseLevel, Objective, Penalty
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.callbacks import Callback
from gan_cli.protocols.data import CountableImages, Dataset, Images, OwnFiles, Sequences, data_kinds
from gan_cli.runtime import torchrun
from gan_cli.runtime.device import Device, Workload, choose
from gan_cli.runtime.flops import FlopCounter
from gan_cli.runtime.meta_device import SkipInitialization
from gan_cli.telemetry.loggers.interface import LoggerConfig
from gan_cli.training import compatibility, selection
from gan_cli.training.memory import MemoryNeed, memory_need, probe_samples

# Larger networks are counted on the meta device.
MAX_WEIGHTS_BUILT = 8_000_000
# Parts of a run that may be null.
OPTIONAL = ("loss.objective", "loss.anneal", "loss.top_k", "loss.constraint", "noise", "augment")


@dataclass(frozen=True, kw_only=True)
class Plan(Parts):
    """A run that is checked and ready to start, before any data are read.

    Attributes:
        config: the typed configuration.
        outline: its networks on the meta device, without memory behind their weights.
        device: where it computes, with every ``auto`` decided.
        callbacks: those of the user, by name; every run builds its own.
        loggers: settings of its loggers, by name.
        memory: what it needs at least.
        probe_samples: samples of each kind in a probe.
        forward_flops: floating-point operations of one forward pass of a batch through all networks.
    """

    config: Config
    outline: Outline
    device: Device
    callbacks: Mapping[str, Node]
    loggers: Mapping[str, LoggerConfig]
    memory: MemoryNeed
    probe_samples: int
    forward_flops: int

    @property
    def family(self) -> type[AlgorithmSpec]:
        """The class of its algorithm, for questions that need no instance."""
        return cast(type[AlgorithmSpec], self.algorithm.target)


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
    micro_batches = count_micro_batches(typed, torchrun.world_size())
    algorithm = Node.parse(typed.algorithm, "algorithm", AlgorithmSpec, PROVIDED)
    family = cast(type[AlgorithmSpec], algorithm.target)
    accepted = accepted_parts(family)
    nodes = _parse_parts(typed, family, accepted)
    built = _build_all(nodes)
    compatibility.reject_incompatible_with_data(typed, built["dataset"])
    parts = Parts(
        algorithm=algorithm,
        dataset=built["dataset"],
        architecture=built["architecture"],
        loss=_make_loss(typed.loss, built) if "loss" in accepted else None,
        noise=built.get("noise"),
        augment=built.get("augment"),
        optimizer=built["optimizer"],
    )
    sizes = Sizes.before_loading(typed, parts.dataset)
    outline = _outline(family, parts.architecture, sizes)
    family.check(typed, parts, outline)
    metric = SweepMetric.from_config(typed)
    if metric is not None:
        metric.require_measured(typed, family.reports(parts.loss))
    selection.require_measured(typed, family.reports(parts.loss), parts.dataset)
    forward = _count_forward(family, parts.architecture, sizes, outline)
    _require_enough_samples(typed, forward.coupled)
    flops = forward.flops * typed.train.batch_size * typed.train.replicas
    work = _workload(outline, parts.dataset, flops // (2 * micro_batches), typed.train.replicas)
    device = choose(_device_section(typed), work, family.eager_because)
    itemsize = 4 if device.autocast is None else 2
    # Of two samples; and of two products, one at least is kept for the backward pass.
    activations = itemsize * forward.outputs / 4
    memory = memory_need(typed, parts, outline, activations)
    if not typed.dry_run:  # which may describe a run of a larger machine
        memory.require_available(device.torch_device)
    # Built above only to find wrong values before the run: as callbacks have a state, every run builds its own.
    callbacks = {name: nodes[f"callback.{name}"] for name in typed.callback or {}}
    loggers = {name: built[f"logger.{name}"] for name in ChosenLoggers.read(typed.logger).nodes}
    return Plan(
        **vars(parts),
        config=typed,
        outline=outline,
        device=device,
        callbacks=callbacks,
        loggers=loggers,
        memory=memory,
        probe_samples=probe_samples(typed, memory, activations, device.torch_device),
        forward_flops=flops // 2,
    )


def plan_with_files(config: DictConfig) -> Plan:
    """Check the whole configuration, build what needs no data, and look for the files of the data.

    Raises:
        ConfigError: the run could not start.
        DataError: the files that the user names are not there.
    """
    planned = plan(config)
    dataset, train = planned.dataset, planned.config.train
    if isinstance(dataset, OwnFiles):
        dataset.require_files()
    if isinstance(dataset, CountableImages):
        require_whole_batch(training_count(dataset.count_images(), train.held_out), train.batch_size)
    return planned


def _device_section(config: Config) -> DeviceSection:
    """Return the section ``device``, without channels_last for replicas: stacked weights have five dimensions."""
    if config.train.replicas > 1 and config.device.channels_last is None:
        return replace(config.device, channels_last=False)
    return config.device


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
        **{f"logger.{name}": (node, LoggerConfig) for name, node in ChosenLoggers.read(config.logger).nodes.items()},
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
    kind = accepted.get("architecture")
    if kind is None:  # a base class of families
        raise ConfigError(f"algorithm._target_: expected a family of models to train, got {family.__name__}")
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


def accepted_parts(family: type) -> dict[str, Any]:
    """Return the parts that the constructor of an algorithm takes: name -> annotated type."""
    signature = parameters(family)
    return {name: signature[name].annotation for name in PROVIDED if name in signature}


def _outline(family: type[AlgorithmSpec], architecture: Any, sizes: Sizes) -> Outline:
    """Build the networks on the meta device; raises ``ConfigError`` if they do not fit the data."""
    with torch.device("meta"), SkipInitialization():
        return family.outline(architecture, sizes)


def _workload(outline: Outline, dataset: Dataset, forward_flops: int, replicas: int) -> Workload:
    points = {Images, Sequences}.isdisjoint(data_kinds(type(dataset)))
    return Workload.of(outline.networks.values(), forward_flops, points=points, replicas=replicas)


@dataclass(frozen=True)
class ForwardPass:
    """Cost of one forward pass of two samples through all networks of a run.

    Attributes:
        flops: floating-point operations.
        outputs: numbers that products and convolutions compute.
        coupled: names of the networks whose batch norm has a single value of each channel for each sample, so that it
            has no variance of one sample.
    """

    flops: int
    outputs: int
    coupled: frozenset[str]


def _require_enough_samples(config: Config, coupled: Collection[str]) -> None:
    """Raise ``ConfigError`` where batch norm would have to compute a variance of one sample, or of one pack in D."""
    # Batch norm is over each process's part of the batch, unless it is synchronized, and over a micro-batch of that.
    processes = 1 if config.device.sync_batch_norm else torchrun.world_size()
    parts = count_micro_batches(config, torchrun.world_size())
    for name in sorted(coupled):
        pac = config.pac if name == "discriminator" else 1
        if config.train.batch_size // (pac * processes * parts) < 2:
            packs = f" in two packs of pac={pac}" if pac > 1 else ""
            on = f" on each of {processes} processes" if processes > 1 else ""
            key, fewest, value = "train.batch_size", 2 * pac * processes, config.train.batch_size
            if config.train.micro_batch is not None:
                key, fewest, value, on = "train.micro_batch", 2 * pac, config.train.micro_batch, ""
            raise ConfigError(
                f"{key}: expected at least {fewest} samples{packs}{on} for batch norm in the {name}, got {value}"
            )


def _count_forward(family: type[AlgorithmSpec], architecture: Any, sizes: Sizes, outline: Outline) -> ForwardPass:
    """Count the cost of one forward pass of two samples through all networks of a run.

    Networks of moderate size are built on the CPU for it: on the meta device, the first addition imports
    ``torch._dynamo``, which takes as long as importing torch itself. Torch's own generator is left as it was.
    """
    device = "cpu" if sum(outline.num_parameters.values()) <= MAX_WEIGHTS_BUILT else "meta"
    with torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
        counted = family.outline(architecture, sizes) if device == "cpu" else outline
        counter, coupled = FlopCounter(), set[str]()
        hooks = [
            layer.register_forward_pre_hook(partial(_note_if_coupled, coupled, name))
            for name, network in counted.networks.items()
            for layer in network.modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        ]
        with counter:
            counted.run()
        for hook in hooks:
            hook.remove()
    return ForwardPass(counter.total, counter.outputs, frozenset(coupled))


def _note_if_coupled(coupled: set[str], name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Note the name of a network if batch norm has one value of each channel for each of its two samples."""
    features = inputs[0]
    if features.numel() <= 2 * features.shape[1]:
        coupled.add(name)
