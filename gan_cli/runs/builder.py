"""Assemble the algorithm of a planned run: read its data, and build it with the parts that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from gan_cli.algorithms.context import Context, StepTimer, untimed
from gan_cli.algorithms.nonfinite import SkipNonFinite, TrackNonFinite
from gan_cli.components.noise import Scheduled
from gan_cli.config.schema import NonFinite
from gan_cli.data.corpus import Corpus
from gan_cli.data.probe_batches import DataSplit, split_data
from gan_cli.data.samplers import choose_sampler
from gan_cli.data.splits import split_sequences
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import NoiseLevel
from gan_cli.protocols.algorithm import Algorithm, StackedRuns
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import (
    Density,
    Images,
    KnownDistribution,
    LoadedData,
    Modal,
    Sampler,
    Sequences,
)
from gan_cli.runs.plan_summary import describe
from gan_cli.runs.planning import Plan, accepted_parts
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from gan_cli.runtime.rng import seeded_generator

PREVIEW_POINTS = 1000


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
    provided = {name: parts[name]() for name in accepted_parts(plan.family)}
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
        raise ConfigError(f"conditional: expected false, because these data have no labels: {describe(plan.dataset)}")
    return source.labels


def _preview_points(density: Density, seed: int) -> FloatArray:
    """Draw real points to show beside generated ones, ``(PREVIEW_POINTS, D)``."""
    stream = seeded_generator(seed, "points shown", torch.device("cpu"))
    points: FloatArray = density.draw(PREVIEW_POINTS, stream).numpy()
    return points
