"""Batch norm over several minibatches in one pass of a network: fewer, larger matrix products, the same results."""

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
    """Return whether the output for a sample depends on the others of its batch: with batch norm it does."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def per_minibatch_statistics(
    network: nn.Module, group: ProcessGroup | None = None
) -> Callable[[int], contextlib.AbstractContextManager[Any]]:
    """Return a function that makes contexts for passes of a network over k concatenated minibatches of one size.

    Inside ``context(k)`` batch norm takes the statistics of each minibatch by itself, in their order, as it would in
    k passes. Only its counter ``num_batches_tracked``, which nothing here reads, is incremented once.

    Args:
        network: to be called inside the context.
        group: processes that hold the other shards of each minibatch, over which batch norm takes its statistics too;
            None for statistics of the local shard.
    """
    if not couples_samples(network):
        return lambda batches: contextlib.nullcontext()

    def local(batches: int) -> contextlib.AbstractContextManager[Any]:
        return _BatchNorm(partial(_per_minibatch, batches)) if batches > 1 else contextlib.nullcontext()

    if group is None:
        return local
    synchronized = partial(_synchronized, group)

    @contextlib.contextmanager
    def over_group(batches: int) -> Iterator[None]:
        with _BatchNorm(synchronized), local(batches):
            yield

    return over_group


class _BatchNorm(TorchFunctionMode):
    """While active, another function with the signature of ``functional.batch_norm`` takes its place."""

    def __init__(self, replacement: Callable[..., Tensor]) -> None:
        super().__init__()
        self._replacement = replacement

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return (self._replacement if function is functional.batch_norm else function)(*args, **(kwargs or {}))


def _per_minibatch(batches: int, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Apply ``functional.batch_norm`` to each of k concatenated minibatches, ``(k N, C, ...)`` in and out."""
    return torch.cat([functional.batch_norm(batch, *args, **kwargs) for batch in input.chunk(batches)])


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
    """Apply ``functional.batch_norm`` to a batch whose shards lie on several processes, ``(N, C, ...)`` in and out.

    Works on CPUs too, unlike torch's own ``SyncBatchNorm``, and can be differentiated twice.
    """
    if not training:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    reduced = [dim for dim in range(input.dim()) if dim != 1]
    count = input.numel() // input.shape[1] * group.size

    def per_channel(channels: Tensor) -> Tensor:
        return channels.view(1, -1, *[1] * (input.dim() - 2))

    exact = input.float()
    mean = group.all_reduce_sum(exact.sum(reduced)) / count
    centred = exact - per_channel(mean)
    variance = group.all_reduce_sum((centred * centred).sum(reduced)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * count / (count - 1), momentum)
    scaled = centred * per_channel((variance + eps).rsqrt())
    if weight is not None and bias is not None:
        scaled = scaled * per_channel(weight) + per_channel(bias)
    return scaled.to(input.dtype)
