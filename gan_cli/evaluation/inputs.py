"""Inputs of metrics by their need: arguments for generated samples, and for real ones in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from gan_cli.errors import printable
from gan_cli.evaluation.backbones.base import Backbone, BackboneOutput
from gan_cli.evaluation.backbones.classifier import ChannelwiseBackbone, ClassifierBackbone
from gan_cli.evaluation.backbones.pixels import Pixels
from gan_cli.evaluation.measures import Arguments, Inputs
from gan_cli.evaluation.reference_features import ReferenceFeatures
from gan_cli.metrics.frechet import gaussian_moments
from gan_cli.metrics.registry import Need
from gan_cli.metrics.tables import column_distances
from gan_cli.protocols.data import Dataset, Density, Images, Modal, Rows, StoredSamples
from gan_cli.protocols.tables import Tabular

# Most samples on each side of an exact transport plan, and most generated and held-out ones of the memorization test.
MAX_TRANSPORTED = 1000
MAX_MEMORIZED = 2000


@dataclass(frozen=True)
class MomentInputs(Inputs):
    """Moments of all reference samples, which are cached, and of the generated ones."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        if reference.gaussian_moments is None:  # features have too many dimensions
            return None
        return reference.gaussian_moments, gaussian_moments(generated.features)


@dataclass(frozen=True)
class FeatureInputs(Inputs):
    """Features of generated samples and of as many real ones."""

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        return reference.matched, generated.features


@dataclass(frozen=True)
class ChannelClassInputs(Inputs):
    """Classes of the channels of generated images, such as the digits of Stacked MNIST."""

    by_backbone = False

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        return cls() if isinstance(backbone, ChannelwiseBackbone) else None

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        assert generated.predicted is not None
        return (generated.predicted,)


@dataclass(frozen=True)
class ClassInputs(Inputs):
    """Classes that the classifier predicts, and the labels of the training data.

    Attributes:
        classes: number of classes.
    """

    classes: int

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        if not isinstance(backbone, ClassifierBackbone):
            return None
        assert isinstance(source, Images)
        assert source.labels is not None
        return cls(int(source.labels.max()) + 1)

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        assert generated.predicted is not None
        assert reference.labels is not None
        return generated.predicted, reference.labels, self.classes


@dataclass(frozen=True)
class ImageInputs(Inputs):
    """Generated images in [-1, 1].

    Attributes:
        shape: shape of an image, whose pixels the features are.
    """

    shape: tuple[int, ...]
    by_backbone = False

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        return cls(dataset.shape) if isinstance(backbone, Pixels) and len(dataset.shape) == 3 else None

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        return (generated.features.reshape(-1, *self.shape),)


@dataclass(frozen=True)
class MixtureInputs(Inputs):
    """Generated points of the plane, and the modes of the mixture that they are to come from.

    Attributes:
        centres: means of the modes, in the data's own coordinates.
        std: their deviation.
    """

    centres: tuple[tuple[float, ...], ...]
    std: float
    by_backbone = False

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        if not isinstance(backbone, Pixels) or not isinstance(dataset, Modal):
            return None
        return cls(tuple(map(tuple, dataset.centres().tolist())), dataset.std)

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        return generated.features, np.array(self.centres, np.float32), self.std


@dataclass(frozen=True)
class HeldOutInputs(Inputs):
    """Features of equally many held-out and generated samples; the floor is that of training samples.

    Attributes:
        most: maximum number of samples on each side.
    """

    most: int = MAX_TRANSPORTED

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        count = self._count(reference, len(generated.features))
        return (reference.held_out[:count], generated.features[:count]) if count else None

    def floor(self, reference: ReferenceFeatures) -> Arguments | None:
        return self(reference, BackboneOutput(reference.matched))

    def counts(self, reference: ReferenceFeatures, generated: int) -> Mapping[str, object]:
        return {"transport_samples": self._count(reference, generated)}

    def _count(self, reference: ReferenceFeatures, generated: int) -> int:
        return min(self.most, len(reference.held_out), generated)


@dataclass(frozen=True)
class TrainingInputs(Inputs):
    """Features of all training samples, of held-out and of generated ones; the floor is one held-out half's.

    Attributes:
        most: maximum number of generated and of held-out samples that are used.
    """

    most: int = MAX_MEMORIZED

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        held_out = reference.held_out[: self.most]
        if reference.fresh or len(held_out) < 2:  # nothing can be memorized, or nothing to compare with
            return None
        return reference.training, held_out, generated.features[: self.most]

    def floor(self, reference: ReferenceFeatures) -> Arguments | None:
        halves = reference.held_out[::2], reference.held_out[1::2]
        return self(replace(reference, held_out=halves[0]), BackboneOutput(halves[1]))

    def counts(self, reference: ReferenceFeatures, generated: int) -> Mapping[str, object]:
        if reference.fresh:
            return {}
        counts = {
            "generated": min(self.most, generated),
            "held_out": min(self.most, len(reference.held_out)),
            "training": len(reference.training),
        }
        return {"memorisation_samples": counts}


@dataclass(frozen=True)
class TableInputs(Inputs):
    """Rows of a table, standardized: all that were trained on, and the generated ones.

    The floor is that of the rows set aside for it, against the rest of those trained on.

    Attributes:
        names: of the columns.
    """

    names: tuple[str, ...]
    by_backbone = False

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        if not (isinstance(source, Rows) and isinstance(dataset, Tabular) and isinstance(backbone, Pixels)):
            return None
        return cls(dataset.table_columns().names)

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        return reference.training, generated.features

    def remarks(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Mapping[str, object]:
        distances = column_distances(reference.training, generated.features)
        return {"worst_column": printable(self.names[int(distances.argmax())])}

    def floor(self, reference: ReferenceFeatures) -> Arguments | None:
        return reference.training[: reference.num_reference], reference.floor_samples.features


# Needs of metrics of images, points and rows; those of sequences are in ``text.py``, of test data in ``likelihood.py``.
INPUTS: Mapping[Need, type[Inputs]] = MappingProxyType(
    {
        "moments": MomentInputs,
        "features": FeatureInputs,
        "channel_classes": ChannelClassInputs,
        "classes": ClassInputs,
        "images": ImageInputs,
        "mixture": MixtureInputs,
        "table": TableInputs,
        "held_out": HeldOutInputs,
        "training": TrainingInputs,
    }
)
