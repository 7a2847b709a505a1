"""Spectral normalisation of all weights of a network together (Miyato et al. 2018).

torch's parametrization normalises each weight by itself, in some thirty launches of a few microseconds, and makes a
power iteration at each forward pass. Here the weights of a network are stacked in a few batches of matrices, zeros
added to the smaller ones, which changes no singular value; and a power iteration is made where the trainer asks for
it, once for each update of D, as in algorithm 1 of the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from gan_cli.architectures.layers import without_autocast
from gan_cli.errors import ConfigError

# Power iterations by which the singular vectors of the initial weights are estimated, as in torch.
INITIAL_ITERATIONS = 16
# Most elements of the stacked matrices of a network, as a multiple of those of its weights.
MAX_PADDING = 1.25
EPS = 1e-12


def apply_spectral_norm(network: nn.Module) -> nn.Module:
    """Divide every weight matrix of the network by its largest singular value, in place (Miyato et al. 2018).

    Names of parameters and buffers are those of ``torch.nn.utils.parametrizations.spectral_norm``.

    Raises:
        ConfigError: there is no weight matrix.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d, nn.Embedding))]
    if not layers:
        raise ConfigError("architecture.spectral_norm: expected false for a discriminator without weight matrices")
    for layer in layers:
        register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    together = _NormalizeTogether(_batches(network))
    network.register_forward_pre_hook(together.normalize)
    network.register_forward_hook(together.forget, always_call=True)
    return network


def has_spectral_norm(network: nn.Module) -> bool:
    """Return whether a weight of the network has the spectral norm of this module."""
    return any(isinstance(module, SpectralNorm) for module in network.modules())


class PowerIteration:
    """Makes a power iteration for all weights that have spectral norm: ``u = W v``, ``v = W^T u``, each of norm 1."""

    def __init__(self, network: nn.Module) -> None:
        """Find the weights of ``network`` that have spectral norm and are trained; it may have none.

        Those of frozen layers keep their singular vectors: another estimate of the norm would change the layer.
        """
        self._batches = _batches(network, trained_only=True)

    @torch.no_grad()
    def __call__(self) -> None:
        """Update the buffers ``_u`` and ``_v`` of every weight."""
        for batch in self._batches:
            weights = batch.weights()
            u = normalize(weights @ batch.v()[:, :, None], dim=1)
            v = normalize(weights.mT @ u, dim=1)
            batch.set(u[:, :, 0], v[:, :, 0])


class SpectralNorm(nn.Module):
    """Parametrization of a weight: the weight divided by an estimate of its largest singular value, ``u^T W v``.

    The weight is a matrix of an output a row. Gradients pass through the estimate, of which ``u`` and ``v`` are
    constants (eq. 12 of the paper).
    """

    _u: Tensor  # (rows,)
    _v: Tensor  # (1, *weight.shape[1:]), so that it takes the memory layout of the weight

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        u, v = (normalize(matrix.new_empty(size).normal_(), dim=0, eps=EPS) for size in matrix.shape)
        for _ in range(INITIAL_ITERATIONS):
            u = normalize(matrix @ v, dim=0, eps=EPS)
            v = normalize(matrix.T @ u, dim=0, eps=EPS)
        self.register_buffer("_u", u)
        self.register_buffer("_v", v.view(1, *weight.shape[1:]))
        # The result for the forward pass of the network that is under way.
        self.normalized: Tensor | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight, normalised; within a pass of the network what was computed for all of its weights."""
        if self.normalized is not None:
            return self.normalized
        return weight / (self._u @ (_matrix(weight, weight) @ _matrix(self._v, weight).flatten()))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}_v"] = destination[f"{prefix}_v"].flatten()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        vector = state_dict.get(f"{prefix}_v")
        if vector is not None and vector.numel() == self._v.numel():
            state_dict[f"{prefix}_v"] = vector.view_as(self._v)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


@dataclass(frozen=True)
class _Batch:
    """Weights that are stacked as matrices of one shape, zeros added to the smaller ones.

    Attributes:
        layers: those of the weights.
        norms: the parametrizations of the weights.
        rows, columns: of the matrices.
    """

    layers: Sequence[nn.Module]
    norms: Sequence[SpectralNorm]
    rows: int
    columns: int

    @property
    def originals(self) -> list[Tensor]:
        """The weights before they are normalised."""
        return [_original(layer) for layer in self.layers]

    def weights(self) -> Tensor:
        """Stack the weights, ``(N, rows, columns)``."""
        return self._stack([_matrix(weight, weight) for weight in self.originals], self.rows, self.columns)

    def u(self) -> Tensor:
        """Stack the left singular vectors, ``(N, rows)``."""
        return self._stack([norm._u[None] for norm in self.norms], 1, self.rows)[:, 0]

    def v(self) -> Tensor:
        """Stack the right singular vectors, ``(N, columns)``."""
        vectors = [_matrix(norm._v, weight) for norm, weight in zip(self.norms, self.originals, strict=True)]
        return self._stack(vectors, 1, self.columns)[:, 0]

    def set(self, u: Tensor, v: Tensor) -> None:
        """Set the singular vectors to those stacked in ``u`` and ``v``."""
        torch._foreach_copy_(
            [norm._u for norm in self.norms], [row[: len(norm._u)] for row, norm in zip(u, self.norms, strict=True)]
        )
        rows = zip(v, self.norms, self.originals, strict=True)
        torch._foreach_copy_(
            [norm._v for norm in self.norms], [_weight(row[None], norm._v.shape, weight) for row, norm, weight in rows]
        )

    def normalized(self) -> Tensor:
        """Stack the normalised weights, ``(N, rows, columns)``."""
        weights, u, v = self.weights(), self.u(), self.v()
        sigma = u[:, None] @ (weights @ v[:, :, None])
        return weights * sigma.reciprocal()

    @staticmethod
    def _stack(matrices: Sequence[Tensor], rows: int, columns: int) -> Tensor:
        def padded(matrix: Tensor) -> Tensor:
            missing = (rows - matrix.shape[0], columns - matrix.shape[1])
            return pad(matrix, (0, missing[1], 0, missing[0])) if any(missing) else matrix

        return torch.stack([padded(matrix) for matrix in matrices])


@dataclass(frozen=True)
class _NormalizeTogether:
    """Hooks of a network that normalise its weights before a forward pass, and forget the result after it."""

    batches: Sequence[_Batch]

    def normalize(self, network: nn.Module, inputs: object) -> None:
        device = next(network.parameters()).device.type
        autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        for batch in self.batches:
            originals = batch.originals
            if autocast:
                # Sums of thousands of products are no task for bf16; the result is converted once for all weights.
                with without_autocast(device):
                    exact = batch.normalized()
                low = exact.to(torch.get_autocast_dtype(device))
            else:
                exact = low = batch.normalized()
            each = zip(batch.layers, batch.norms, originals, exact.unbind(), low.unbind(), strict=True)
            for layer, norm, weight, matrix, low_matrix in each:
                # Autocast converts the weights of products and convolutions, not those of embeddings.
                chosen = matrix if isinstance(layer, nn.Embedding) else low_matrix
                norm.normalized = _weight(chosen, weight.shape, weight)

    def forget(self, network: nn.Module, inputs: object, output: object) -> None:
        for batch in self.batches:
            for norm in batch.norms:
                norm.normalized = None


def _batches(network: nn.Module, trained_only: bool = False) -> list[_Batch]:
    """Return the weights of a network that have spectral norm in as few batches as ``MAX_PADDING`` allows."""
    layers = [
        (layer, norm)
        for layer in network.modules()
        if is_parametrized(layer, "weight")
        for norm in layer.parametrizations.weight  # type: ignore[union-attr]
        if isinstance(norm, SpectralNorm) and (_original(layer).requires_grad or not trained_only)
    ]
    shapes = [(norm._u.numel(), norm._v.numel()) for _, norm in layers]
    batch_of = _merged(Counter(shapes))
    batches = []
    for size in sorted(set(batch_of.values())):
        members = [pair for pair, shape in zip(layers, shapes, strict=True) if batch_of[shape] == size]
        batches.append(_Batch([layer for layer, _ in members], [norm for _, norm in members], *size))
    return batches


def _original(layer: nn.Module) -> Tensor:
    """Return the weight of a layer before it is normalised."""
    original: Tensor = layer.parametrizations.weight.original  # type: ignore[union-attr, assignment]
    return original


def _merged(counts: Counter[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the size of the batch that matrices of each shape belong to.

    Args:
        counts: shape -> number of matrices.
    """

    def elements(size: tuple[int, int]) -> int:
        return counts_of[size] * size[0] * size[1]

    counts_of, batch_of = Counter(counts), {shape: shape for shape in counts}
    limit = MAX_PADDING * sum(map(elements, counts))
    while len(counts_of) > 1:
        unions = []
        for first, second in combinations(sorted(counts_of), 2):
            union = (max(first[0], second[0]), max(first[1], second[1]))
            added = (counts_of[first] + counts_of[second]) * union[0] * union[1] - elements(first) - elements(second)
            unions.append((added, union, {first, second}))
        added, union, parts = min(unions, key=lambda each: each[:2])
        if sum(map(elements, counts_of)) + added > limit:
            break
        merged = sum(counts_of.pop(part) for part in parts)
        counts_of[union] += merged
        batch_of = {shape: union if batch in parts else batch for shape, batch in batch_of.items()}
    return batch_of


def _matrix(values: Tensor, weight: Tensor) -> Tensor:
    """View values of the shape of (rows of) a weight as a matrix, columns in the order of the weight's memory."""
    return values.flatten(1) if weight.is_contiguous() else values.permute(0, 2, 3, 1).flatten(1)


def _weight(matrix: Tensor, shape: Sequence[int], weight: Tensor) -> Tensor:
    """Invert :func:`_matrix` for values of this shape, of which the matrix may have more rows and columns."""
    rows, columns = shape[0], weight[0].numel()
    part = matrix[:rows, :columns]
    if weight.is_contiguous():
        return part.reshape(tuple(shape))
    _, channels, *kernel = shape
    return part.reshape(rows, *kernel, channels).permute(0, 3, 1, 2)
