"""Build the evaluator of a dataset: choose its backbones, its measures and its real samples."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch

from gan_cli.config.extras import EXTRAS, require_extra
from gan_cli.config.schema import BackboneKind, Config
from gan_cli.data.cache import Store
from gan_cli.datasets.base import data_root
from gan_cli.datasets.mnist import SIDE, Mnist
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.base import Backbone
from gan_cli.evaluation.backbones.classifier import ChannelwiseBackbone, load_or_train_classifier
from gan_cli.evaluation.backbones.inception import load_inception
from gan_cli.evaluation.backbones.pixels import Pixels
from gan_cli.evaluation.evaluator import BackboneMeasures, Evaluator, OnStage, ignore_stage
from gan_cli.evaluation.inputs import INPUTS
from gan_cli.evaluation.measures import Inputs, Measure
from gan_cli.evaluation.real_data import default_count, find_test_split, real_data, require_evaluation_memory
from gan_cli.inference.loading import CPU
from gan_cli.metrics.registry import Metric, registered
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Dataset, Density, Images, Rows, Sequences, StoredSamples

logger = logging.getLogger(__name__)

# Default number of samples to generate, if there are that many (and at most half of the training images).
DEFAULT_SAMPLES = 10_000


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation, all with defaults.

    Attributes:
        backbones: backbones to compare samples with; ``auto`` stands for those that suit the data.
        samples: number of generated samples; None: 10,000, or half of the data.
        seed: seed of the kernel distance's subsets.
        share: share of the data that the discriminator does not train on.
        weights: file of Inception's weights; None: the published ones.
        device: device of the backbones.
        on_stage: called with what is about to be computed.
    """

    backbones: Sequence[BackboneKind] = (BackboneKind.auto,)
    samples: int | None = None
    seed: int = 0
    share: float = 0.05
    weights: Path | None = None
    device: torch.device = CPU
    on_stage: OnStage = ignore_stage


# Maps dataset, data, backbone and seed to the measures to take.
ChooseMeasures: TypeAlias = Callable[[Dataset, StoredSamples | Density, Backbone, int], list[Measure]]


def all_measures(dataset: Dataset, source: StoredSamples | Density, backbone: Backbone, seed: int) -> list[Measure]:
    """Return the measures of ``gan-eval``, including those that take longer than all others together."""
    return [Measure(metric, inputs, _seed(metric, seed)) for metric, inputs in _applicable(dataset, source, backbone)]


def quick_measures(dataset: Dataset, source: StoredSamples | Density, backbone: Backbone, seed: int) -> list[Measure]:
    """Return the measures that are taken while a run trains."""
    return [
        Measure(metric, inputs, {**_seed(metric, seed), **metric.while_training})
        for metric, inputs in _applicable(dataset, source, backbone)
        if metric.while_training is not None
    ]


def _applicable(
    dataset: Dataset, source: StoredSamples | Density, backbone: Backbone
) -> Iterator[tuple[Metric, Inputs]]:
    """Yield the metrics that can be computed from such data by a backbone, with their inputs."""
    inputs = {need: kind.for_data(dataset, source, backbone) for need, kind in INPUTS.items()}
    for metric in registered():
        found = inputs.get(metric.needs)
        if found is not None and metric.backbone in (None, backbone.name):
            yield metric, found


def _seed(metric: Metric, seed: int) -> Mapping[str, object]:
    return {"seed": seed} if "seed" in inspect.signature(metric.function).parameters else {}


def build_evaluator(
    dataset: Dataset, source: StoredSamples | Density, options: EvaluationOptions, choose: ChooseMeasures = all_measures
) -> Evaluator:
    """Build the evaluator of samples of a generator that learned a dataset.

    Args:
        dataset: the dataset that was learned.
        source: its data, as loaded.
        options: options of the evaluation.
        choose: chooses the measures to take with each backbone.

    Raises:
        ConfigError: a backbone does not suit the data or is not installed, or there are too few samples.
        DataError: the data's test split, or Inception's weights, cannot be read.
    """
    kinds = _kinds(dataset, source, options.backbones)
    if BackboneKind.auto in options.backbones:
        _log_if_pixels_of_photos(dataset, kinds)
    count = default_count(source, DEFAULT_SAMPLES, options.share) if options.samples is None else options.samples
    require_evaluation_memory(count, dataset.shape)
    root = data_root(getattr(dataset, "root", None))
    store, part = Store(root), find_test_split(dataset)
    loaded = None if part is None else part.load()
    assert not isinstance(loaded, Sequences)
    test = loaded if isinstance(loaded, Images) else None
    data = real_data(source, loaded, count, options.share)
    backbone_measures = []
    for kind in kinds:
        options.on_stage(f"the backbone {kind.name}")
        backbone = _backbone(kind, dataset, source, test, store, root, options)
        backbone_measures.append(BackboneMeasures(backbone, choose(dataset, source, backbone, options.seed)))
    return Evaluator(data, backbone_measures, count, options.seed, store, options.on_stage)


def training_evaluator(
    config: Config, dataset: Dataset, source: StoredSamples | Density, share: float, device: torch.device = CPU
) -> Evaluator:
    """Build the evaluator of ``train.eval_every``: with one backbone, and without slow measures.

    Args:
        config: configuration of the run.
        dataset: the dataset that is learned.
        source: its data, with labels if there are any.
        share: share of the data that the discriminator does not train on.
        device: device of the backbone.
    """
    section = config.evaluation
    # One backbone alone: metrics of several would take as many times as long.
    kind = _default_backbones(source)[0] if section.backbone is BackboneKind.auto else section.backbone
    if section.backbone is BackboneKind.auto:
        _log_if_pixels_of_photos(dataset, (kind,))
    # The noise floor must not take all of small data.
    samples = min(section.samples, default_count(source, section.samples, share))
    options = EvaluationOptions((kind,), samples, config.seed, share, device=device)
    return build_evaluator(dataset, source, options, quick_measures)


def _kinds(
    dataset: Dataset, source: StoredSamples | Density, wanted: Sequence[BackboneKind]
) -> tuple[BackboneKind, ...]:
    """Return the backbones without duplicates, after a check that they suit the data."""
    kinds: list[BackboneKind] = []
    for kind in wanted:
        kinds += _default_backbones(source) if kind is BackboneKind.auto else [kind]
    if BackboneKind.classifier in kinds and not _has_classes(source):
        raise ConfigError(
            f"backbone classifier: {type(dataset).__name__} has no classes to train a classifier on;"
            " use the backbone pixels"
        )
    if BackboneKind.inception in kinds:
        if len(dataset.shape) != 3 or dataset.shape[0] not in (1, 3):
            raise ConfigError(f"backbone inception: expected grey or RGB images, got samples of shape {dataset.shape}")
        require_extra("backbone inception", "fid")
    return tuple(dict.fromkeys(kinds))


def _has_classes(source: StoredSamples | Density) -> bool:
    """Return True if the data have labels of more than one class."""
    return isinstance(source, Images) and source.labels is not None and bool(source.labels.max() > 0)


def _log_if_pixels_of_photos(dataset: Dataset, kinds: Sequence[BackboneKind]) -> None:
    """Log that images in color, which photos are, would be compared by their pixels alone."""
    if tuple(kinds) == (BackboneKind.pixels,) and len(dataset.shape) == 3 and dataset.shape[0] == 3:
        logger.info(
            "distances of pixels say little of photos: the backbone inception measures FID, by what they show (%s)",
            EXTRAS["fid"].install,
        )


def _default_backbones(source: StoredSamples | Density) -> tuple[BackboneKind, ...]:
    return (BackboneKind.classifier, BackboneKind.pixels) if _has_classes(source) else (BackboneKind.pixels,)


def _backbone(
    kind: BackboneKind,
    dataset: Dataset,
    source: StoredSamples | Density,
    test: Images | None,
    store: Store,
    root: Path,
    options: EvaluationOptions,
) -> Backbone:
    if kind is BackboneKind.pixels:
        # Columns of a table have units of their own, and only standardized ones can be compared.
        return Pixels(_unchanged if isinstance(source, Rows) else dataset.coordinates)
    if kind is BackboneKind.inception:
        return load_inception(options.weights, root, options.device)
    if isinstance(dataset, StackedMnist):
        digits = Mnist(dataset.root, dataset.mirrors)
        part = find_test_split(digits)
        assert part is not None
        tested = part.load()
        assert isinstance(tested, Images)
        single = load_or_train_classifier("mnist", digits.load(), tested, store, device=options.device)
        return ChannelwiseBackbone(single, (dataset.size - SIDE) // 2)
    assert isinstance(source, Images)
    return load_or_train_classifier(_file_name(dataset), source, test, store, device=options.device)


def _unchanged(samples: FloatArray) -> FloatArray:
    return samples


def _file_name(dataset: Dataset) -> str:
    """Return a class name in snake case: ``FashionMnist`` as ``fashion_mnist``."""
    name = type(dataset).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
