"""Optimizers of the two networks, and the generator's moving average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.errors import require
from gan_cli.protocols.algorithm import Schedule

# A number of steps, exact in float32, to whose power every alpha < 1 is 0; counting on from it changes nothing.
NO_BIAS_CORRECTION_STEP = 2.0**100


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(ABC):
    """What every optimizer has: learning rates and their decay. ``lr_g`` and ``lr_d`` fall back to ``lr``.

    ``decay`` is a factor on both rates over the steps. ``lr_g`` or ``lr_d`` = 0: that network stays as it is.
    """

    lr: float
    lr_g: float | None = None
    lr_d: float | None = None
    weight_decay: float = 0.0
    decay: Schedule | None = None

    def __post_init__(self) -> None:
        require(self.lr > 0, "lr", self.lr, "a number > 0")
        for key in ("lr_g", "lr_d"):
            value = getattr(self, key)
            require(value is None or value >= 0, key, value, "a number >= 0 (0: this network stays as it is)")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "a number >= 0")

    def for_generator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """The optimizer of G."""
        return self._scheduled(parameters, self.lr if self.lr_g is None else self.lr_g)

    def for_discriminator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """The optimizer of D."""
        return self._scheduled(parameters, self.lr if self.lr_d is None else self.lr_d)

    def for_all(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """The optimizer of networks that learn together, at the rate ``lr``."""
        return self._scheduled(parameters, self.lr)

    def _scheduled(self, parameters: Iterable[Tensor], lr: float) -> ScheduledOptimizer:
        return ScheduledOptimizer(self.optimizer(list(parameters), lr), self.decay)

    @abstractmethod
    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """The torch optimizer with these settings."""


@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
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
        return _fused_adam(parameters, lr, self.betas, self.eps, self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class RMSprop(OptimizerConfig):
    """RMSProp (Hinton 2012); the default learning rate is that of the WGAN paper."""

    lr: float = 5e-5
    alpha: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.eps > 0, "eps", self.eps, "a number > 0")
        require(0 <= self.alpha < 1, "alpha", self.alpha, "a number in [0, 1)")

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """One fused launch for all parameters: torch has none of RMSProp, but of Adam.

        RMSProp is Adam without momentum and without the correction of the early steps, ``1 - alpha^t``. That factor
        is 1 for good where the count of steps begins beyond anything that counts.
        """
        adam = _fused_adam(parameters, lr, (0.0, self.alpha), self.eps, self.weight_decay)
        for parameter in parameters:
            adam.state[parameter] = {
                "step": torch.full((), NO_BIAS_CORRECTION_STEP, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
        return adam


def _fused_adam(
    parameters: list[Tensor], lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> torch.optim.Adam:
    capturable = parameters[0].is_cuda
    return torch.optim.Adam(parameters, lr, betas, eps, weight_decay, fused=True, capturable=capturable)


@dataclass(frozen=True, kw_only=True)
class SGD(OptimizerConfig):
    """Gradient descent with momentum, as the first GANs were trained (Goodfellow et al. 2014)."""

    lr: float = 0.1
    momentum: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.momentum < 1, "momentum", self.momentum, "a number in [0, 1)")

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """One fused launch for all parameters."""
        sgd = torch.optim.SGD(parameters, lr, self.momentum, weight_decay=self.weight_decay, fused=True)
        if self.momentum:
            # torch makes them at the first step, and leaves them as memory happens to be if that step is left out.
            for parameter in parameters:
                zeros = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                sgd.state[parameter] = {"momentum_buffer": zeros}
        return sgd


class ScheduledOptimizer:
    """An optimizer whose learning rate is a function of the step: a number on the device, so that a replay reads it."""

    def __init__(self, optimizer: torch.optim.Optimizer, decay: Schedule | None) -> None:
        self.optimizer = optimizer
        self._decay = decay
        self.parameters: list[Tensor] = optimizer.param_groups[0]["params"]
        (group,) = optimizer.param_groups
        self._base = float(group["lr"])
        self._factor = 1.0
        self._lr = self.parameters[0].detach().new_tensor(self._base)
        # How the optimizer is to work on this device.
        self._options = {key: value for key, value in group.items() if key != "params"} | {"lr": self._lr}
        self._set_rate(self._base)

    def set_step(self, step: int) -> None:
        """Bring the learning rate to its value at ``step``."""
        if self._decay is not None:
            self._set_rate(self._factor * self._base * self._decay(step))

    def scale(self, factor: float) -> None:
        """Multiply the learning rate, whatever its decay, from now on."""
        self._factor *= factor
        self._set_rate(self._rate * factor)

    def differentiate(self, loss: Tensor) -> None:
        """Give the optimizer's parameters, and nothing else, the gradient of ``loss``, 0-dimensional."""
        self.optimizer.zero_grad()
        # What is not among the inputs neither computes nor keeps a gradient: D's weights in G's update, and samples.
        torch.autograd.backward(loss, inputs=self.parameters)

    @property
    def gradients(self) -> list[Tensor]:
        """Of the parameters that have one."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def step(self, found_nonfinite: Tensor | None = None) -> None:
        """One step along the gradient; none where ``found_nonfinite``, 0-dimensional float32 on the device, is not 0."""
        # What torch.amp.GradScaler tells a fused optimizer by: its kernels change nothing then, its count stays.
        self.optimizer.found_inf = found_nonfinite  # type: ignore[attr-defined]
        self.optimizer.step()

    @torch.no_grad()
    def reset_state(self) -> None:
        """Go on as if no step had been made yet; the learning rate stays."""
        for state in self.optimizer.state.values():
            for name, value in state.items():
                if name == "step":
                    value.masked_fill_(value < NO_BIAS_CORRECTION_STEP, 0)
                else:
                    value.zero_()

    def moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """What is kept of a parameter's gradients, by its name in torch; tensors of the parameter's shape."""
        state: dict[str, Any] = self.optimizer.state.get(parameter, {})
        return {
            name: value for name, value in state.items() if isinstance(value, Tensor) and value.shape == parameter.shape
        }

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        return self._rate

    def state_dict(self) -> dict[str, Any]:
        """The state of the torch optimizer, the learning rate as a plain number."""
        state: dict[str, Any] = self.optimizer.state_dict()
        (group,) = state["param_groups"]
        return {**state, "param_groups": [{**group, "lr": self._rate}], "factor": self._factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; how the optimizer works on this device stays as it is."""
        self._factor = float(state["factor"])
        self.optimizer.load_state_dict({key: state[key] for key in ("state", "param_groups")})
        self._set_rate(float(state["param_groups"][0]["lr"]))

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        self._lr.fill_(rate)
        self.optimizer.param_groups[0].update(self._options)
