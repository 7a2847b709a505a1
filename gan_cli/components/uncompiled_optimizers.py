"""torch's optimizers without what hides them from ``torch.compile``, which takes a second at their first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD, Optimizer


def _unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of torch without the wrapper, if it has one, that imports ``torch._dynamo``."""
    unwrapped: Callable[..., Any] = getattr(method, "__wrapped__", method)
    return unwrapped


class UncompiledOptimizer(Optimizer):
    """The methods of an optimizer as torch defines them; ``device.compile`` compiles networks alone."""

    add_param_group = _unwrapped(Optimizer.add_param_group)
    load_state_dict = _unwrapped(Optimizer.load_state_dict)
    state_dict = _unwrapped(Optimizer.state_dict)
    zero_grad = _unwrapped(Optimizer.zero_grad)


class UncompiledSGD(UncompiledOptimizer, SGD):
    """``torch.optim.SGD`` that does not import ``torch._dynamo``, which would double the time to the first step."""

    step = torch.no_grad()(_unwrapped(SGD.step))
