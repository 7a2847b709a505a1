"""The networks of N runs as one: weights in common tensors, each layer a single operation for all runs."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from gan_cli.architectures.layers import ConditionalGenerator, ProjectionDiscriminator

# Modules without weights of their own, beside linear layers, that compute each row of a batch apart from the others.
_ROW_WISE_MODULES = frozenset(
    {
        ConditionalGenerator,
        ProjectionDiscriminator,
        nn.Sequential,
        nn.LeakyReLU,
        nn.ReLU,
        nn.Tanh,
        nn.Flatten,
        nn.Unflatten,
    }
)


class StackedNetwork(nn.Module):
    """N networks as one, ``(k N B, *in) -> (k N B, *out)``: k batches, each of N runs, each of B samples.

    Networks of linear layers and of what treats rows alike are called once on the rows of all runs, their linear layers
    replaced by batched products; all others, with batch norm, convolutions or embeddings, through ``torch.vmap``.
    """

    def __init__(self, networks: Sequence[nn.Module], batch_size: int) -> None:
        super().__init__()
        self._num_replicas, self._batch_size = len(networks), batch_size
        weights, buffers = stack_module_state(list(networks))
        # Ordered as in a single network: a ParameterDict sorts the keys of a plain dictionary.
        self._weights = nn.ParameterDict(
            OrderedDict((_parameter_key(name), nn.Parameter(value)) for name, value in weights.items())
        )
        self._names = {_parameter_key(name): name for name in (*weights, *buffers)}
        for name, value in buffers.items():
            self.register_buffer(_parameter_key(name), value)
        template = copy.deepcopy(networks[0]).to("meta")
        self._row_wise = type(template) is not nn.Linear and all(map(_is_row_wise, template.modules()))
        if self._row_wise:
            _stack_linear_layers(template)
        # In a list, so that it is no submodule: its layers are called with the stacked weights in place of their own.
        self._template = [template]
        self._parameter_slots = _parameter_slots(template, [*weights, *buffers])

    def train(self, mode: bool = True) -> StackedNetwork:
        """Set all layers to training or evaluation mode."""
        self._template[0].train(mode)
        return super().train(mode)

    def modules(self, *arguments: Any, **settings: Any) -> Any:
        """Yield the layers of one network beside this module's own, for callers that look for a kind of layer."""
        yield from super().modules(*arguments, **settings)
        yield from self._template[0].modules()

    def values(self) -> dict[str, Tensor]:
        """Return the stacked parameters and buffers, ``(N, *shape)`` each, by their names in a single network."""
        stacked = {**dict(self._weights.items()), **dict(self._buffers.items())}
        return {self._names[name]: value for name, value in stacked.items() if value is not None}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply each network to its rows."""
        batches = len(inputs[0]) // (self._num_replicas * self._batch_size)
        values = [*self._weights.values(), *self._buffers.values()]
        by_run = [self._group_by_run(rows, batches) for rows in inputs]
        if self._row_wise:
            out = self._call_template(values, *(rows.flatten(0, 1) for rows in by_run))
            out = out.view(self._num_replicas, -1, *out.shape[1:])
        else:
            out = torch.vmap(self._call_template)(values, *by_run)
        return out.reshape(self._num_replicas, batches, -1, *out.shape[2:]).transpose(0, 1).flatten(0, 2)

    def _call_template(self, values: list[Tensor], *rows: Tensor) -> Tensor:
        """Call the network with given weights, as ``torch.func.functional_call`` without its search of all modules."""
        for (slots, name), value in zip(self._parameter_slots, values, strict=True):
            slots[name] = value
        out: Tensor = self._template[0](*rows)
        return out

    def _group_by_run(self, rows: Tensor, batches: int) -> Tensor:
        """Reorder rows from ``(k N B, ...)`` to ``(N, k B, ...)``."""
        return rows.reshape(batches, self._num_replicas, -1, *rows.shape[1:]).transpose(0, 1).flatten(1, 2)


class StackedLinear(nn.Module):
    """The linear layers of N runs, ``(N B, in) -> (N B, out)``, rows ordered by run.

    One batched product, where ``torch.vmap`` makes a product, a scaled copy of the biases and a sum.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        """Take the parameters of a run's layer, in place of which :class:`StackedNetwork` puts those of all runs.

        Args:
            layer: with a bias.
        """
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Apply each run's layer to its rows."""
        by_run = rows.reshape(len(self.weight), -1, rows.shape[-1])
        products = torch.bmm(by_run, self.weight.mT).add_(self.bias.unsqueeze(1))
        # As in `torch.matmul`: no view for autograd, which would copy it where the activation after it is in place.
        out: Tensor = torch.ops.aten._unsafe_view(products, (len(rows), -1))
        return out


def _is_row_wise(module: nn.Module) -> bool:
    """Return whether a module computes each row apart, so that the rows of all runs can pass through it at once."""
    if type(module) is nn.Linear:
        return module.bias is not None
    if type(module) is nn.Flatten:
        return module.start_dim > 0
    if type(module) is nn.Unflatten:
        return module.dim != 0
    return type(module) in _ROW_WISE_MODULES


def _stack_linear_layers(network: nn.Module) -> None:
    """Replace all linear layers of a network by stacked ones, whose parameters have the same names."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                module.register_module(name, StackedLinear(child))


def _parameter_slots(network: nn.Module, names: Sequence[str]) -> list[tuple[dict[str, Any], str]]:
    """Return, for each name of a parameter or buffer, the dictionary of a module that holds it and its key there."""
    slots: list[tuple[dict[str, Any], str]] = []
    for path in names:
        owner, _, name = path.rpartition(".")
        module = network.get_submodule(owner)
        slots.append((module._parameters if name in module._parameters else module._buffers, name))
    return slots


def _parameter_key(name: str) -> str:
    """Replace the dots of a name, which a module does not allow in that of a parameter."""
    return name.replace(".", "/")
