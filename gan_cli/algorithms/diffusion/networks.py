"""Parts that denoisers share: their interface, the embedding of time and label, and calls in a number format."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gan_cli.architectures.conditioning import embed_vectors
from gan_cli.protocols.conditions import Condition, VectorCondition
from gan_cli.runtime.device import Device

# Of the sinusoidal embedding: 1 / its lowest frequency, and the range of its argument (Ho et al. 2020, section 4).
MAX_PERIOD = 10_000
TIME_RANGE = 1000


@runtime_checkable
class DenoiserArchitecture(Protocol):
    """Builds the network that predicts the noise, or v, of a noisy sample."""

    def denoiser(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build ``(N, *shape), (N,) time in (0, 1] -> (N, *shape)``; raises ``ConfigError`` if it cannot fit.

        With ``classes`` > 0 labels ``(N,)`` int64 are a third argument, of which ``classes`` itself means no class;
        with vectors as the condition ``(N, K)`` float32, of which those with a NaN mean that nothing is known.
        """
        ...


class Conditioning(nn.Module):
    """Embedding of the time and, where there are labels, of the label: ``(N,), (N,) -> (N, features)``.

    Sines and cosines of the time as in a Transformer (Vaswani et al. 2017, section 3.5), and two layers; the label is
    added in between.

    Args:
        features: dimensions of the embedding.
        classes: number of classes, or the vectors; 0: there are none. One more embedding stands for an unknown label.
    """

    frequencies: Tensor

    def __init__(self, features: int, classes: Condition) -> None:
        super().__init__()
        half = max(2, features // 2)
        exponents = torch.arange(half, dtype=torch.float32) / (half - 1)
        self.register_buffer("frequencies", TIME_RANGE * (-math.log(MAX_PERIOD) * exponents).exp(), persistent=False)
        self.first = nn.Linear(2 * half, features)
        self.second = nn.Linear(features, features)
        self.classes = _embedding_of_known(classes, features)

    def forward(self, time: Tensor, labels: Tensor | None = None) -> Tensor:
        angles = time[:, None] * self.frequencies
        hidden: Tensor = self.first(torch.cat([angles.sin(), angles.cos()], dim=1))
        if self.classes is not None:
            hidden = hidden + self.classes(labels)
        embedded: Tensor = self.second(nn.functional.silu(hidden))
        return nn.functional.silu(embedded)


class _KnownVectors(nn.Module):
    """Embedding of vectors ``(N, K)``, with a learned vector in place of those that have a NaN."""

    def __init__(self, condition: VectorCondition, features: int) -> None:
        super().__init__()
        self.embedding = embed_vectors(condition, features)
        self.unknown = nn.Parameter(torch.randn(features))

    def forward(self, vectors: Tensor) -> Tensor:
        missing = vectors.isnan().any(1, keepdim=True)
        known: Tensor = self.embedding(torch.where(missing, 0.0, vectors))
        return torch.where(missing, self.unknown.to(known.dtype), known)


def _embedding_of_known(condition: Condition, features: int) -> nn.Module | None:
    """Build the embedding of labels, of which one is unknown; None where there are none."""
    if isinstance(condition, VectorCondition):
        return _KnownVectors(condition, features)
    return nn.Embedding(condition + 1, features) if condition else None


def unknown_labels(condition: Condition, labels: Tensor) -> Tensor:
    """Return labels like these, ``(N,)`` or ``(N, K)``, of which a denoiser takes that nothing is known."""
    return torch.full_like(labels, math.nan if isinstance(condition, VectorCondition) else condition)


def in_float32(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Call a layer outside of autocast.

    For coordinates of points: bf16 rounds those near 1 to multiples of 1/256, as coarse as a mode of a mixture is wide.
    """
    kind = inputs.device.type
    active = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    # Without autocast no context at all, which torch.export would record.
    with torch.autocast(kind, enabled=False) if active else nullcontext():
        outputs: Tensor = layer(inputs.float())
    return outputs


def zero_initialized(layer: nn.Module) -> nn.Module:
    """Set the weights of a layer to zero, so that it contributes nothing at first; returns the layer."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class InPrecision(nn.Module):
    """A denoiser in a device's number format, for sampling; predictions are float32."""

    def __init__(self, denoiser: nn.Module, device: Device) -> None:
        super().__init__()
        self.denoiser = denoiser
        self._device = device

    def forward(self, samples: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        with self._device.precision():
            predicted: Tensor = self.denoiser(samples, time, *([] if labels is None else [labels]))
        return predicted.float()
