"""Several minibatches in one pass of a network: fewer, larger matrix products, and the same results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gan_cli.runtime.distributed import ProcessGroup


def couples_samples(network: nn.Module) -> bool:
    """Whether what the network makes of a sample depends on the others of its batch: batch norm does that."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def per_minibatch_statistics(
    network: nn.Module, synchronised: ProcessGroup | None = None
) -> Callable[[int], contextlib.AbstractContextManager[Any]]:
    """What gives the context for a pass of the network over a number of minibatches of one size, one behind the other.

    Args:
        network: to be called inside the context.
        synchronised: processes that hold the rest of each minibatch, over which batch norm takes its statistics too;
            None: over what is here.

    Batch norm takes the statistics of each by itself, in their order, as it would in a pass for each; its counter
    alone, which nothing here reads, goes up once.
    """
    if not couples_samples(network):
        return lambda batches: contextlib.nullcontext()

    def each(batches: int) -> contextlib.AbstractContextManager[Any]:
        return _BatchNorm(partial(_per_minibatch, batches)) if batches > 1 else contextlib.nullcontext()

    if synchronised is None:
        return each
    over_all = partial(_synchronized, synchronised)

    @contextlib.contextmanager
    def each_over_all(batches: int) -> Iterator[None]:
        with _BatchNorm(over_all), each(batches):
            yield

    return each_over_all


class _BatchNorm(TorchFunctionMode):
    """While entered, another function computes batch norm; it is given what the usual one would be."""

    def __init__(self, instead: Callable[..., Tensor]) -> None:
        super().__init__()
        self._instead = instead

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return (self._instead if function is functional.batch_norm else function)(*args, **(kwargs or {}))


def _per_minibatch(batches: int, together: Tensor, *settings: Any, **named: Any) -> Tensor:
    """``functional.batch_norm`` of each of so many batches, ``(k N, C, ...)`` in and out."""
    return torch.cat([functional.batch_norm(batch, *settings, **named) for batch in together.chunk(batches)])


def _synchronized(
    group: ProcessGroup,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``functional.batch_norm`` of a batch that several processes hold parts of, ``(N, C, ...)`` in and out.

    Works on CPUs too, unlike torch's own ``SyncBatchNorm``, and can be differentiated twice.
    """
    if not training:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    over = [dim for dim in range(input.dim()) if dim != 1]
    count = input.numel() // input.shape[1] * group.size

    def along(channels: Tensor) -> Tensor:
        return channels.view(1, -1, *[1] * (input.dim() - 2))

    exact = input.float()
    mean = group.all_reduce_sum(exact.sum(over)) / count
    centred = exact - along(mean)
    variance = group.all_reduce_sum((centred * centred).sum(over)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * count / (count - 1), momentum)
    scaled = centred * along((variance + eps).rsqrt())
    if weight is not None and bias is not None:
        scaled = scaled * along(weight) + along(bias)
    return scaled.to(input.dtype)
