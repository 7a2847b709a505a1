"""Optimizers of the networks: their configuration, and a wrapper with a scheduled learning rate on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import torch
from torch import Tensor

from gan_cli.components.fused_adam import FusedAdam
from gan_cli.components.ranges import NonNegative, Positive, Range, check_ranges
from gan_cli.components.uncompiled_optimizers import UncompiledSGD
from gan_cli.protocols.algorithm import Schedule

# A step count, exact in float32, for which Adam's bias correction 1 - beta^step is 1 for every beta < 1. Incrementing
# leaves it unchanged.
NO_BIAS_CORRECTION_STEP = 2.0**100

# Rates at which a run diverges are allowed: that is its own lesson, with an exit status of its own.
LearningRate: TypeAlias = Annotated[float, Range(0, 1e38, above=True)]
OwnLearningRate: TypeAlias = Annotated[float, Range(0, 1e38, note="0: this network stays as it is")] | None
Momentum: TypeAlias = Annotated[float, Range(0, 1, below=True)]


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(ABC):
    """Settings common to all optimizers: learning rates and their decay.

    Attributes:
        lr: the learning rate where no other is given.
        lr_g: that of G; None: ``lr``, 0: G is not trained.
        lr_d: that of D; None: ``lr``, 0: D is not trained.
        weight_decay: coefficient of the L2 penalty, added to the gradient.
        decay: from step to a factor on all rates; None: 1.
    """

    lr: LearningRate
    lr_g: OwnLearningRate = None
    lr_d: OwnLearningRate = None
    weight_decay: NonNegative = 0.0
    decay: Schedule | None = None

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def rate_g(self) -> float:
        """The learning rate of G, before any decay."""
        return self.lr if self.lr_g is None else self.lr_g

    @property
    def rate_d(self) -> float:
        """The learning rate of D, before any decay."""
        return self.lr if self.lr_d is None else self.lr_d

    def for_generator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """Build the optimizer of G."""
        return self._scheduled(parameters, self.rate_g)

    def for_discriminator(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """Build the optimizer of D."""
        return self._scheduled(parameters, self.rate_d)

    def for_all(self, parameters: Iterable[Tensor]) -> ScheduledOptimizer:
        """Build the optimizer of jointly trained networks, with the learning rate ``lr``."""
        return self._scheduled(parameters, self.lr)

    def _scheduled(self, parameters: Iterable[Tensor], lr: float) -> ScheduledOptimizer:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        return ScheduledOptimizer(self.optimizer(trained, lr), self.decay)

    @property
    def num_moments(self) -> int:
        """Number of tensors that the optimizer keeps for each parameter, as far as it is known; here 0."""
        return 0

    @abstractmethod
    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """Build the torch optimizer with these settings."""


@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
    """Adam (Kingma & Ba 2015); the defaults are those of the DCGAN paper (Radford et al. 2016, section 4).

    Attributes:
        betas: decay rates of the moving averages of the gradient (momentum) and of its square.
        eps: added to the root of the second moment, against division by zero.
    """

    lr: LearningRate = 2e-4
    betas: tuple[Momentum, Momentum] = (0.5, 0.999)
    eps: Positive = 1e-8

    @property
    def num_moments(self) -> int:
        return 1 if self.betas[0] == 0 and self.weight_decay == 0 else 2

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        return FusedAdam(parameters, lr, self.betas, self.eps, self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class RMSprop(OptimizerConfig):
    """RMSProp (Hinton 2012); the default learning rate is that of WGAN (Arjovsky et al. 2017, algorithm 1).

    Attributes:
        alpha: decay rate of the moving average of the squared gradient.
        eps: added to the root of that average, against division by zero.
    """

    lr: LearningRate = 5e-5
    alpha: Momentum = 0.99
    eps: Positive = 1e-8

    @property
    def num_moments(self) -> int:
        return 1 if self.weight_decay == 0 else 2

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        """Build a fused Adam that computes RMSProp, of which torch has no fused implementation.

        RMSProp is Adam with ``beta_1 = 0`` and without the bias correction ``1 - alpha^t``, which is 1 from a step
        count of ``NO_BIAS_CORRECTION_STEP`` on; then ``eps`` is added to the same root as in ``torch.optim.RMSprop``.
        The latter would be plainer, but ignores ``found_inf``, by which ``train.non_finite=skip`` leaves out an
        update, and with ``foreach=True`` passes over memory several times.
        """
        betas = (0.0, self.alpha)
        return FusedAdam(parameters, lr, betas, self.eps, self.weight_decay, first_step=NO_BIAS_CORRECTION_STEP)


@dataclass(frozen=True, kw_only=True)
class SGD(OptimizerConfig):
    """Gradient descent with momentum, as the first GANs were trained (Goodfellow et al. 2014).

    Attributes:
        momentum: share of the previous update that is added to the next one.
    """

    lr: LearningRate = 0.1
    momentum: Momentum = 0.5

    @property
    def num_moments(self) -> int:
        return 1 if self.momentum else 0

    def optimizer(self, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
        sgd = UncompiledSGD(parameters, lr, self.momentum, weight_decay=self.weight_decay, fused=True)
        if self.momentum:
            # torch allocates the buffers at the first step, and leaves them uninitialized if `found_inf` skips it.
            for parameter in parameters:
                zeros = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                sgd.state[parameter] = {"momentum_buffer": zeros}
        return sgd


class ScheduledOptimizer:
    """A torch optimizer with a scheduled learning rate in a device tensor, which a replayed CUDA graph reads anew.

    Attributes:
        optimizer: the torch optimizer, with a single parameter group.
        parameters: those that it updates.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, decay: Schedule | None) -> None:
        self.optimizer = optimizer
        self._decay = decay
        self.parameters: list[Tensor] = optimizer.param_groups[0]["params"]
        (group,) = optimizer.param_groups
        self._base = float(group["lr"])
        self._factor = 1.0
        self._lr = self.parameters[0].detach().new_tensor(self._base)
        # Reapplied after a checkpoint of another device is loaded.
        self._options = {key: value for key, value in group.items() if key != "params"} | {"lr": self._lr}
        self._set_rate(self._base)

    def set_step(self, step: int) -> None:
        """Set the learning rate to its value at ``step``."""
        if self._decay is not None:
            self._set_rate(self._factor * self._base * self._decay(step))

    def scale(self, factor: float) -> None:
        """Multiply the learning rate by ``factor`` from now on, in addition to its decay."""
        self._factor *= factor
        self._set_rate(self._rate * factor)

    def differentiate(self, loss: Tensor) -> None:
        """Set the gradients of the optimizer's parameters, and of nothing else, to those of ``loss``, 0-dimensional."""
        self.clear_gradient()
        self.add_gradient(loss)

    def clear_gradient(self) -> None:
        """Leave the parameters without gradients."""
        for parameter in self.parameters:  # as zero_grad(), which measures and groups what it sets to None
            parameter.grad = None

    def add_gradient(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``, 0-dimensional, to those of the optimizer's parameters, and to no others."""
        # No gradients of tensors that are not among the inputs: D's weights in G's update, and samples.
        torch.autograd.backward(loss, inputs=self.parameters)

    @property
    def present_gradients(self) -> list[Tensor]:
        """Gradients of those parameters that have one."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    @property
    def gradients_by_parameter(self) -> list[Tensor | None]:
        """The gradient of each parameter, None for one that the loss does not depend on."""
        return [parameter.grad for parameter in self.parameters]

    def step(self, found_nonfinite: Tensor | None = None) -> None:
        """Update the parameters unless ``found_nonfinite``, 0-dimensional float32 on the device, is other than 0."""
        # As torch.amp.GradScaler does: the fused kernels then change neither weights, state nor step count.
        self.optimizer.found_inf = found_nonfinite  # type: ignore[attr-defined]
        self.optimizer.step()

    @torch.no_grad()
    def reset_state(self) -> None:
        """Reset moments and step counts, as before the first step; the learning rate stays."""
        for state in self.optimizer.state.values():
            for name, value in state.items():
                if name == "step":
                    value.masked_fill_(value < NO_BIAS_CORRECTION_STEP, 0)
                else:
                    value.zero_()

    def moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return a parameter's state tensors of its own shape, such as momentum, by their names in torch."""
        state: dict[str, Any] = self.optimizer.state.get(parameter, {})
        return {
            name: value for name, value in state.items() if isinstance(value, Tensor) and value.shape == parameter.shape
        }

    @property
    def rate(self) -> float:
        return self._rate

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the torch optimizer, with the learning rate as a Python number."""
        state: dict[str, Any] = self.optimizer.state_dict()
        (group,) = state["param_groups"]
        return {**state, "param_groups": [{**group, "lr": self._rate}], "factor": self._factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load :meth:`state_dict`; options that depend on the device, such as ``capturable``, are kept."""
        self._factor = float(state["factor"])
        self.optimizer.load_state_dict({key: state[key] for key in ("state", "param_groups")})
        self._set_rate(float(state["param_groups"][0]["lr"]))

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        self._lr.fill_(rate)
        self.optimizer.param_groups[0].update(self._options)
