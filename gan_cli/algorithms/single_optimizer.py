"""The part that trainers of one loss share: one optimizer for all networks, their moving average, and the state."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy.typing as npt
from torch import Tensor, nn

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite, global_norm
from gan_cli.algorithms.update_scope import StepScope
from gan_cli.components.ema import MovingAverage
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.data.samplers import DataWait
from gan_cli.protocols.algorithm import NonFiniteReport, Report, RollbackAdjustment
from gan_cli.protocols.data import Sampler
from gan_cli.runtime.cuda_graphs import GraphedSteps
from gan_cli.runtime.rng import PerRankRandomState

# Most held-out samples that a report is computed from.
MAX_HELD_OUT = 512


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of training: the number of the latest step, and real batches so far."""

    step: int = 0
    batches: int = 0


class SingleOptimizerTrainer:
    """Base of trainers whose networks descend the gradient of one loss, on one batch of samples a step.

    Attributes:
        network_name: of the networks in messages, with its article.
        headline: short name -> tag, for the progress line.
    """

    network_name: ClassVar[str]
    headline: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        *,
        context: Context,
        network: nn.Module,
        optimizer: OptimizerConfig,
        sampler: Sampler,
        streams: Sequence[str],
        ring_buffers: Mapping[str, int],
        mutable: Sequence[Tensor] = (),
    ) -> None:
        """Prepare the updates of the networks.

        Args:
            context: settings of the run.
            network: all networks that are trained, as one module on its device; seeded by the caller.
            optimizer: of all its parameters.
            sampler: supplies the training samples.
            streams: names of the random streams that updates draw from.
            ring_buffers: name -> width in this process; a row is added by every update.
            mutable: tensors that an update changes, beside parameters and the network's buffers.
        """
        device, group = context.device.torch_device, context.group
        self.context = context
        self.sampler = sampler
        self.ema = MovingAverage(network, context.half_life)
        self.optimizer = optimizer.for_all(network.parameters())
        self._network_state = NetworkState(self.network_name, network, self.optimizer)
        self._gradients: list[Tensor | None] | None = None
        self._norms = {"grad_norm/g": 0.0}
        self._streams = {name: context.stream(name, context.batch_size) for name in streams}
        self._global_random = PerRankRandomState(device, group)
        self._global_random.seed_per_rank(context.seed)
        self.progress = TrainingProgress()
        self.ring_buffers = {
            name: RingBuffer(context.log_every, width, device, group) for name, width in ring_buffers.items()
        }
        self.step_scope = StepScope(context, self.ring_buffers, (self.network_name,))
        self.scope = self.step_scope.update_scope(
            self.network_name, self.optimizer, mutable=[*network.buffers(), *mutable]
        )
        self._data_wait = DataWait(sampler)
        recorder = context.device.recorder(
            lambda: [
                *(each for stream in self._streams.values() for each in stream.rng_generators),
                *sampler.rng_generators,
            ]
        )
        self._captured_step: GraphedSteps[list[Tensor | None]] = GraphedSteps(recorder)

    @property
    def images_seen(self) -> int:
        """Real samples used for training so far."""
        return self.progress.batches * self.context.global_batch_size

    def update(self, step: int) -> None:
        """Make one step, on the device as a CUDA graph where that is on. Waits for data only, not for the device."""
        self._set_step(step)
        with self.context.timer("data"):
            self.sampler.prepare(1)
        self._gradients = self._captured_step("step", self._train_step)
        self.progress = TrainingProgress(step, self.progress.batches + 1)

    def _train_step(self) -> list[Tensor | None]:
        """Make the update that was prepared, reading nothing from the host; return the gradient of each parameter."""
        with self.step_scope:
            self._update_networks()
            self.ema.update(self.scope.applied)
        return self.optimizer.gradients_by_parameter

    @abstractmethod
    def _update_networks(self) -> None:
        """Take the next batch from the sampler and make one update with it, inside ``self.scope``."""

    def _set_step(self, step: int) -> None:
        """Write the schedules' values at ``step`` to the device, where a captured step reads them."""
        self.optimizer.set_step(step)
        self.ema.set_step(step)
        self.step_scope.nonfinite_policy.set_step(step)

    def _held_out_parts(self, available: int) -> tuple[int, int]:
        """Return how many held-out samples a report takes, and in how many parts, none larger than a micro-batch."""
        count = min(MAX_HELD_OUT, available)
        at_once = self.context.samples_at_once if self.context.micro_batches.count > 1 else count
        parts = max(1, count // at_once)
        return min(count, parts * at_once), parts

    def _make_report(
        self,
        scalars: dict[str, float],
        nonfinite: NonFiniteReport | None,
        histograms: Mapping[str, npt.NDArray[Any]],
    ) -> Report:
        """Complete the metrics of a report, and start the next one with empty ring buffers."""
        scalars |= self._gradient_norms()
        scalars["lr/g"] = self.optimizer.rate
        scalars |= self._data_wait.metrics()
        for ring_buffer in self.ring_buffers.values():
            ring_buffer.clear()
        headline = {name: scalars[tag] for name, tag in self.headline.items() if tag in scalars}
        return Report(scalars, histograms, headline, nonfinite=nonfinite)

    def _gradient_norms(self) -> dict[str, float]:
        """Return the global norm of the latest update's gradient; right after a resume, that of the checkpoint."""
        if self._gradients is not None:
            self._norms = {"grad_norm/g": float(global_norm(self._gradients))}
        return self._norms

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the rows of the ring buffers, then buffers, gradients, moments and weights."""
        for name, ring_buffer in self.ring_buffers.items():
            yield f"the {name}", ring_buffer.values()
        yield from self._network_state.tensors(self._gradients or [])

    def nonfinite(self) -> NonFiniteReport | None:
        """Find a loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        averages = (
            (f"average of {self.network_name}'s {name}", each) for name, each in self.ema.network.state_dict().items()
        )
        found = self.step_scope.nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(
            chain(self._network_state.persistent_tensors(), averages)
        )
        return next(filter(None, self.context.group.all_gather_object(found)), None)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Scale the learning rate by ``lr_g``; there is no discriminator, and so no instance noise."""
        self.optimizer.scale(adjustment.lr_g)
        self._captured_step.clear()

    def _training_state(self) -> dict[str, Any]:
        """Return optimizer, random streams, sampler, ring buffers and counters: all of a state but the networks."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "random": {
                "global": self._global_random.state_dict(),
                **{name: stream.get_state() for name, stream in self._streams.items()},
            },
            "sampler": self.sampler.state_dict(),
            # key kept for checkpoints of earlier versions
            "windows": {name: ring_buffer.state_dict() for name, ring_buffer in self.ring_buffers.items()},
            "progress": dataclasses.asdict(self.progress),
            "gradient_norms": self._gradient_norms(),
            "soundness": self.step_scope.nonfinite_policy.state_dict(),  # key kept for checkpoints of earlier versions
        }

    def _load_training_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`_training_state` has returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._global_random.load_state_dict(state["random"]["global"])
        for name, stream in self._streams.items():
            stream.set_state(state["random"][name])
        self.sampler.load_state_dict(state["sampler"])
        for name, ring_buffer in self.ring_buffers.items():
            ring_buffer.load_state_dict(state["windows"][name])
        self.progress = TrainingProgress(**state["progress"])
        self.step_scope.nonfinite_policy.load_state_dict(state["soundness"])
        self._set_step(self.progress.step)
        self._norms = dict(state["gradient_norms"])
        self._gradients = None
        self._captured_step.clear()

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self.sampler.close()
