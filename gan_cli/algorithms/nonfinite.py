"""Policies for losses and gradients that are not finite, detected on the device without waiting for it.

:class:`TrackNonFinite` applies every update and counts the steps since the first non-finite loss;
:class:`SkipNonFinite` skips updates whose loss or gradient is not finite. Both keep their state in tensors, so that
they work inside a captured CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.diagnostics.rules import SKIPPED
from gan_cli.protocols.algorithm import NonFiniteReport

# A network is stuck after this many consecutive skipped updates, if they include all since the last report.
MAX_SKIPPED_IN_A_ROW = 10
# Prefix of the policies' counters among the values of a report, from which they are removed: they are no metrics.
POLICY_PREFIX = "nonfinite_policy/"


class NonFinitePolicy(Protocol):
    """Applies or skips updates and reports non-finite ones. Only :meth:`nonfinite` waits for the device."""

    def set_step(self, step: int) -> None:
        """Set the number of the current step, counted from 0."""
        ...

    def snapshot(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copy tensors that an update changes as a side effect, if they may have to be restored."""
        ...

    def apply_update(self, network_name: str, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor | None:
        """Apply the optimizer's update along the gradient of ``loss``, unless the policy skips it.

        Args:
            network_name: one of those that the policy was built with.
            optimizer: of that network, after ``differentiate``.
            loss: 0-dimensional, detached; the same in all processes.

        Returns:
            True if it was applied, as a 0-dimensional boolean on the device; None if this policy skips no update.
        """
        ...

    def restore(self, tensors: Sequence[Tensor], saved: Sequence[Tensor], applied: Tensor | None) -> None:
        """Restore the copies of :meth:`snapshot` if the update was skipped."""
        ...

    def finish_step(self) -> None:
        """Count the step, after all of its updates."""
        ...

    def metrics(self) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor, to be transferred with the metrics of a report."""
        ...

    def flush(self, step: int, scalars: dict[str, float]) -> NonFiniteReport | None:
        """Evaluate the values of :meth:`metrics` after ``step`` training steps, and reset the counts.

        Removes the counters that are no metrics from ``scalars``.
        """
        ...

    def nonfinite(self, step: int) -> NonFiniteReport | None:
        """Return a reason not to write a checkpoint after ``step`` training steps, or None. Waits for the device."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, for a checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; an empty one resets the counts."""
        ...


class TrackNonFinite:
    """Applies every update, and counts the steps since the first one with a loss that was not finite."""

    def __init__(self, device: torch.device, network_names: Sequence[str] = ("D", "G")) -> None:
        # The names are not needed: a loss that is not finite ends training, whichever network it is of.
        # 0, and permanently NaN after a loss that is not finite: 0 times infinity is NaN.
        self._nan_flag = torch.zeros((), device=device)
        self._steps = torch.zeros((), dtype=torch.int64, device=device)

    def set_step(self, step: int) -> None:
        """Do nothing: steps are counted in :meth:`finish_step`."""

    def snapshot(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return no copies: every update is applied."""
        return []

    def apply_update(self, network_name: str, optimizer: ScheduledOptimizer, loss: Tensor) -> None:
        """Accumulate the loss, in one kernel launch, and apply the update."""
        self._nan_flag.add_(loss, alpha=0)
        optimizer.step()

    def restore(self, tensors: Sequence[Tensor], saved: Sequence[Tensor], applied: Tensor | None) -> None:
        """Do nothing: no update is skipped."""

    def finish_step(self) -> None:
        """Count the step if a loss was not finite, then or earlier."""
        self._steps.add_(self._nan_flag != 0)

    def metrics(self) -> dict[str, Tensor]:
        """Return the number of steps since the first loss that was not finite."""
        return {f"{POLICY_PREFIX}steps": self._steps}

    def flush(self, step: int, scalars: dict[str, float]) -> NonFiniteReport | None:
        """Return a report if there was such a loss; the count stays."""
        return _bad_loss(step, int(scalars.pop(f"{POLICY_PREFIX}steps")))

    def nonfinite(self, step: int) -> NonFiniteReport | None:
        """Return a report if there was such a loss. Waits for the device."""
        return _bad_loss(step, int(self._steps))

    def state_dict(self) -> dict[str, Any]:
        """Return no counts: no checkpoint is written once a loss was not finite."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Reset the counts, whatever the state."""
        self._nan_flag.zero_()
        self._steps.zero_()


def _bad_loss(step: int, steps: int) -> NonFiniteReport | None:
    return NonFiniteReport(f"a loss was not finite at step {step - steps + 1}") if steps else None


class SkipNonFinite:
    """Skips an update whose loss or gradient is not finite: all that it would have changed stays as it was."""

    def __init__(self, device: torch.device, network_names: Sequence[str] = ("D", "G")) -> None:
        """Set all counts of skipped updates to 0.

        Args:
            device: of the networks.
            network_names: one or two, in messages.
        """
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._one = torch.ones((), device=device)
        # A row a network: updates since the last report, skipped ones among them, skipped in a row, since which step.
        # The only network has the last row, as in checkpoints of earlier versions.
        self._counts = torch.zeros(2, 4, dtype=torch.int64, device=device)
        rows = self._counts[-len(network_names) :]
        self._by_network: dict[str, tuple[Tensor, ...]] = {
            name: row.unbind() for name, row in zip(network_names, rows, strict=True)
        }

    def set_step(self, step: int) -> None:
        """Write the number of the step to the device, where a captured graph reads it."""
        self._step.fill_(step + 1)

    @torch.no_grad()
    def snapshot(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensor.clone() for tensor in tensors]

    @torch.no_grad()
    def apply_update(self, network_name: str, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor:
        """Test the loss and all gradients; the optimizer's own kernels skip the update."""
        found_inf = loss.isfinite().logical_not_().float()
        # The test of torch.amp.GradScaler: one launch for all gradients on a GPU. They are multiplied by 1.
        torch._amp_foreach_non_finite_check_and_unscale_(optimizer.present_gradients, found_inf, self._one)
        optimizer.step(found_inf)
        nonfinite = found_inf != 0
        updates, skipped, in_a_row, since = self._by_network[network_name]
        updates.add_(1)
        skipped.add_(nonfinite)
        in_a_row.add_(1).mul_(nonfinite)
        since.copy_(torch.where(in_a_row == 1, self._step, since))
        return ~nonfinite

    @torch.no_grad()
    def restore(self, tensors: Sequence[Tensor], saved: Sequence[Tensor], applied: Tensor | None) -> None:
        """Restore skipped tensors, with two kernel launches each."""
        assert applied is not None
        for tensor, before in zip(tensors, saved, strict=True):
            tensor.copy_(torch.where(applied, tensor, before))

    def finish_step(self) -> None:
        """Do nothing: :meth:`apply_update` counts every update."""

    def metrics(self) -> dict[str, Tensor]:
        """Return the updates skipped since the last report and the number of steps that each network is stuck."""
        stuck = {f"{POLICY_PREFIX}{name}": self._stuck_for(name) for name in self._by_network}
        return {SKIPPED: self._counts[:, 1].sum(), **stuck}

    def flush(self, step: int, scalars: dict[str, float]) -> NonFiniteReport | None:
        """Return a report if one of the networks is stuck."""
        stuck = {name: int(scalars.pop(f"{POLICY_PREFIX}{name}")) for name in self._by_network}
        self._counts[:, :2].zero_()
        for name, steps in stuck.items():
            if steps:
                since = step - steps + 1
                message = f"every update of {name} since step {since} was skipped: its loss or gradient was not finite"
                return NonFiniteReport(message, since)
        return None

    def nonfinite(self, step: int) -> NonFiniteReport | None:
        """Return None: skipped updates have changed nothing."""
        return None

    def _stuck_for(self, network_name: str) -> Tensor:
        """Steps since the first of the updates skipped in a row, if these are many and all since the report; else 0."""
        updates, _, in_a_row, since = self._by_network[network_name]
        return (self._step - since + 1) * ((in_a_row >= MAX_SKIPPED_IN_A_ROW) & (in_a_row >= updates))

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self._counts.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the state of another policy resets the counts."""
        self._counts.copy_(state.get("counts", torch.zeros_like(self._counts)))
