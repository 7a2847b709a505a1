"""Several runs that differ in their seed alone, in lockstep: each operation is one for all of them.

A small network leaves even a CPU idle: most of a step is asking for work. Here the weights of N runs lie stacked in
common tensors, and ``torch.func.vmap`` runs the networks on all of them at once. The game itself is the ordinary one
(``trainer.py``), played over a batch N times as large whose rows are ordered by batch, run and sample; only its
networks, its data and its random streams know that there are several runs. Each run stays an ``GANTrainer`` of its
own, with its own streams, whose tensors are views of its part of the common ones: so it reports, shows and saves
itself as if it were alone.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.trainer import GANTrainer, Gradients
from gan_cli.components.optimizers import OptimizerConfig, ScheduledOptimizer
from gan_cli.config.schema import LossSection
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import NoiseLevel
from gan_cli.protocols.algorithm import Preview, Report
from gan_cli.protocols.data import Batch, Sampler
from gan_cli.protocols.rng import Stream


class Replicas:
    """N runs of one configuration, trained as one."""

    def __init__(self, runs: Sequence[GANTrainer], *, loss: LossSection, noise: NoiseLevel, optimizer: OptimizerConfig):
        """Take over the runs, which must be new: their tensors become views of common ones.

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
            for run_tensors, common in _networks(run, self._trainer):
                _view_stacked_tensors(run_tensors, common, index)
            for name, window in self._trainer.windows.items():
                run.windows[name] = window.column_view(index, len(runs))

    @property
    def images_seen(self) -> int:
        """Real samples shown to each D so far."""
        return self.runs[0].images_seen

    def update(self, step: int) -> None:
        """Update number ``step`` of every run."""
        self._trainer.update(step)
        for run in self.runs:
            run.progress = self._trainer.progress

    def report(self) -> list[Report]:
        """What each run has to say about the updates since its last report."""
        self._sync_runs()
        # A run that reports empties its windows; they count their rows together.
        rows = [(window.added, int(window.added)) for window in self._trainer.windows.values()]
        reports = []
        for run in self.runs:
            for added, count in rows:
                added.fill_(count)
            reports.append(run.report())
        return reports

    def preview(self) -> list[Preview]:
        """Samples of each run to look at."""
        return [run.preview() for run in self.runs]

    def states(self) -> list[dict[str, Any]]:
        """What each run alone would save."""
        self._sync_runs()
        return [run.state_dict() for run in self.runs]

    def close(self) -> None:
        """Let go of threads and files."""
        self._trainer.close()

    def _sync_runs(self) -> None:
        """Give each run what it would have of an update of its own: gradients, optimizer state, clock."""
        trainer = self._trainer
        for index, run in enumerate(self.runs):
            run.set_step(trainer.progress.step)
            if trainer.gradients is not None:
                run.gradients = Gradients(_gradients_of_run(trainer.gradients.d, index), _gradients_of_run(trainer.gradients.g, index))
            _view_stacked_state(run.optimizer_d, trainer.optimizer_d, index)
            _view_stacked_state(run.optimizer_g, trainer.optimizer_g, index)


class StackedNetwork(nn.Module):
    """N networks as one, ``(k N B, *in) -> (k N B, *out)``: k batches, each of N runs, each of B samples."""

    def __init__(self, networks: Sequence[nn.Module], batch_size: int) -> None:
        super().__init__()
        self._num_replicas, self._batch_size = len(networks), batch_size
        weights, buffers = stack_module_state(list(networks))
        # Ordered as in a single network: a ParameterDict sorts what is not.
        self._weights = nn.ParameterDict(
            OrderedDict((_parameter_key(name), nn.Parameter(value)) for name, value in weights.items())
        )
        self._names = {_parameter_key(name): name for name in (*weights, *buffers)}
        for name, value in buffers.items():
            self.register_buffer(_parameter_key(name), value)
        # Not a part of this module: it lends its layers, and for each pass is lent the weights of a run.
        self._template = [copy.deepcopy(networks[0]).to("meta")]
        self._parameter_slots = _parameter_slots(self._template[0], [*weights, *buffers])

    def train(self, mode: bool = True) -> StackedNetwork:
        """Bring all layers into training or evaluation mode."""
        self._template[0].train(mode)
        return super().train(mode)

    def modules(self, *arguments: Any, **settings: Any) -> Any:
        """The layers of one network beside this module's own, for whoever looks for a kind of layer."""
        yield from super().modules(*arguments, **settings)
        yield from self._template[0].modules()

    def values(self) -> dict[str, Tensor]:
        """Stacked parameters and buffers by their names in a single network, ``(N, *shape)`` each."""
        stacked = {**dict(self._weights.items()), **dict(self._buffers.items())}
        return {self._names[name]: value for name, value in stacked.items() if value is not None}

    def forward(self, *inputs: Tensor) -> Tensor:
        """What each network makes of its rows."""

        def call_template(values: list[Tensor], *rows: Tensor) -> Tensor:
            # What torch.func.functional_call does, but for its search of all modules at every call.
            for (slots, name), value in zip(self._parameter_slots, values, strict=True):
                slots[name] = value
            out: Tensor = self._template[0](*rows)
            return out

        batches = len(inputs[0]) // (self._num_replicas * self._batch_size)
        values = [*self._weights.values(), *self._buffers.values()]
        out: Tensor = torch.vmap(call_template)(values, *(self._group_by_run(rows, batches) for rows in inputs))
        return out.reshape(self._num_replicas, batches, -1, *out.shape[2:]).transpose(0, 1).flatten(0, 2)

    def _group_by_run(self, rows: Tensor, batches: int) -> Tensor:
        """``(k N B, ...) -> (N, k B, ...)``."""
        return rows.reshape(batches, self._num_replicas, -1, *rows.shape[1:]).transpose(0, 1).flatten(1, 2)


def _parameter_slots(network: nn.Module, names: Sequence[str]) -> list[tuple[dict[str, Any], str]]:
    """Where a module keeps the parameters and buffers of these names: the dictionary, and the key in it."""
    places: list[tuple[dict[str, Any], str]] = []
    for path in names:
        owner, _, name = path.rpartition(".")
        module = network.get_submodule(owner)
        places.append((module._parameters if name in module._parameters else module._buffers, name))
    return places


@dataclass(frozen=True)
class StackedArchitecture:
    """The networks of all runs as an architecture: they are there already."""

    runs: Sequence[GANTrainer]
    context: Context

    @property
    def latent_dim(self) -> int:
        """Of each run."""
        return self.runs[0].latent_dim

    def generator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """All generators."""
        return StackedNetwork([run.generator for run in self.runs], self.context.batch_size)

    def discriminator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """All discriminators."""
        size = self.context.batch_size // self.context.pac
        return StackedNetwork([run.discriminator for run in self.runs], size)


@dataclass(frozen=True)
class StackedStreams:
    """The streams of all runs as one: each run's rows come from its own.

    Attributes:
        strands: a stream a run.
        size: rows of a batch of one run.
    """

    runs: Sequence[Stream]
    size: int

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """Those of all runs."""
        return [generator for run in self.runs for generator in run.generators]

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1)."""
        return self._interleave_runs([run.normal(rows // len(self.runs), width) for run in self.runs])

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``."""
        share = samples[: len(samples) // len(self.runs)]
        return self._interleave_runs([run.normal_like(share) for run in self.runs])

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        rows, *rest = shape
        return self._interleave_runs([run.uniform(rows // len(self.runs), *rest) for run in self.runs])

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return self._interleave_runs([run.integers(high, rows // len(self.runs)) for run in self.runs])

    def get_state(self) -> Tensor:
        """The states of all runs, which also save their own."""
        return torch.stack([run.get_state() for run in self.runs])

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        for run, run_tensors in zip(self.runs, state, strict=True):
            run.set_state(run_tensors)

    def _interleave_runs(self, parts: Sequence[Tensor]) -> Tensor:
        return _interleave_runs(parts, len(parts[0]) // self.size)


class StackedSampler:
    """The samplers of all runs as one."""

    waited: None = None

    def __init__(self, runs: Sequence[Sampler]) -> None:
        self._runs = runs

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """Those of all runs."""
        return [generator for run in self._runs for generator in run.generators]

    def prepare(self, batches: int) -> None:
        """Have that many batches of each run at hand."""
        for run in self._runs:
            run.prepare(batches)

    def take(self, batches: int) -> Batch:
        """The next batches of every run, ``(batches * N * batch_size, *shape)``."""
        parts = [run.take(batches) for run in self._runs]
        labels = [part.labels for part in parts if part.labels is not None]
        samples = _interleave_runs([part.samples for part in parts], batches)
        return Batch(samples, _interleave_runs(labels, batches) if labels else None)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each run saves its own."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def close(self) -> None:
        """Stop all that works in the background."""
        for run in self._runs:
            run.close()


def _require_runnable(runs: Sequence[GANTrainer]) -> None:
    """Run the networks stacked, on no memory; raises ``ConfigError`` if they cannot."""
    context = runs[0].context
    inputs = {"generator": (runs[0].latent_dim,), "discriminator": context.pack_shape}
    for name, shape in inputs.items():
        with torch.device("meta"):
            network = StackedNetwork([copy.deepcopy(getattr(run, name)).to("meta") for run in runs[:2]], 2)
            labels = [torch.zeros(2 * len(runs[:2]), dtype=torch.int64)] if context.classes else []
            try:
                network(torch.empty(2 * len(runs[:2]), *shape), *labels)
            except RuntimeError as error:
                raise ConfigError(
                    f"train.replicas: expected 1, because the {name} cannot run stacked: {str(error).splitlines()[0]}"
                ) from error


def _interleave_runs(parts: Sequence[Tensor], batches: int) -> Tensor:
    """The rows of each run, ``(batches B, ...)``, as ``(batches N B, ...)``."""
    if batches == 1:
        return torch.cat(list(parts))
    return torch.stack([part.reshape(batches, -1, *part.shape[1:]) for part in parts], dim=1).flatten(0, 2)


def _parameter_key(name: str) -> str:
    """A name that a module allows for a parameter."""
    return name.replace(".", "/")


def _networks(run: GANTrainer, trainer: GANTrainer) -> list[tuple[nn.Module, nn.Module]]:
    return [
        (run.generator, trainer.generator),
        (run.discriminator, trainer.discriminator),
        (run.ema.network, trainer.ema.network),
    ]


def _view_stacked_tensors(run_tensors: nn.Module, common: nn.Module, index: int) -> None:
    """Make a network's tensors views of its part of the stacked ones."""
    assert isinstance(common, StackedNetwork)
    stacked = common.values()
    for name, value in (*run_tensors.named_parameters(), *run_tensors.named_buffers()):
        value.data = stacked[name].data[index]


def _view_stacked_state(run_tensors: ScheduledOptimizer, common: ScheduledOptimizer, index: int) -> None:
    """Make an optimizer's state views of its part of the stacked one's."""
    for parameter, stacked in zip(run_tensors.parameters, common.parameters, strict=True):
        run_tensors.optimizer.state[parameter] = {
            key: value[index] if isinstance(value, Tensor) and value.shape == stacked.shape else value
            for key, value in common.optimizer.state[stacked].items()
        }


def _gradients_of_run(gradients: Sequence[Tensor | None], index: int) -> list[Tensor | None]:
    return [None if gradient is None else gradient[index] for gradient in gradients]


def require_stackable(loss: LossSection, augmented: bool, adaptive: bool, compiled: bool) -> None:
    """Raise ``ConfigError`` for what looks at a whole batch, or draws from a stream that is not braided."""
    sampling_penalties = [name for name, penalty in loss.penalties.items() if not penalty.gradient_sides]
    reasons = {
        f"with the penalty {', '.join(drawing)}, which draws points of its own": bool(sampling_penalties),
        "with loss/top_k, which ranks a whole batch": loss.top_k is not None,
        "with augment, which draws from a stream of its own": augmented,
        "with noise=adaptive, which follows one D": adaptive,
        "with device.compile=true": compiled,
    }
    for reason, unsupported in reasons.items():
        if unsupported:
            raise ConfigError(f"train.replicas: expected 1 {reason}")
