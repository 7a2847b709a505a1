"""Embeddings of what samples are conditional on: a class, several classes at once, or real numbers."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from gan_cli.errors import ConfigError
from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition

# Of the embedding of numbers: octaves of its Fourier features, from one period over the range of a number on, and the
# width of its two hidden layers.
OCTAVES, HIDDEN = 4, 128


class SumEmbedding(nn.Embedding):
    """Sum of the embeddings of the labels that hold: ``(N, K)`` of 0 and 1 ``-> (N, D)``, linear and without a bias.

    Weights are drawn from N(0, 1 / K): the sum of all labels is on the scale of the embedding of a single class.
    """

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1 / K)."""
        nn.init.normal_(self.weight, 0.0, self.num_embeddings**-0.5)

    def forward(self, vectors: Tensor) -> Tensor:
        """Embed vectors ``(N, K)``; between 0 and 1 labels hold in part."""
        return vectors @ self.weight


class NumberEmbedding(nn.Module):
    """Embedding of real numbers by Fourier features and a small MLP: ``(N, K)`` in the data's units ``-> (N, D)``.

    The label embedding of CcGAN's improved label input (Ding et al. 2021, section 2.3), which is an MLP of the number
    too, but trained beforehand, to match features of a regression of the number on images; here it is trained with the
    network that it is part of. Fourier features (Tancik et al. 2020) resolve small differences from the start.

    Args:
        condition: the numbers, whose ranges are mapped to [-1, 1].
        dimensions: of the embedding, D.
    """

    centre: Tensor
    half_range: Tensor
    frequencies: Tensor

    def __init__(self, condition: VectorCondition, dimensions: int) -> None:
        super().__init__()
        self.embedding_dim = dimensions
        low, high = torch.tensor(condition.ranges, dtype=torch.float64).reshape(-1, 2).unbind(1)
        half = (high - low) / 2
        # Buffers: an exported network takes the data's own units.
        self.register_buffer("centre", ((low + high) / 2).float())
        self.register_buffer("half_range", torch.where(half > 0, half, 1.0).float())
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(OCTAVES), persistent=False)
        self.hidden = nn.Sequential(
            nn.Linear(condition.size * (1 + 2 * OCTAVES), HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.LayerNorm(HIDDEN),
        )
        self.last = nn.Linear(HIDDEN, dimensions)
        self.initialize(1.0)

    def initialize(self, std: float) -> None:
        """Draw the last layer's weights such that embeddings have about this standard deviation; 0: all are 0."""
        nn.init.normal_(self.last.weight, 0.0, std * self.last.in_features**-0.5)
        nn.init.zeros_(self.last.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Embed vectors ``(N, K)``, finite, within the ranges or outside of them."""
        scaled = (vectors - self.centre) / self.half_range
        angles = (scaled[:, :, None] * self.frequencies).flatten(1)
        embedded: Tensor = self.last(self.hidden(torch.cat([scaled, angles.sin(), angles.cos()], dim=1)))
        return embedded


ConditionEmbedding: TypeAlias = nn.Embedding | NumberEmbedding


def embed_vectors(condition: VectorCondition, dimensions: int) -> ConditionEmbedding:
    """Build the embedding of vectors, by their kind."""
    if condition.kind is ConditionKind.several:
        return SumEmbedding(condition.size, dimensions)
    return NumberEmbedding(condition, dimensions)


def initialize_embedding(embedding: ConditionEmbedding, std: float) -> None:
    """Draw an embedding's weights such that its outputs have about this standard deviation.

    Those of several classes have it where all of them hold.
    """
    if isinstance(embedding, NumberEmbedding):
        embedding.initialize(std)
    elif isinstance(embedding, SumEmbedding):
        nn.init.normal_(embedding.weight, 0.0, std * embedding.num_embeddings**-0.5)
    else:
        nn.init.normal_(embedding.weight, 0.0, std)


def require_supported(architecture: object, condition: Condition) -> None:
    """Raise ``ConfigError`` where a condition is one of vectors, and an architecture is for classes alone.

    It is where the parameter of one of its methods that is handed the condition is annotated with ``int``.
    """
    if not isinstance(condition, VectorCondition):
        return
    for name in ("generator", "discriminator", "denoiser"):
        method = getattr(type(architecture), name, None)
        if inspect.isfunction(method) and _annotation_of_condition(method) is int:
            raise ConfigError(
                f"conditional: the samples have {condition.size} {condition.kind.value}, but"
                f" {type(architecture).__name__}.{name} is for classes alone (its parameter is an int)"
            )


def _annotation_of_condition(method: Callable[..., Any]) -> object:
    """Return the annotation of the parameter after ``self`` and the shape; None where it has none that can be read."""
    names = list(inspect.signature(method).parameters)
    try:
        return typing.get_type_hints(method).get(names[2]) if len(names) > 2 else None
    except (NameError, TypeError, AttributeError):  # names that are imported for type checkers alone
        return None


def example_labels(condition: Condition, count: int) -> list[Tensor]:
    """Return labels that a network can be called with, as a list of one argument, or of none without a condition.

    They are of the first class, ``(count,)`` int64, or vectors ``(count, K)`` float32 from the lower ends of all ranges
    to the upper ones.
    """
    if isinstance(condition, VectorCondition):
        low, high = torch.tensor(condition.ranges, dtype=torch.float32).reshape(-1, 2).unbind(1)
        return [low + torch.linspace(0, 1, count)[:, None] * (high - low)]
    return [torch.zeros(count, dtype=torch.int64)] if condition else []
