"""Evaluators for datasets: which backbones, which measures, which real samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from gan_cli.config.extras import require_inception
from gan_cli.config.schema import BackboneKind, Config
from gan_cli.data.cache import HOME, Store
from gan_cli.datasets.base import expanded
from gan_cli.datasets.mnist import SIDE, Mnist
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.base import Backbone
from gan_cli.evaluation.backbones.classifier import ChannelwiseBackbone, ClassifierBackbone, classifier
from gan_cli.evaluation.backbones.inception import inception
from gan_cli.evaluation.backbones.pixels import Pixels
from gan_cli.evaluation.evaluator import Evaluator, Judge
from gan_cli.evaluation.measures import (
    Classes,
    Frechet,
    Kernel,
    Measure,
    Memorised,
    MixtureModes,
    Neighbourhoods,
    Sharpness,
    StackedDigits,
    Transport,
)
from gan_cli.evaluation.real_data import real_data, split_for_testing, usual_count
from gan_cli.protocols.data import Dataset, Density, Images, Sequences

# Samples to generate where nobody says, if the data are that many.
USUAL_SAMPLES = 10_000
CPU = torch.device("cpu")


@runtime_checkable
class Mixture(Protocol):
    """A dataset in the plane whose modes are known; see ``datasets/gaussian_mixtures.py``."""

    @property
    def std(self) -> float:
        """Deviation of each mode."""
        ...

    def centres(self) -> Tensor:
        """``(M, 2)``, in the data's own coordinates."""
        ...


@dataclass(frozen=True)
class Options:
    """What may be chosen about an evaluation.

    Attributes:
        backbones: what samples are compared by; ``auto`` stands for what suits the data.
        samples: how many are generated; None: 10,000, or half of the data.
        seed: of whatever is drawn on the way.
        share: of the data that the discriminator does not train on.
        weights: Inception's, a file; None: the published ones.
        device: where backbones compute.
    """

    backbones: Sequence[BackboneKind] = (BackboneKind.auto,)
    samples: int | None = None
    seed: int = 0
    share: float = 0.05
    weights: Path | None = None
    device: torch.device = CPU


# From dataset, backbone and seed to what is measured.
Choose: TypeAlias = Callable[[Dataset, Images | Density, Backbone, int], list[Measure]]


def quick_measures(dataset: Dataset, source: Images | Density, backbone: Backbone, seed: int) -> list[Measure]:
    """What is measured while a run trains."""
    return [Frechet(), Kernel(seed, subsets=20), Neighbourhoods(), *_particular(dataset, source, backbone)]


def all_measures(dataset: Dataset, source: Images | Density, backbone: Backbone, seed: int) -> list[Measure]:
    """What ``gan-eval`` measures: also what takes longer than all the rest."""
    particular = _particular(dataset, source, backbone)
    transport = [Transport()] if isinstance(backbone, Pixels) else []
    return [Frechet(), Kernel(seed), Neighbourhoods(), *particular, *transport, Memorised()]


def _particular(dataset: Dataset, source: Images | Density, backbone: Backbone) -> list[Measure]:
    """What only some data or backbones have."""
    measures: list[Measure] = []
    if isinstance(backbone, ChannelwiseBackbone):
        measures.append(StackedDigits())
    if isinstance(backbone, ClassifierBackbone):
        assert isinstance(source, Images)
        assert source.labels is not None
        measures.append(Classes(int(source.labels.max()) + 1))
    if isinstance(backbone, Pixels) and len(dataset.shape) == 3:
        measures.append(Sharpness(dataset.shape))
    if isinstance(backbone, Pixels) and isinstance(dataset, Mixture):
        measures.append(MixtureModes(tuple(map(tuple, dataset.centres().tolist())), dataset.std))
    return measures


def evaluator(dataset: Dataset, source: Images | Density, options: Options, choose: Choose = all_measures) -> Evaluator:
    """An evaluator of what is generated after a dataset.

    Args:
        dataset: what was learned.
        source: its data, as loaded.
        options: what may be chosen.
        choose: what is measured with each backbone.

    Raises:
        ConfigError: a backbone does not suit the data or is not installed, or there are too few samples.
        DataError: the data's test split, or Inception's weights, cannot be read.
    """
    kinds = _kinds(dataset, source, options.backbones)
    count = usual_count(source, USUAL_SAMPLES, options.share) if options.samples is None else options.samples
    root = expanded("root", getattr(dataset, "root", None) or os.environ.get("GAN_DATA") or HOME)
    store, part = Store(root), split_for_testing(dataset)
    loaded = None if part is None else part.load()
    assert not isinstance(loaded, Sequences)
    test = loaded if isinstance(loaded, Images) else None
    data = real_data(source, loaded, count, options.share)
    judges = []
    for kind in kinds:
        backbone = _backbone(kind, dataset, source, test, store, root, options)
        judges.append(Judge(backbone, choose(dataset, source, backbone, options.seed)))
    return Evaluator(data, judges, count, options.seed, store)


def for_training(
    config: Config, dataset: Dataset, source: Images | Density, share: float, device: torch.device = CPU
) -> Evaluator:
    """The evaluator of ``train.eval_every``: with one backbone, and without what takes long.

    Args:
        config: of the run.
        dataset: what is learned.
        source: its data, with labels where there are labels.
        share: of the data that the discriminator does not train on.
        device: where the backbone computes.
    """
    section = config.evaluation
    kind = _usual(source)[0] if section.backbone is BackboneKind.auto else section.backbone
    # What is left out of small data for the noise floor should not be all of it.
    samples = min(section.samples, usual_count(source, section.samples, share))
    options = Options((kind,), samples, config.seed, share, device=device)
    return evaluator(dataset, source, options, quick_measures)


def _kinds(dataset: Dataset, source: Images | Density, wanted: Sequence[BackboneKind]) -> tuple[BackboneKind, ...]:
    """The backbones, each once, after a look at whether they suit the data."""
    kinds: list[BackboneKind] = []
    for kind in wanted:
        kinds += _usual(source) if kind is BackboneKind.auto else [kind]
    if BackboneKind.classifier in kinds and not _labelled(source):
        raise ConfigError(
            f"backbone classifier: {type(dataset).__name__} has no classes that one could be trained to tell;"
            " use the backbone pixels"
        )
    if BackboneKind.inception in kinds:
        if len(dataset.shape) != 3:
            raise ConfigError(f"backbone inception: expected images, got samples of shape {dataset.shape}")
        require_inception()
    return tuple(dict.fromkeys(kinds))


def _labelled(source: Images | Density) -> bool:
    """Whether there are classes to tell apart."""
    return isinstance(source, Images) and source.labels is not None and bool(source.labels.max() > 0)


def _usual(source: Images | Density) -> tuple[BackboneKind, ...]:
    return (BackboneKind.classifier, BackboneKind.pixels) if _labelled(source) else (BackboneKind.pixels,)


def _backbone(
    kind: BackboneKind,
    dataset: Dataset,
    source: Images | Density,
    test: Images | None,
    store: Store,
    root: Path,
    options: Options,
) -> Backbone:
    if kind is BackboneKind.pixels:
        return Pixels(dataset.coordinates)
    if kind is BackboneKind.inception:
        return inception(options.weights, root, options.device)
    if isinstance(dataset, StackedMnist):
        digits = Mnist(dataset.root, dataset.mirrors)
        part = split_for_testing(digits)
        assert part is not None
        tested = part.load()
        assert isinstance(tested, Images)
        single = classifier("mnist", digits.load(), tested, store, device=options.device)
        return ChannelwiseBackbone(single, (dataset.size - SIDE) // 2)
    assert isinstance(source, Images)
    return classifier(_file_name(dataset), source, test, store, device=options.device)


def _file_name(dataset: Dataset) -> str:
    """``FashionMnist`` as ``fashion_mnist``."""
    name = type(dataset).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
