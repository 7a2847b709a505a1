"""The only place that turns configuration into objects, after checking all of it.

A run is built in two stages. :func:`plan` checks every section and node and reads nothing; :func:`assemble` reads the
data and makes the algorithm.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gan_cli import nodes
from gan_cli.algorithms.adversarial import Adversarial
from gan_cli.algorithms.batches import couples_samples
from gan_cli.algorithms.context import Context, Watch, unwatched
from gan_cli.algorithms.replicas import Replicas, require_stackable
from gan_cli.algorithms.soundness import Lookout, Sparing
from gan_cli.architecture_protocols import Architecture
from gan_cli.compose import explained
from gan_cli.config import Config, LossSection, NonFinite
from gan_cli.data_protocols import Dataset, Density, Images, Modal, Sampler
from gan_cli.datasets.sampler import sampler_for
from gan_cli.datasets.specimens import Split, split
from gan_cli.device import Device, Work, choose, seeded_generator
from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.noise_level import Scheduled
from gan_cli.objective import require_measured
from gan_cli.optim import Recipe
from gan_cli.processes import Alone, Group
from gan_cli.protocols import (
    Algorithm,
    Augmentation,
    Constraint,
    FloatArray,
    IntArray,
    NoiseLevel,
    Objective,
    Penalty,
    Schedule,
)
from gan_cli.thresholds import ALARMS, OnAlarm

logger = logging.getLogger(__name__)

POINTS_SHOWN = 1000

# Sections that check ranges, the innermost first, so that the first to refuse a value knows its full path.
SECTIONS = (
    "loss.warmup",
    "loss",
    "ema",
    "device",
    "train",
    "evaluation",
    "diagnostics.rollback",
    *(f"diagnostics.{name}" for name in ALARMS),
    "diagnostics",
    "",
)

# Parts of a run that may be null.
OPTIONAL = ("loss.anneal", "loss.top_k", "loss.constraint", "noise", "augment")

# What an algorithm's constructor is given; the configuration sets the rest of its parameters.
PROVIDED = ("context", "architecture", "loss", "noise", "augment", "optimizer", "sampler")


@dataclass(frozen=True)
class Plan:
    """A run that is checked and ready to start; no data were read for it."""

    config: Config
    device: Device
    dataset: Dataset
    architecture: Architecture
    loss: LossSection
    noise: Schedule | NoiseLevel | None
    augment: Augmentation | None
    optimizer: Recipe

    def summary(self) -> str:
        """What would run, for a person."""
        config, train = self.config, self.config.train
        rows = {
            "dataset": f"{_named(self.dataset)}, samples of shape {self.dataset.shape}",
            "architecture": _named(self.architecture),
            **{
                f"  {name}": f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters"
                for name, network in _outline(self.architecture, _sizes(config, self.dataset)).items()
            },
            "classes": "not told" if not config.conditional else str(self.dataset.classes or "those of the data"),
            "loss": f"{_named(self.loss.objective)}, D steps per G step: {self.loss.d_steps},"
            f" constraint: {_named(self.loss.constraint)}",
            "penalties": ", ".join(map(_named, self.loss.penalties.values())) or "none",
            "noise": _named(self.noise),
            "augment": _named(self.augment),
            "optimizer": _named(self.optimizer),
            "device": ", ".join(f"{key}={value}" for key, value in self.device.facts().items()),
            "train": f"{train.steps} steps of batch size {train.batch_size}, seed {config.seed}",
        }
        return "\n".join(f"{name:<16}{text}" for name, text in rows.items())


def plan(config: DictConfig) -> Plan:
    """Check everything, and build what needs no data.

    Raises:
        ConfigError: with one line for each mistake that can be told from the others.
    """
    typed = checked(config)
    if not isinstance(typed.loss.penalty, dict | None):
        raise ConfigError(f"loss.penalty: expected penalties by name or null, got {typed.loss.penalty!r}")
    parts = {
        "dataset": (typed.dataset, Dataset),
        "architecture": (typed.architecture, Architecture),
        "loss.objective": (typed.loss.objective, Objective),
        **{f"loss.penalty.{name}": (node, Penalty) for name, node in (typed.loss.penalty or {}).items()},
        "loss.anneal": (typed.loss.anneal, Schedule),
        "loss.top_k": (typed.loss.top_k, Schedule),
        "loss.constraint": (typed.loss.constraint, Constraint),
        "noise": (typed.noise, Schedule | NoiseLevel),
        "augment": (typed.augment, Augmentation),
        "optimizer": (typed.optimizer, Recipe),
    }
    present = {path: part for path, part in parts.items() if part[0] is not None or path not in OPTIONAL}
    found = nodes.problems(typed.algorithm, "algorithm", PROVIDED)
    for path, (node, _) in present.items():
        found += nodes.problems(node, path)
    if found:
        raise ConfigError("\n".join(found))
    built = {path: nodes.create(node, path, kind) for path, (node, kind) in present.items()}
    dataset, architecture = built["dataset"], built["architecture"]
    penalties = {name: built[f"loss.penalty.{name}"] for name in typed.loss.penalty or {}}
    _refuse_what_does_not_fit(typed, dataset, penalties)
    if typed.objective is not None:
        require_measured(typed.objective, typed, built["loss.objective"].divergence_name)
    sizes = _sizes(typed, dataset)
    networks = _outline(architecture, sizes)
    together = typed.train.batch_size * typed.train.replicas
    work = Work.of(networks.values(), _forward_flops(architecture, sizes, together))
    if penalties and couples_samples(networks["discriminator"]):
        logger.warning(
            "penalties hold D's slope sample by sample, but batch norm makes D's judgement of one sample depend on the"
            " others: architecture.norm_d=layer or none"
        )
    loss = replace(
        typed.loss,
        objective=built["loss.objective"],
        penalty=penalties,
        anneal=built.get("loss.anneal"),
        top_k=built.get("loss.top_k"),
        constraint=built.get("loss.constraint"),
    )
    if typed.train.replicas > 1:
        if typed.diagnostics.on_alarm is not OnAlarm.warn:
            raise ConfigError(
                "diagnostics.on_alarm: expected warn with train.replicas > 1, because the runs go on together, got"
                f" {typed.diagnostics.on_alarm.name}"
            )
        if typed.non_finite is not NonFinite.stop:
            raise ConfigError(
                "train.non_finite: expected stop or null with train.replicas > 1, because the runs go on together, got"
                f" {typed.non_finite.name}"
            )
        adaptive = isinstance(built.get("noise"), NoiseLevel)
        require_stackable(loss, augmented="augment" in built, adaptive=adaptive, compiled=typed.device.compile)
    return Plan(
        config=typed,
        device=choose(typed.device, work),
        dataset=dataset,
        architecture=architecture,
        loss=loss,
        noise=built.get("noise"),
        augment=built.get("augment"),
        optimizer=built["optimizer"],
    )


def _refuse_what_does_not_fit(config: Config, dataset: Dataset, penalties: Mapping[str, Penalty]) -> None:
    """Raise ``ConfigError`` for parts that are right each by itself, but not together."""
    if config.conditional and dataset.classes == 0:
        raise ConfigError(f"conditional: expected false for {_named(dataset)}, whose samples have no labels")
    if penalties and config.device.compile:
        raise ConfigError(
            f"device.compile: expected false with penalties ({', '.join(penalties)}), got true: torch.compile cannot"
            " differentiate a gradient again. Use device.compile=false or loss/penalty=none"
        )
    if config.augment is not None and len(dataset.shape) != 3:
        raise ConfigError(f"augment: expected none for samples of shape {dataset.shape}; it changes images")


def assemble(
    plan: Plan, watch: Watch = unwatched, source: Images | Density | None = None, group: Group | None = None
) -> Algorithm:
    """Read the data and make the algorithm, on its device, with seeded weights.

    Args:
        plan: what to train.
        watch: is told of the parts of each step.
        source: the data, where they are read already.
        group: the processes that train together, where there are several.

    Raises:
        DataError: the data cannot be read.
        ConfigError: the batch is larger than the dataset, or cannot be shared by so many processes.
    """
    group, parts = group or Alone(), plan.config.train.batch_size // plan.config.pac
    if parts % group.size:
        what = "train.batch_size" if plan.config.pac == 1 else "train.batch_size / pac"
        raise ConfigError(f"{what}: expected a multiple of the {group.size} processes, got {parts}")
    return _algorithm(plan, _loaded(plan, source), plan.config.seed, watch, group)


def assemble_replicas(plan: Plan, source: Images | Density | None = None) -> Replicas:
    """Read the data and make ``train.replicas`` algorithms that are trained as one, each with a seed of its own.

    Args:
        plan: what to train.
        source: the data, where they are read already.

    Raises:
        DataError: the data cannot be read.
        ConfigError: the batch is larger than the dataset, or these runs cannot be trained as one.
    """
    data, first, runs = _loaded(plan, source), plan.config.seed, []
    for seed in range(first, first + plan.config.train.replicas):
        run = _algorithm(plan, data, seed)
        if not isinstance(run, Adversarial):
            raise ConfigError(f"train.replicas: expected 1 with algorithm {_named(run)}")
        runs.append(run)
    return Replicas(runs, loss=plan.loss, noise=_level(plan), optimizer=plan.optimizer)


@dataclass(frozen=True)
class _Loaded:
    """The data of a run.

    Attributes:
        split: what is trained on, and what is held out.
        labels: ``(N,)`` of all images, where D and G are told classes.
        sampler: makes a sampler of what is trained on.
    """

    split: Split
    labels: IntArray | None
    sampler: Callable[..., Sampler]


def _loaded(plan: Plan, source: Images | Density | None) -> _Loaded:
    source = plan.dataset.load() if source is None else source
    train = plan.config.train
    labels = _labels(plan, source) if plan.config.conditional else None
    if isinstance(source, Images):
        source = replace(source, labels=labels)  # nobody asks for them otherwise
    parts = split(source, train.held_out)
    sampler = sampler_for(parts.train, train.batch_size, plan.device.torch_device, plan.config.device.data)
    return _Loaded(parts, labels, sampler)


def _algorithm(plan: Plan, data: _Loaded, seed: int, watch: Watch = unwatched, group: Group | None = None) -> Algorithm:
    group = group or Alone()
    batch_size = plan.config.train.batch_size // group.size
    train, diagnostics = plan.config.train, plan.config.diagnostics
    on, source = plan.device.torch_device, data.split.train
    provided = {
        "context": Context(
            shape=plan.dataset.shape,
            classes=0 if data.labels is None else plan.dataset.classes or int(data.labels.max()) + 1,
            device=plan.device,
            seed=seed,
            batch_size=batch_size,
            pac=plan.config.pac,
            log_every=train.log_every,
            sample_count=train.sample_count,
            half_life=plan.config.ema.half_life,
            labels=data.labels,
            specimens=data.split.specimens(seed, on) if diagnostics.every else None,
            examined=diagnostics.samples,
            examine_every=max(1, diagnostics.every * train.log_every),
            centres=plan.dataset.centres().to(on) / plan.dataset.scale if isinstance(plan.dataset, Modal) else None,
            points=None if isinstance(source, Images) else _points(source, seed),
            watch=watch,
            group=group,
            soundness=Sparing if plan.config.non_finite is NonFinite.skip else Lookout,
        ),
        "architecture": plan.architecture,
        "loss": plan.loss,
        "noise": _level(plan),
        "augment": plan.augment,
        "optimizer": plan.optimizer,
        "sampler": data.sampler(source, batch_size, seed, on, plan.loss.most_d_steps + 1, group),
    }
    assert provided.keys() == set(PROVIDED)
    algorithm: Algorithm = nodes.create(plan.config.algorithm, "algorithm", Algorithm, provided)
    return algorithm


def _level(plan: Plan) -> NoiseLevel:
    return plan.noise if isinstance(plan.noise, NoiseLevel) else Scheduled(plan.noise)


def _labels(plan: Plan, source: Images | Density) -> IntArray:
    """The label of every sample; raises ``ConfigError`` if the data have none after all."""
    if not isinstance(source, Images) or source.labels is None:
        raise ConfigError(f"conditional: expected false, because these data have no labels: {_named(plan.dataset)}")
    return source.labels


def checked(config: DictConfig) -> Config:
    """The configuration as a ``Config``: types checked, interpolations resolved, ranges of the sections checked."""
    try:
        # From plain values: a key that `+` has added to a section is to be refused like any other unknown one.
        plain = OmegaConf.to_container(config, resolve=False)
        merged = OmegaConf.merge(OmegaConf.structured(Config), plain)
        for path in SECTIONS:
            try:
                OmegaConf.to_object(OmegaConf.select(merged, path) if path else merged)
            except InvalidValueError as error:
                raise error.below(path) from error
        typed = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise explained(error) from error
    assert isinstance(typed, Config)
    return typed


@dataclass(frozen=True)
class _Sizes:
    """What networks are built for; the classes of data that are not loaded yet count as one."""

    shape: tuple[int, ...]
    pack_shape: tuple[int, ...]
    classes: int


def _sizes(config: Config, dataset: Dataset) -> _Sizes:
    first, *rest = dataset.shape
    return _Sizes(dataset.shape, (config.pac * first, *rest), (dataset.classes or 1) if config.conditional else 0)


def _outline(architecture: Architecture, sizes: _Sizes) -> dict[str, nn.Module]:
    """Both networks without memory behind their weights; raises ``ConfigError`` if they do not fit the data."""
    with torch.device("meta"):
        return {
            "generator": architecture.generator(sizes.shape, sizes.classes),
            "discriminator": architecture.discriminator(sizes.pack_shape, sizes.classes),
        }


def _forward_flops(architecture: Architecture, sizes: _Sizes, batch_size: int) -> int:
    """Floating-point operations of one forward pass of a batch through G and then D, by torch's own count."""
    networks = _outline(architecture, sizes)
    # Two samples suffice, and batch norm wants no fewer.
    z = torch.empty(2, architecture.latent_dim, device="meta")
    packs = torch.empty(2, *sizes.pack_shape, device="meta")
    labels = [torch.zeros(2, dtype=torch.int64, device="meta")] if sizes.classes else []
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        networks["generator"](z, *labels)
        networks["discriminator"](packs, *labels)
    return int(counter.get_total_flops()) * batch_size // 2


def _points(density: Density, seed: int) -> FloatArray:
    """Real points to show beside generated ones, ``(POINTS_SHOWN, D)``."""
    stream = seeded_generator(seed, "points shown", torch.device("cpu"))
    points: FloatArray = density.draw(POINTS_SHOWN, stream).numpy()
    return points


def _named(part: object) -> str:
    """An object as its class and settings."""
    if part is None:
        return "none"
    name = type(part).__name__
    return repr(part) if dataclasses.is_dataclass(part) else name
