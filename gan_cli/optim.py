"""Optimizers of the two networks, and the generator's moving average."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.errors import require
from gan_cli.protocols import Schedule


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """What every optimizer has: learning rates and their decay. ``lr_g`` and ``lr_d`` fall back to ``lr``.

    ``decay`` is a factor on both rates over the steps.
    """

    lr: float
    lr_g: float | None = None
    lr_d: float | None = None
    weight_decay: float = 0.0
    decay: Schedule | None = None

    def __post_init__(self) -> None:
        for key in ("lr", "lr_g", "lr_d"):
            value = getattr(self, key)
            require(value is None or value > 0, key, value, "a number > 0")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "a number >= 0")

    def for_generator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """The optimizer of G."""
        return self._scheduled(parameters, self.lr if self.lr_g is None else self.lr_g)

    def for_discriminator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """The optimizer of D."""
        return self._scheduled(parameters, self.lr if self.lr_d is None else self.lr_d)

    def _scheduled(self, parameters: Iterable[Tensor], lr: float) -> ScheduledOptimizer:
        return ScheduledOptimizer(self.optimizer(list(parameters), lr), self.decay)

    @abstractmethod
    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """The torch optimizer with these settings."""


@dataclass(frozen=True, kw_only=True)
class Adam(Recipe):
    """Adam (Kingma & Ba 2015); the defaults are those of the DCGAN paper (Radford et al. 2016, section 4)."""

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.eps > 0, "eps", self.eps, "a number > 0")
        require(all(0 <= beta < 1 for beta in self.betas), "betas", list(self.betas), "two numbers in [0, 1)")

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """One fused launch for all parameters."""
        return torch.optim.Adam(parameters, lr, self.betas, self.eps, self.weight_decay, fused=True)


@dataclass(frozen=True, kw_only=True)
class RMSprop(Recipe):
    """RMSProp (Hinton 2012); the default learning rate is that of the WGAN paper."""

    lr: float = 5e-5
    alpha: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.eps > 0, "eps", self.eps, "a number > 0")
        require(0 <= self.alpha < 1, "alpha", self.alpha, "a number in [0, 1)")

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """torch has no fused RMSProp: one launch an operation instead, for all parameters together."""
        return torch.optim.RMSprop(
            parameters,
            lr,
            self.alpha,
            self.eps,
            self.weight_decay,
            foreach=True,
            capturable=parameters[0].is_cuda,
        )


@dataclass(frozen=True, kw_only=True)
class SGD(Recipe):
    """Gradient descent with momentum, as the first GANs were trained (Goodfellow et al. 2014)."""

    lr: float = 0.1
    momentum: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.momentum < 1, "momentum", self.momentum, "a number in [0, 1)")

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """One fused launch for all parameters."""
        return torch.optim.SGD(parameters, lr, self.momentum, weight_decay=self.weight_decay, fused=True)


@dataclass
class ScheduledOptimizer:
    """An optimizer whose learning rate is a function of the step."""

    optimizer: torch.optim.Optimizer
    decay: Schedule | None
    _base: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._base = [float(group["lr"]) for group in self.optimizer.param_groups]

    def set_step(self, step: int) -> None:
        """Bring the learning rate to its value at ``step``."""
        if self.decay is not None:
            factor = self.decay(step)
            for group, lr in zip(self.optimizer.param_groups, self._base, strict=True):
                group["lr"] = lr * factor

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """The state of the torch optimizer."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.optimizer.load_state_dict(state)


class MovingAverage:
    """Exponential moving average of a network's parameters and of its buffers, where these are real numbers.

    After ``half_life`` updates a weight's influence has halved. Early on the average only reaches back over half
    of the updates made so far, so that the random initial weights are forgotten. ``half_life`` 0 follows the
    network without averaging.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._half_life = half_life
        self._averaged, self._copied = _by_kind(self.network)
        self._live, self._counters = _by_kind(network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the network's weights after update number ``step``, counted from 0."""
        half_life = min(self._half_life, (step + 1) / 2)
        weight = 1.0 - 0.5 ** (1.0 / half_life) if half_life > 0 else 1.0
        torch._foreach_lerp_(self._averaged, self._live, weight)
        if self._copied:
            torch._foreach_copy_(self._copied, self._counters)


def _by_kind(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Tensors of a network that can be averaged, and those that can only be copied (batch norm's counters)."""
    tensors = [*network.parameters(), *network.buffers()]
    return [item for item in tensors if item.is_floating_point()], [
        item for item in tensors if not item.is_floating_point()
    ]
