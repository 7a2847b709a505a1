"""Building networks on torch's meta device without loading ``torch._dynamo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

FILLS = (Tensor.normal_, Tensor.uniform_)


class SkipInitialization(TorchFunctionMode):
    """Leave weights as they are where ``torch.nn.init`` would fill them, or a method that draws random numbers.

    On the meta device there is nothing to fill, and drawing from a normal distribution imports ``torch._dynamo``, which
    takes as long as importing torch.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        if func in FILLS or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else options["tensor"]
        return func(*args, **options)
