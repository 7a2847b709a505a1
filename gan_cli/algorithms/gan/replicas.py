"""Several runs that differ in their seed alone, trained in lockstep: each operation is executed once for all of them.

A small network leaves even a CPU idle: most of a step is the overhead of launching operations. Here the weights of N
runs are stacked in common tensors, and the networks run on all of them at once (``stacked_network.py``). The step is
the ordinary one (``trainer.py``), on a batch N times as large whose rows are ordered by batch, run and sample; only
its networks, its data and its random streams distinguish between runs. Each run remains a ``GANTrainer`` with streams
of its own, whose tensors are views of its part of the stacked ones: it reports, previews and saves its state as if it
were trained alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.batches import Gradients
from gan_cli.algorithms.gan.reports import transfer
from gan_cli.algorithms.gan.stacked_network import StackedNetwork
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.architectures.conditioning import example_labels
from gan_cli.components.losses import Loss
from gan_cli.components.optimizers import OptimizerConfig, ScheduledOptimizer
from gan_cli.data.samplers import DensitySampler
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import NoiseLevel
from gan_cli.protocols.algorithm import Preview, Report
from gan_cli.protocols.conditions import Condition
from gan_cli.protocols.data import Batch, Sampler
from gan_cli.protocols.rng import Stream


class Replicas:
    """N runs of one configuration, trained by a single ``GANTrainer``."""

    def __init__(self, runs: Sequence[GANTrainer], loss: Loss, noise: NoiseLevel, optimizer: OptimizerConfig):
        """Stack the runs, which must not be trained yet: their tensors become views of stacked ones.

        Raises:
            ConfigError: the networks cannot run stacked.
        """
        self.runs = runs
        first = runs[0].context
        _require_runnable(runs)
        self._trainer = GANTrainer(
            context=replace(
                first,
                batch_size=len(runs) * first.batch_size,
                num_replicas=len(runs),
                streams={
                    "latents": StackedStreams([run.latent_stream for run in runs], first.batch_size),
                    "noise": StackedStreams([run.noise_stream for run in runs], first.batch_size // first.pac),
                },
            ),
            architecture=StackedArchitecture(runs, first),
            loss=loss,
            noise=noise,
            augment=None,
            optimizer=optimizer,
            sampler=StackedSampler([run.sampler for run in runs]),
        )
        for index, run in enumerate(runs):
            for network, stacked in _networks(run, self._trainer):
                _view_stacked_tensors(network, stacked, index)
            for name, ring_buffer in self._trainer.ring_buffers.items():
                run.ring_buffers[name] = ring_buffer.column_view(index, len(runs))

    @property
    def images_seen(self) -> int:
        """Real samples that each D was trained on so far."""
        return self.runs[0].images_seen

    def update(self, step: int) -> None:
        """Make update number ``step`` of every run."""
        self._trainer.update(step)
        for run in self.runs:
            run.progress = self._trainer.progress

    def report(self) -> list[Report]:
        """Compute each run's metrics of the updates since its last report; the device is waited for once for all."""
        self._sync_runs()
        ring_buffers, count = self._trainer.ring_buffers, len(self.runs)
        values = {name: ring_buffer.values().chunk(count, dim=1) for name, ring_buffer in ring_buffers.items()}
        on_device = [
            run.measure({name: columns[index] for name, columns in values.items()})
            for index, run in enumerate(self.runs)
        ]
        for ring_buffer in ring_buffers.values():
            ring_buffer.clear()
        return [run.make_report(each) for run, each in zip(self.runs, transfer(on_device), strict=True)]

    def preview(self) -> list[Preview]:
        """Return the preview of each run."""
        return [run.preview() for run in self.runs]

    def states(self) -> list[dict[str, Any]]:
        """Return the state of each run, as if it were trained alone."""
        self._sync_runs()
        return [run.state_dict() for run in self.runs]

    def close(self) -> None:
        """Stop threads and close files."""
        self._trainer.close()

    def _sync_runs(self) -> None:
        """Set in each run what an update of its own would have left: gradients, optimizer state, step."""
        trainer = self._trainer
        for index, run in enumerate(self.runs):
            run.set_step(trainer.progress.step)
            if trainer.gradients is not None:
                d, g = (_gradients_of_run(each, index) for each in (trainer.gradients.d, trainer.gradients.g))
                run.gradients = Gradients(d, g)
            _view_stacked_state(run.optimizer_d, trainer.optimizer_d, index)
            _view_stacked_state(run.optimizer_g, trainer.optimizer_g, index)


@dataclass(frozen=True)
class StackedArchitecture:
    """The existing networks of all runs, stacked, in the form of an architecture."""

    runs: Sequence[GANTrainer]
    context: Context

    @property
    def latent_dim(self) -> int:
        """Number of dimensions of each run's z."""
        return self.runs[0].latent_dim

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Stack the random generators of all runs."""
        return StackedNetwork([run.generator for run in self.runs], self.context.batch_size)

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Stack the discriminators of all runs."""
        size = self.context.batch_size // self.context.pac
        return StackedNetwork([run.discriminator for run in self.runs], size)


@dataclass(frozen=True)
class StackedStreams:
    """The random streams of all runs as one: each run's rows are drawn from its own stream.

    Attributes:
        streams: a stream for each run.
        size: rows of a batch of one run.
    """

    streams: Sequence[Stream]
    size: int

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The random generators of all runs."""
        return [generator for stream in self.streams for generator in stream.rng_generators]

    def normal(self, rows: int, width: int) -> Tensor:
        """Draw ``(rows, width)`` from N(0, 1)."""
        return self._interleave_runs([stream.normal(rows // len(self.streams), width) for stream in self.streams])

    def normal_like(self, samples: Tensor) -> Tensor:
        """Draw numbers from N(0, 1) for samples ``(N, *shape)``."""
        share = samples[: len(samples) // len(self.streams)]
        return self._interleave_runs([stream.normal_like(share) for stream in self.streams])

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers uniform in [0, 1)."""
        rows, *rest = shape
        return self._interleave_runs([stream.uniform(rows // len(self.streams), *rest) for stream in self.streams])

    def integers(self, high: int, rows: int) -> Tensor:
        """Draw ``(rows,)`` uniform in [0, high)."""
        return self._interleave_runs([stream.integers(high, rows // len(self.streams)) for stream in self.streams])

    def get_state(self) -> Tensor:
        """Return the states of all runs, stacked; each run also saves its own."""
        return torch.stack([stream.get_state() for stream in self.streams])

    def set_state(self, state: Tensor) -> None:
        """Restore a state that :meth:`get_state` returned."""
        for stream, each in zip(self.streams, state, strict=True):
            stream.set_state(each)

    def _interleave_runs(self, parts: Sequence[Tensor]) -> Tensor:
        return _interleave_runs(parts, len(parts[0]) // self.size)


class StackedSampler:
    """The samplers of all runs as one sampler."""

    waited: None = None

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        self._samplers = samplers

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The random generators of all runs."""
        return [generator for sampler in self._samplers for generator in sampler.rng_generators]

    def prepare(self, batches: int) -> None:
        """Stage that many batches of each run."""
        for sampler in self._samplers:
            sampler.prepare(batches)

    def take(self, batches: int) -> Batch:
        """Return the next batches of every run, ``(batches * N * batch_size, *shape)``."""
        first, drawn = self._samplers[0], [_numbers(sampler, batches) for sampler in self._samplers]
        if isinstance(first, DensitySampler) and None not in drawn:
            # Each run's numbers come from its own stream; what they are transformed to is computed at once for all.
            return first.transform([_interleave_runs(each, batches) for each in zip(*drawn, strict=True)])
        parts = [sampler.take(batches) for sampler in self._samplers]
        labels = [part.labels for part in parts if part.labels is not None]
        samples = _interleave_runs([part.samples for part in parts], batches)
        return Batch(samples, _interleave_runs(labels, batches) if labels else None)

    def state_dict(self) -> dict[str, Any]:
        """Return no state: each run saves its own."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: each run restores its own state."""

    def close(self) -> None:
        for sampler in self._samplers:
            sampler.close()


def _numbers(sampler: Sampler, batches: int) -> tuple[Tensor, ...] | None:
    """Draw the random numbers that the next batches of a run are computed from; None where they are not."""
    return sampler.take_numbers(batches) if isinstance(sampler, DensitySampler) else None


def _require_runnable(runs: Sequence[GANTrainer]) -> None:
    """Run the stacked networks on the meta device; raises ``ConfigError`` if they cannot run."""
    context = runs[0].context
    inputs = {"generator": (runs[0].latent_dim,), "discriminator": context.pack_shape}
    for name, shape in inputs.items():
        with torch.device("meta"):
            network = StackedNetwork([copy.deepcopy(getattr(run, name)).to("meta") for run in runs[:2]], 2)
            labels = [each.to("meta") for each in example_labels(context.condition, 2 * len(runs[:2]))]
            try:
                network(torch.empty(2 * len(runs[:2]), *shape), *labels)
            except RuntimeError as error:
                raise ConfigError(
                    f"train.replicas: expected 1, because the {name} cannot run stacked: {str(error).splitlines()[0]}"
                ) from error


def _interleave_runs(parts: Sequence[Tensor], batches: int) -> Tensor:
    """Reorder the rows of each run, ``(batches B, ...)``, to ``(batches N B, ...)``."""
    if batches == 1:
        return torch.cat(list(parts))
    return torch.stack([part.reshape(batches, -1, *part.shape[1:]) for part in parts], dim=1).flatten(0, 2)


def _networks(run: GANTrainer, trainer: GANTrainer) -> list[tuple[nn.Module, nn.Module]]:
    return [
        (run.generator, trainer.generator),
        (run.discriminator, trainer.discriminator),
        (run.ema.network, trainer.ema.network),
    ]


def _view_stacked_tensors(network: nn.Module, stacked: nn.Module, index: int) -> None:
    """Make the tensors of run ``index``'s network views of the stacked ones."""
    assert isinstance(stacked, StackedNetwork)
    values = stacked.values()
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        value.data = values[name].data[index]


def _view_stacked_state(optimizer: ScheduledOptimizer, stacked: ScheduledOptimizer, index: int) -> None:
    """Make the state of run ``index``'s optimizer views of the stacked one's."""
    for parameter, stacked_parameter in zip(optimizer.parameters, stacked.parameters, strict=True):
        optimizer.optimizer.state[parameter] = {
            key: value[index] if isinstance(value, Tensor) and value.shape == stacked_parameter.shape else value
            for key, value in stacked.optimizer.state[stacked_parameter].items()
        }


def _gradients_of_run(gradients: Sequence[Tensor | None], index: int) -> list[Tensor | None]:
    return [None if gradient is None else gradient[index] for gradient in gradients]
