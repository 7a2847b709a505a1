"""How much instance noise there is: as a schedule says, or as D's accuracy asks for. A number on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_cli.errors import require
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.rng import Stream


class _NoiseScale:
    """What both have: a deviation on the device, which a checkpoint keeps."""

    def __init__(self, start: float) -> None:
        self.sigma = torch.tensor(start)

    def place(self, device: torch.device) -> None:
        """Move the number to the device."""
        self.sigma = self.sigma.to(device)

    def state_dict(self) -> dict[str, Any]:
        """The deviation in force. Waits for the device."""
        return {"sigma": float(self.sigma)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.sigma.fill_(float(state["sigma"]))


class Scheduled(_NoiseScale):
    """A deviation that is a function of the clock."""

    def __init__(self, schedule: Schedule | None) -> None:
        """None: no noise."""
        super().__init__(0.0)
        self._schedule = schedule

    @property
    def is_zero(self) -> bool:
        """Whether there is never any noise."""
        return self._schedule is None

    @property
    def is_adaptive(self) -> bool:
        """No: a schedule does not look."""
        return False

    def set_step(self, step: int) -> None:
        """Bring it to its value at ``step``."""
        if self._schedule is not None:
            self.sigma.fill_(self._schedule(step))

    def observe(self, margins: Sequence[Tensor]) -> None:
        """Nothing to learn."""


class Adaptive(_NoiseScale):
    """A deviation that keeps D's accuracy at a target: more noise while D is right more often, less while less.

    After each update of D, ``sigma <- sigma exp(speed (accuracy - target))``, within bounds; accuracy is the mean over
    both sides. So D never separates the two distributions completely, however strong it is (Arjovsky & Bottou 2017,
    section 3), and the noise goes by itself as the two come together. The manner is that of ADA (Karras et al. 2020,
    section 3), which steers augmentation.

    Args:
        target: accuracy to keep, above 1/2.
        start: deviation to begin with, on the scale of [-1, 1].
        speed: logarithmic change a D update for an accuracy that is off by 1.
        largest: bound on the deviation; the lower bound is a thousandth of it.
    """

    def __init__(self, target: float = 0.8, start: float = 0.1, speed: float = 0.05, largest: float = 1.0) -> None:
        require(0.5 < target < 1, "target", target, "a number between 0.5 and 1")
        require(largest > 0, "largest", largest, "a number > 0")
        require(0 < start <= largest, "start", start, f"a number > 0 and at most largest, which is {largest}")
        require(speed > 0, "speed", speed, "a number > 0")
        super().__init__(start)
        self.target, self.start, self.speed, self.largest = target, start, speed, largest

    def __repr__(self) -> str:
        return f"Adaptive(target={self.target}, start={self.start}, speed={self.speed}, largest={self.largest})"

    @property
    def is_zero(self) -> bool:
        """Never: there is always some noise, however little."""
        return False

    @property
    def is_adaptive(self) -> bool:
        """Yes, always."""
        return True

    def set_step(self, step: int) -> None:
        """The clock says nothing here."""

    @torch.no_grad()
    def observe(self, margins: Sequence[Tensor]) -> None:
        """Learn how far logits lie on the right side of D's boundary, ``(N,)`` for either side. On the device alone."""
        accuracy = torch.stack([(margin > 0).float().mean() for margin in margins]).mean()
        self.sigma.mul_(((accuracy - self.target) * self.speed).exp())
        self.sigma.clamp_(self.largest / 1000, self.largest)


def add_noise(samples: Tensor, sigma: Tensor, stream: Stream) -> Tensor:
    """``samples + sigma * N(0, I)``.

    Args:
        samples: ``(N, *shape)``, values on the scale of [-1, 1].
        sigma: 0-dimensional, on the samples' device, so that a replayed graph reads its present value.
        stream: of the samples' device.
    """
    return torch.addcmul(samples, stream.normal_like(samples), sigma)
