"""Settings of a diffusion model, which training and inference read from the same node of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias, TypeVar

from torch import Tensor, nn

from gan_cli.algorithms.diffusion.process import Prediction, alpha_bars
from gan_cli.algorithms.diffusion.reverse import Guidance, ReverseSteps
from gan_cli.algorithms.diffusion.schedules import NoiseSchedule
from gan_cli.algorithms.diffusion.transitions import ReverseSampler
from gan_cli.components.ranges import Range, check_ranges
from gan_cli.config.nodes import Node
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.conditions import Condition

StepsT = TypeVar("StepsT", bound=ReverseSteps)

# Smallest alpha_T at which x_0 may be computed from epsilon without a bound; Ho's schedule has 0.006.
MIN_ALPHA = 1e-3

Timesteps: TypeAlias = Annotated[int, Range(2, 100_000)]
SamplingSteps: TypeAlias = Annotated[int, Range(1, 100_000)]
LabelDropout: TypeAlias = Annotated[float, Range(0, 1, below=True)]
GuidanceScale: TypeAlias = Annotated[float, Range(0, 10_000)]


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings:
    """Settings of the forward and of the reverse process.

    Attributes:
        schedule: variances of the forward process.
        reverse: steps of the reverse process.
        timesteps: T, of the forward process.
        prediction: what the network predicts.
        sampling_steps: number of steps of the reverse process, at most T.
        label_dropout: share of labels that are left out in training, where there are classes, for guidance.
        guidance: 0: samples without class, 1: with it, above: classifier-free guidance.
    """

    schedule: NoiseSchedule
    reverse: ReverseSampler
    timesteps: Timesteps
    prediction: Prediction
    sampling_steps: SamplingSteps
    label_dropout: LabelDropout
    guidance: GuidanceScale

    def __post_init__(self) -> None:
        check_ranges(self)
        timesteps, steps = self.timesteps, self.sampling_steps
        require(steps <= timesteps, "sampling_steps", steps, f"an integer from 1 to timesteps, {timesteps}")

    @classmethod
    def from_node(cls, node: Node) -> DiffusionSettings:
        """Return the settings of a node ``algorithm``; raises ``ConfigError`` if they are out of range."""
        settings: DiffusionSettings = replace(node, target=cls, kind=cls).build()
        return settings

    def betas(self) -> Tensor:
        """Return beta_1 to beta_T, ``(timesteps,)`` float64."""
        return self.schedule.betas(self.timesteps)

    def require_stable_for_points(self) -> None:
        """Raise ``ConfigError`` where errors of the prediction would be magnified, as points have no bound."""
        alpha = float(alpha_bars(self.betas())[-1].sqrt())
        if self.prediction is Prediction.epsilon and alpha < MIN_ALPHA:
            raise ConfigError(
                f"algorithm.prediction: expected v for points with this schedule, which leaves only {alpha:.1g} of x_0"
                " in x_T, got epsilon: x_0 = (x_t - sigma_t epsilon) / alpha_t then magnifies every error. Or"
                " algorithm/schedule=linear"
            )

    def reverse_steps(
        self, kind: type[StepsT], denoiser: nn.Module, shape: tuple[int, ...], condition: Condition
    ) -> StepsT:
        """Build the reverse process of a denoiser as a module of that kind; predicted pixels are bounded."""
        guidance = Guidance(condition, self.guidance) if condition else None
        bound = 1.0 if len(shape) == 3 else None
        betas = self.betas()
        return kind(denoiser, betas, self.prediction, self.reverse, self.sampling_steps, bound, guidance)
