"""Standard deviation of instance noise, scheduled or adapted to D's accuracy, as a tensor on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from gan_cli.components.ranges import Positive, Range, check_arguments
from gan_cli.errors import require
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.rng import Stream


class _NoiseScale:
    """Base of both: a standard deviation on the device that is part of the checkpoint."""

    def __init__(self, start: float) -> None:
        self.sigma = torch.tensor(start)

    def place(self, device: torch.device) -> None:
        self.sigma = self.sigma.to(device)

    def state_dict(self) -> dict[str, Any]:
        """Return the present deviation; synchronizes with the device."""
        return {"sigma": float(self.sigma)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sigma.fill_(float(state["sigma"]))


class Scheduled(_NoiseScale):
    """A standard deviation that is a function of the step.

    Args:
        schedule: from step to standard deviation; None: no noise.
    """

    def __init__(self, schedule: Schedule | None) -> None:
        super().__init__(0.0)
        self._schedule = schedule

    @property
    def is_zero(self) -> bool:
        return self._schedule is None

    @property
    def is_adaptive(self) -> bool:
        return False

    def set_step(self, step: int) -> None:
        if self._schedule is not None:
            self.sigma.fill_(self._schedule(step))

    def observe(self, margins: Sequence[Tensor]) -> None:
        """Ignore the margins: a schedule depends on the step alone."""


class Adaptive(_NoiseScale):
    """A standard deviation that keeps D's accuracy at a target: the more often D is right, the more noise.

    After each update of D, ``sigma <- sigma exp(speed (accuracy - target))``, within bounds; accuracy is the mean over
    both sides. So D never separates the two distributions completely, however strong it is (Arjovsky & Bottou 2017,
    section 3), and the noise vanishes by itself as the two distributions approach each other. The controller follows
    ADA (Karras et al. 2020, section 3), which adapts augmentation.

    Args:
        target: accuracy to keep, above 1/2.
        start: initial standard deviation, on the scale of [-1, 1].
        speed: change of the logarithm of the standard deviation per D update, divided by the accuracy's distance
            from the target.
        largest: upper bound on the standard deviation; the lower bound is a thousandth of it.
    """

    def __init__(
        self,
        target: Annotated[float, Range(0.5, 1, above=True, below=True)] = 0.8,
        start: Positive = 0.1,
        speed: Positive = 0.05,
        largest: Positive = 1.0,
    ) -> None:
        check_arguments(Adaptive, target=target, start=start, speed=speed, largest=largest)
        require(start <= largest, "start", start, f"a number > 0 and at most largest, which is {largest}")
        super().__init__(start)
        self.target, self.start, self.speed, self.largest = target, start, speed, largest

    def __repr__(self) -> str:
        return f"Adaptive(target={self.target}, start={self.start}, speed={self.speed}, largest={self.largest})"

    @property
    def is_zero(self) -> bool:
        return False  # sigma is bounded away from 0

    @property
    def is_adaptive(self) -> bool:
        return True

    def set_step(self, step: int) -> None:
        """Do nothing: the deviation depends on D's accuracy alone."""

    @torch.no_grad()
    def observe(self, margins: Sequence[Tensor]) -> None:
        """Adapt the deviation to D's accuracy, without synchronizing with the device.

        Args:
            margins: distances of D's logits from its boundary, > 0 where D is right, ``(N,)`` for either side.
        """
        accuracy = torch.stack([(margin > 0).float().mean() for margin in margins]).mean()
        self.sigma.mul_(((accuracy - self.target) * self.speed).exp())
        self.sigma.clamp_(self.largest / 1000, self.largest)


def add_noise(samples: Tensor, sigma: Tensor, stream: Stream) -> Tensor:
    """Return ``samples + sigma * N(0, I)``.

    Args:
        samples: ``(N, *shape)``, values on the scale of [-1, 1].
        sigma: 0-dimensional, on the samples' device, so that a replayed graph reads its present value.
        stream: to draw from, of the samples' device.
    """
    return torch.addcmul(samples, stream.normal_like(samples), sigma)
