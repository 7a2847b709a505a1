"""Adam as one launch of torch's fused kernel, over parameters of one dtype on one device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor

from gan_cli.components.uncompiled_optimizers import UncompiledOptimizer


class FusedAdam(UncompiledOptimizer, torch.optim.Adam):
    """``torch.optim.Adam`` with ``fused=True``: the same kernel and the same numbers, with less Python.

    Torch's own ``step`` groups all tensors by device and dtype at every call, is wrapped for hooks and profiler, and
    increments a step count for each parameter, where here they lie in one tensor. It also stores the first moment where
    ``beta_1`` is 0 and there is no weight decay; there the first moment is the gradient, whose memory the kernel then
    reads and writes in its place: five passes over memory instead of seven.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        *,
        first_step: float = 0.0,
    ) -> None:
        """Set all moments to 0.

        Args:
            parameters: of one dtype, on one device.
            lr: learning rate.
            betas: decay rates of both moments, in [0, 1).
            eps: added to the root of the second moment.
            weight_decay: coefficient of the L2 penalty, added to the gradient.
            first_step: step count to begin with, on which the bias correction depends.
        """
        capturable = parameters[0].is_cuda
        super().__init__(parameters, lr, betas, eps, weight_decay, fused=True, capturable=capturable)
        moments = ["exp_avg_sq"] if betas[0] == 0 and weight_decay == 0 else ["exp_avg", "exp_avg_sq"]
        for parameter in parameters:
            zeros = {name: torch.zeros_like(parameter, memory_format=torch.preserve_format) for name in moments}
            step = torch.full((), first_step, dtype=torch.float32, device=parameter.device)
            self.state[parameter] = {"step": step, **zeros}
        self._steps = self._stack_steps()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of an optimizer of torch's or of this class; moments of another shape raise ``ValueError``."""
        super().load_state_dict(state_dict)
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            # Checkpoints of earlier versions hold a first moment for every `beta_1`.
            for name in state.keys() & {"exp_avg"} | {"exp_avg_sq"}:
                if not isinstance(state[name], Tensor) or state[name].shape != parameter.shape:
                    raise ValueError(f"{name} of the optimizer is not of the shape {tuple(parameter.shape)}")
        self._steps = self._stack_steps()

    def _stack_steps(self) -> Tensor:
        """Move the step counts of all parameters into one tensor ``(P,)``, and return it."""
        (group,) = self.param_groups
        states = [self.state[parameter] for parameter in group["params"]]
        stacked = torch.stack([state["step"] for state in states])
        for state, step in zip(states, stacked.unbind(), strict=True):
            state["step"] = step
        return stacked

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient, unless ``found_inf`` is set, as ``torch.amp.GradScaler`` does."""
        if closure is not None:
            raise NotImplementedError("a closure is not evaluated: call backward() before step()")
        (group,) = self.param_groups
        updated = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not updated:
            return None
        gradients = [parameter.grad for parameter in updated]
        states: list[dict[str, Any]] = [self.state[parameter] for parameter in updated]
        steps = [state["step"] for state in states]
        counts = [self._steps] if len(steps) == len(self._steps) else steps
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        torch._foreach_add_(counts, 1)
        torch._fused_adam_(
            updated,
            gradients,
            # Checkpoints of earlier versions hold a first moment for every `beta_1`.
            [state.get("exp_avg", gradient) for state, gradient in zip(states, gradients, strict=True)],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
            grad_scale=None,
            found_inf=found_inf,
        )
        if found_inf is not None:
            torch._foreach_sub_(counts, [found_inf] * len(counts))
        return None

    # By this mark torch wraps no `step` for hooks and the profiler, which takes longer than `step` itself.
    step.hooked = True  # type: ignore[attr-defined]
