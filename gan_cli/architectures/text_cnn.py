"""A convolutional discriminator of sequences of tokens (Zhang & LeCun 2015; Yu et al. 2017, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_cli.architectures.language_model import autocast_dtype
from gan_cli.components.ranges import NonNegative, Range, Width, Widths, check_ranges
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.architecture import SequenceDiscriminator

# Initial bias of the highway layer's gate: negative, so that the layer starts near the identity.
GATE_BIAS = -2.0


@dataclass(frozen=True)
class HighwayCNN:
    """Convolutions with several kernel sizes, the maximum over time, a highway layer, dropout, one logit.

    The defaults are those of the paper's code for sequences of 20 tokens. Kernels longer than the sequences are left
    out.

    Attributes:
        embedding: dimensions of the token embeddings.
        sizes: kernel sizes in tokens.
        filters: number of filters of each size.
        keep: share of features that dropout keeps.
        l2: factor on half the squared norm of the output layer's weights and bias in D's loss.
    """

    embedding: Width = 64
    sizes: tuple[Annotated[int, Range(1, 1024)], ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)
    filters: Widths = (100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160)
    keep: Annotated[float, Range(0, 1, above=True)] = 0.75
    l2: NonNegative = 0.2

    def __post_init__(self) -> None:
        check_ranges(self)
        require(len(self.sizes) >= 1, "sizes", list(self.sizes), "a list of integers >= 1, tokens in a window")
        fits = len(self.filters) == len(self.sizes)
        require(fits, "filters", list(self.filters), f"a list of {len(self.sizes)} integers >= 1, one a size")

    def build(self, vocabulary: int, length: int) -> HighwayDiscriminator:
        """Build the network for sequences of ``length`` tokens.

        Raises:
            ConfigError: all kernels are longer than that.
        """
        fitting = {size: count for size, count in zip(self.sizes, self.filters, strict=True) if size <= length}
        if not fitting:
            raise ConfigError(f"architecture.reader_model.sizes: expected one <= {length}, the length of sequences")
        return HighwayDiscriminator(vocabulary, self.embedding, fitting, self.keep, self.l2)


class HighwayDiscriminator(SequenceDiscriminator):
    """A network from ``(N, T)`` int64, or ``(N, T, V)`` token weights, to ``(N,)`` logits of being real.

    Args:
        vocabulary: number of tokens, V.
        embedding: dimensions of the token embeddings.
        filters: kernel size -> number of filters.
        keep: share of features that dropout keeps.
        l2: factor on the penalty.
    """

    def __init__(self, vocabulary: int, embedding: int, filters: dict[int, int], keep: float, l2: float) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(vocabulary, embedding).uniform_(-1.0, 1.0))
        self.sizes = tuple(filters)
        self.windows = nn.ModuleList(_window(size * embedding, count) for size, count in filters.items())
        features = sum(filters.values())
        self.transform = _highway(features, 0.0)
        self.gate = _highway(features, GATE_BIAS)
        self.dropout = nn.Dropout(1.0 - keep)
        self.output = _output(features)
        self._l2 = l2

    def forward(self, sequences: Tensor) -> Tensor:
        """Compute logits ``(N,)`` float32 of sequences ``(N, T)`` int64, or of token weights ``(N, T, V)``."""
        relaxed = sequences.is_floating_point()
        embedded = sequences @ self.embedding if relaxed else functional.embedding(sequences, self.embedding)
        features = self.features(embedded)
        gate = self.gate(features).sigmoid()
        highway = features + gate * (self.transform(features).relu() - features)
        logits: Tensor = self.output(self.dropout(highway)).squeeze(1).float()
        return logits

    def features(self, embedded: Tensor) -> Tensor:
        """Compute the maximum over time of each filter's response, ``(N, T, E) -> (N, F)``."""
        count, length, width = embedded.shape
        # Cast to the autocast dtype once here instead of in every product below.
        flat = embedded.to(autocast_dtype(embedded.device)).reshape(count, length * width)
        maxima = []
        layers = cast(Iterable[nn.Linear], self.windows)
        for size, layer in zip(self.sizes, layers, strict=True):
            # A product of unfolded windows takes half the time of conv1d on a CPU.
            windows = flat.unfold(1, size * width, width)
            responses = windows.reshape(-1, size * width) @ layer.weight.t()
            # Bias and ReLU are monotonic, so they may follow the maximum.
            maxima.append(responses.view(count, length - size + 1, -1).amax(1) + layer.bias)
        return torch.cat(maxima, dim=1).relu()

    def penalty(self) -> Tensor:
        """Compute the L2 penalty on the output layer, 0-dimensional."""
        return 0.5 * self._l2 * (self.output.weight.square().sum() + self.output.bias.square().sum())


def _window(inputs: int, filters: int) -> nn.Linear:
    """Build the filters of one kernel size, with He initialisation (He et al. 2015) and biases of 0."""
    layer = nn.Linear(inputs, filters)
    nn.init.normal_(layer.weight, std=(2.0 / inputs) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer


def _highway(features: int, bias: float) -> nn.Linear:
    """Build a layer with uniform weights after Glorot & Bengio (2010), as in the paper's code, and a constant bias."""
    layer = nn.Linear(features, features)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.constant_(layer.bias, bias)
    return layer


def _output(features: int) -> nn.Linear:
    """Build the output layer with small weights, so that D starts near 1/2.

    In the paper's code initial logits have a standard deviation of 6, which D has to unlearn first.
    """
    layer = nn.Linear(features, 1)
    nn.init.normal_(layer.weight, std=0.1 * features**-0.5)
    nn.init.zeros_(layer.bias)
    return layer
