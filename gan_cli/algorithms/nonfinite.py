"""Numbers that are not finite, noticed on the device: what is made of an update, without waiting for it.

Two ways to treat an update: :class:`Lookout` makes every one and remembers since when losses were not finite;
:class:`Sparing` leaves out those along a gradient that is not finite. Both work on tensors alone, so that a recorded
step goes on doing what it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.diagnostics.rules import SKIPPED
from gan_cli.protocols.algorithm import Trouble

# A network that has been kept from so many updates in a row, and from all since the last report, learns nothing more.
HOPELESS = 10
# What a report brings from the device beside its figures; no figures themselves.
SINCE = "soundness/"


class Soundness(Protocol):
    """What watches over updates. Only :meth:`trouble` waits for the device."""

    def set_clock(self, step: int) -> None:
        """Hand over the number of the step, counted from 0."""
        ...

    def keep(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copies of what an update is going to change on its way, if it may have to be put back."""
        ...

    def take(self, side: str, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor | None:
        """Make the update that ``optimizer`` has the gradient of ``loss`` for.

        Args:
            side: ``D`` or ``G``.
            optimizer: of that network, after ``differentiate``.
            loss: 0-dimensional, detached; the same in all processes.

        Returns:
            Whether it was made, a 0-dimensional boolean on the device; None: it was, whatever comes of it.
        """
        ...

    def put_back(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], made: Tensor | None) -> None:
        """Restore what :meth:`keep` copied, where the update was not made."""
        ...

    def finish_step(self) -> None:
        """All updates of a step are done."""
        ...

    def figures(self) -> dict[str, Tensor]:
        """Tag -> 0-dimensional tensor, to be read with the figures of a report."""
        ...

    def conclude(self, step: int, scalars: dict[str, float]) -> Trouble | None:
        """What :meth:`figures` came to after ``step`` updates of G; takes out what is no figure, and starts over."""
        ...

    def trouble(self, step: int) -> Trouble | None:
        """What there is to say against a checkpoint after ``step`` updates of G. Waits for the device."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; an empty one starts over."""
        ...


class Lookout:
    """Makes every update, and counts the steps since the first one with a loss that was not finite."""

    def __init__(self, device: torch.device) -> None:
        # 0, and NaN for good after a loss that is not finite: 0 times infinity is NaN.
        self._losses = torch.zeros((), device=device)
        self._steps = torch.zeros((), dtype=torch.int64, device=device)

    def set_clock(self, step: int) -> None:
        """The number of the step comes of counting."""

    def keep(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Nothing: every update is made."""
        return []

    def take(self, side: str, optimizer: ScheduledOptimizer, loss: Tensor) -> None:
        """Look at the loss, one launch, and make the update."""
        self._losses.add_(loss, alpha=0)
        optimizer.step()

    def put_back(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], made: Tensor | None) -> None:
        """Nothing to restore."""

    def finish_step(self) -> None:
        """Count the step if it is one of those."""
        self._steps.add_(self._losses != 0)

    def figures(self) -> dict[str, Tensor]:
        """The steps since the first loss that was not finite."""
        return {f"{SINCE}steps": self._steps}

    def conclude(self, step: int, scalars: dict[str, float]) -> Trouble | None:
        """Trouble if there was such a loss."""
        return _bad_loss(step, int(scalars.pop(f"{SINCE}steps")))

    def trouble(self, step: int) -> Trouble | None:
        """Trouble if there was such a loss. Waits for the device."""
        return _bad_loss(step, int(self._steps))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: no checkpoint is written once there is something to count."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start over."""
        self._losses.zero_()
        self._steps.zero_()


def _bad_loss(step: int, steps: int) -> Trouble | None:
    return Trouble(f"a loss was not finite at step {step - steps + 1}") if steps else None


class Sparing:
    """Leaves out an update whose loss or gradient is not finite: all it would have changed stays as it was."""

    def __init__(self, device: torch.device) -> None:
        self._clock = torch.zeros((), dtype=torch.int64, device=device)
        self._one = torch.ones((), device=device)
        # Of D and of G: updates since the last report, those of them that were left out, how many in a row, since when.
        self._counts = torch.zeros(2, 4, dtype=torch.int64, device=device)
        self._of = {"D": self._counts[0].unbind(), "G": self._counts[1].unbind()}

    def set_clock(self, step: int) -> None:
        """The step is a number on the device, for a recorded step to read."""
        self._clock.fill_(step + 1)

    @torch.no_grad()
    def keep(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copies."""
        return [tensor.clone() for tensor in tensors]

    @torch.no_grad()
    def take(self, side: str, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor:
        """Look at the loss and once at all gradients; the optimizer's own kernels leave the update out."""
        unsound = loss.isfinite().logical_not_().float()
        # What torch.amp.GradScaler looks with: one launch for all of them on a GPU. They are multiplied by 1.
        torch._amp_foreach_non_finite_check_and_unscale_(optimizer.gradients, unsound, self._one)
        optimizer.step(unsound)
        bad = unsound != 0
        updates, left_out, in_a_row, since = self._of[side]
        updates.add_(1)
        left_out.add_(bad)
        in_a_row.add_(1).mul_(bad)
        since.copy_(torch.where(in_a_row == 1, self._clock, since))
        return ~bad

    @torch.no_grad()
    def put_back(self, tensors: Sequence[Tensor], kept: Sequence[Tensor], made: Tensor | None) -> None:
        """Two launches a tensor."""
        assert made is not None
        for tensor, before in zip(tensors, kept, strict=True):
            tensor.copy_(torch.where(made, tensor, before))

    def finish_step(self) -> None:
        """Updates are counted one by one."""

    def figures(self) -> dict[str, Tensor]:
        """Updates left out since the last report; of either network, for how many steps it has learnt nothing."""
        stuck = {f"{SINCE}{side}": self._stuck_for(side) for side in self._of}
        return {SKIPPED: self._counts[:, 1].sum(), **stuck}

    def conclude(self, step: int, scalars: dict[str, float]) -> Trouble | None:
        """Trouble if one of the networks learns nothing more."""
        stuck = {side: int(scalars.pop(f"{SINCE}{side}")) for side in self._of}
        self._counts[:, :2].zero_()
        for side, steps in stuck.items():
            if steps:
                since = step - steps + 1
                message = f"every update of {side} since step {since} was left out: its loss or gradient was not finite"
                return Trouble(message, since)
        return None

    def trouble(self, step: int) -> Trouble | None:
        """Nothing: what was left out has changed nothing."""
        return None

    def _stuck_for(self, side: str) -> Tensor:
        """Steps since the first of the updates left out in a row, where these are all there were and many; else 0."""
        updates, _, in_a_row, since = self._of[side]
        return (self._clock - since + 1) * ((in_a_row >= HOPELESS) & (in_a_row >= updates))

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"counts": self._counts.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; that of another policy holds no counts."""
        self._counts.copy_(state.get("counts", torch.zeros_like(self._counts)))
