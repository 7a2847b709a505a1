"""Measures: a registered metric with the inputs that it needs of some data, for generated samples and for the floor."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from gan_cli.evaluation.backbones.base import Backbone, BackboneOutput
from gan_cli.evaluation.reference_features import ReferenceFeatures
from gan_cli.evaluation.standard_errors import deviation_over_halves
from gan_cli.metrics.registry import Metric
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Dataset, Density, StoredSamples

Arguments: TypeAlias = tuple[object, ...]


class Inputs(ABC):
    """Base of what metrics of one need get: frozen dataclasses, whose ``repr`` is part of cache keys.

    Attributes:
        by_backbone: whether the metrics' names end in that of the backbone.
    """

    by_backbone: ClassVar[bool] = True

    @classmethod
    def for_data(cls, dataset: Dataset, source: StoredSamples | Density, backbone: Backbone) -> Inputs | None:
        """Return the inputs for such data and such a backbone, or None where the metrics do not apply."""
        return cls()

    @abstractmethod
    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Arguments | None:
        """Return the arguments for generated samples; None where the real samples do not allow the metrics."""

    def floor(self, reference: ReferenceFeatures) -> Arguments | None:
        """Return the arguments for real samples in place of generated ones: those set aside for it."""
        return self(reference, reference.floor_samples)

    def counts(self, reference: ReferenceFeatures, generated: int) -> Mapping[str, object]:
        """Return numbers of samples for the provenance, where only a part of those generated is used."""
        return {}

    def remarks(self, reference: ReferenceFeatures, generated: BackboneOutput) -> Mapping[str, object]:
        """Return facts of generated samples that no number tells, for the provenance."""
        return {}


@dataclass(frozen=True)
class Measure:
    """A metric of generated samples beside a reference, and of real samples in their place.

    Attributes:
        metric: of the registry.
        inputs: makes its positional arguments.
        options: its keyword arguments.
    """

    metric: Metric
    inputs: Inputs
    options: Mapping[str, object]

    def __call__(self, reference: ReferenceFeatures, generated: BackboneOutput) -> dict[str, float]:
        """Return the numbers by name; empty where the metric does not apply to such data."""
        return self._numbers(reference, self.inputs(reference, generated))

    def tags(self, backbone: str) -> dict[str, str]:
        """Map the name of each number to that by features of a backbone."""
        return {info.name: info.tag(backbone) if self.inputs.by_backbone else info.name for info in self.metric.numbers}

    def floor(self, reference: ReferenceFeatures) -> dict[str, float]:
        """Return the same numbers for real samples in place of generated ones: their value from noise alone."""
        return self._numbers(reference, self.inputs.floor(reference))

    def errors(self, reference: ReferenceFeatures, generated: BackboneOutput) -> dict[str, float]:
        """Return the standard errors of the numbers for generated samples, estimated from halves of these.

        Halves are compared with half as many real samples, where their number counts.
        """
        count = len(generated.features)
        smaller = replace(reference, num_matched=min(reference.num_matched, count // 2))

        def numbers_of(rows: IntArray) -> dict[str, float]:
            predicted = None if generated.predicted is None else generated.predicted[rows]
            return self(smaller, BackboneOutput(generated.features[rows], predicted))

        return deviation_over_halves(numbers_of, count)

    @property
    def cache_key(self) -> list[str]:
        """Everything that the floor depends on apart from the samples, the code of the metric's module included."""
        module = inspect.getmodule(self.metric.function)
        assert module is not None
        code = hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
        return [self.metric.path, code, repr(self.inputs), repr(dict(self.options))]

    def _numbers(self, reference: ReferenceFeatures, arguments: Arguments | None) -> dict[str, float]:
        if arguments is None:
            return {}
        tags = self.tags(reference.backbone)
        found = self.metric.compute(*arguments, **self.options)
        return {tags[name]: float(value) for name, value in found.items()}
