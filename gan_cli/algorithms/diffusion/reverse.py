"""The reverse process: from x_T of N(0, I) to a sample, in steps of a sampler with a trained denoiser."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.networks import unknown_labels
from gan_cli.algorithms.diffusion.process import Prediction, Target, alpha_bars, per_sample
from gan_cli.algorithms.diffusion.transitions import ReverseSampler, visited_timesteps
from gan_cli.protocols.conditions import Condition

# Returns noise of N(0, I) for samples (N, *shape), like them.
DrawNoise: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho & Salimans 2022, eq. 6): ``f(no label) + scale (f(label) - f(no label))``.

    Of noise and of v alike, which for one x_t differ by an affine map.

    Attributes:
        condition: what the denoiser is conditional on.
        scale: w + 1 of the paper: 0 is without label, 1 with it, and above 1 samples are more typical of the label.
    """

    condition: Condition
    scale: float

    def __call__(self, denoiser: nn.Module, samples: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """Return the guided prediction ``(N, *shape)`` for labels ``(N,)`` or ``(N, K)``."""
        unknown = unknown_labels(self.condition, labels)
        if self.scale in (0.0, 1.0):  # one of the two alone, at half the cost
            chosen: Tensor = denoiser(samples, time, labels if self.scale else unknown)
            return chosen
        twice = torch.cat([samples, samples]), torch.cat([time, time]), torch.cat([unknown, labels])
        both: Tensor = denoiser(*twice)
        count = samples.shape[0]  # not len(), which torch.export would take for a constant
        without, with_class = both[:count], both[count:]
        return without + self.scale * (with_class - without)


class ReverseSteps(nn.Module):
    """Steps from x_T to x_0, whose constants are tables on the device; base of modules that make some or all of them.

    Attributes:
        denoiser: the network, whose weights are all that the state dict holds.
        steps: number of steps.
        deterministic: whether x_T determines the sample.
    """

    time: Tensor
    x0_from_x: Tensor
    x0_from_output: Tensor
    factor_x0: Tensor
    factor_xt: Tensor
    factor_noise: Tensor

    def __init__(
        self,
        denoiser: nn.Module,
        betas: Tensor,
        prediction: Prediction,
        sampler: ReverseSampler,
        steps: int,
        bound: float | None = None,
        guidance: Guidance | None = None,
    ) -> None:
        """Compute the tables of all steps.

        Args:
            denoiser: ``(N, *shape), (N,) time -> (N, *shape)``, with labels as a third argument if it is
                conditional.
            betas: beta_1 to beta_T, ``(T,)`` float64.
            prediction: what the denoiser predicts.
            sampler: of the steps.
            steps: number of steps, at most T.
            bound: predictions of x_0 are clipped to [-bound, bound], as pixels are bounded; None: they are not.
            guidance: by the label; None: there are no labels.
        """
        super().__init__()
        self.denoiser = denoiser
        self.steps = steps
        self.deterministic = sampler.deterministic
        self._bound = bound
        self._guidance = guidance
        visited = visited_timesteps(len(betas), steps)
        marginals = alpha_bars(betas)
        alpha_bar, earlier = marginals[visited], torch.cat([marginals[visited[1:]], marginals[:1]])
        target = Target.of(prediction, alpha_bar.sqrt(), (1 - alpha_bar).sqrt())
        transition = sampler.transition(alpha_bar, earlier)
        tables = {
            "time": visited / len(betas),
            "x0_from_x": target.x0_from_x,
            "x0_from_output": target.x0_from_output,
            "factor_x0": transition.x0,
            "factor_xt": transition.xt,
            "factor_noise": transition.noise,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)

    def step(self, samples: Tensor, step: Tensor, labels: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Make one step, from x_t to x_s, ``(N, *shape)``.

        Args:
            samples: x_t, ``(N, *shape)``.
            step: number of the step of each sample, ``(N,)`` int64, counted from 0 at x_T.
            labels: ``(N,)`` int64 or ``(N, K)`` float32, where the denoiser is conditional.
            noise: ``(N, *shape)`` from N(0, I); None: none is added.
        """
        x0 = self.predict_x0(samples, step, labels)
        earlier = per_sample(self.factor_x0[step], x0) * x0 + per_sample(self.factor_xt[step], x0) * samples
        return earlier if noise is None else earlier + per_sample(self.factor_noise[step], x0) * noise

    def predict_x0(self, samples: Tensor, step: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict x_0 from x_t at each sample's step, ``(N, *shape)``, within the bound."""
        time = self.time[step]
        if self._guidance is None:
            output: Tensor = self.denoiser(samples, time)
        else:
            assert labels is not None
            output = self._guidance(self.denoiser, samples, time, labels)
        from_x, from_output = self.x0_from_x[step], self.x0_from_output[step]
        x0 = per_sample(from_x, samples) * samples + per_sample(from_output, samples) * output
        return x0 if self._bound is None else x0.clamp(-self._bound, self._bound)


class ReverseProcess(ReverseSteps):
    """All steps: from x_T, ``(N, *shape)`` of N(0, I), to samples."""

    def forward(self, latents: Tensor, labels: Tensor | None = None, draw: DrawNoise | None = None) -> Tensor:
        """Make samples ``(N, *shape)``; see :meth:`trajectory` for the arguments."""
        return deque(self.trajectory(latents, labels, draw), maxlen=1).pop()

    def trajectory(
        self, latents: Tensor, labels: Tensor | None = None, draw: DrawNoise | None = None
    ) -> Iterator[Tensor]:
        """Yield x_t after each step, ``(N, *shape)``; the last one is the sample.

        Args:
            latents: x_T, ``(N, *shape)`` from N(0, I).
            labels: ``(N,)`` int64 or ``(N, K)`` float32, where the denoiser is conditional.
            draw: noise of the steps, where they are not deterministic.
        """
        samples = latents
        for index in range(self.steps):
            step = torch.full((len(samples),), index, device=samples.device)
            noise = None if draw is None or self.deterministic else draw(samples)
            samples = self.step(samples, step, labels, noise)
            yield samples


class DeterministicStep(ReverseSteps):
    """One step of a sampler that draws no noise, for export."""

    def forward(self, x: Tensor, step: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return x_s, ``(N, *shape)``, from x_t and the number of the step, ``(N,)`` int64."""
        return self.step(x, step, labels)


class NoisyStep(ReverseSteps):
    """One step of a sampler that draws noise, for export."""

    def forward(self, x: Tensor, step: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return x_s, ``(N, *shape)``, from x_t, the number of the step, ``(N,)`` int64, and noise of N(0, I)."""
        return self.step(x, step, labels, noise)
