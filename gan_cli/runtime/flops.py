"""Counting floating-point operations by torch's formulas, without loading ``torch._dynamo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop

Formula = Callable[..., int]


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the operations of matrix products, convolutions and attention inside, as torch's ``FlopCounterMode`` does.

    That mode hides itself from ``torch.compile``, which imports ``torch._dynamo``: a third of the time to the first
    step. Nothing is compiled where this one counts. On the CPU, whose fused LSTM and attention torch's table lacks, it
    counts what torch's counts on the meta device.

    Attributes:
        total: multiplications and additions so far.
        outputs: numbers that they have computed so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch annotates no mode
        self.total = 0
        self.outputs = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, by which torch leaves the class without the wrapper that imports ``torch._dynamo``."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        out = func(*args, **options)
        operator = func._overloadpacket
        formula: Formula | None = _FUSED_ON_CPU.get(operator) or flop_registry.get(operator)
        if formula is not None:
            self.total += formula(*args, **options, out_val=out)
            self.outputs += out.numel() if isinstance(out, Tensor) else out[0].numel()
        return out


def _lstm_flops(samples: Tensor, input_weights: Tensor, hidden_weights: Tensor, *_: Any, **__: Any) -> int:
    """Count the products of one layer and direction of an LSTM; samples are ``(T, N, C)`` in any order of T and N."""
    return 2 * samples.shape[0] * samples.shape[1] * (input_weights.numel() + hidden_weights.numel())


_FUSED_ON_CPU: Mapping[Any, Formula] = {
    torch.ops.aten.mkldnn_rnn_layer: _lstm_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flop,
}
