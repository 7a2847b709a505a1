"""The fixed sections of a configuration, documented and range-checked where they are declared.

Swappable parts (dataset, architecture, loss, ...) are nodes with a ``_target_`` whose constructor is their
schema; see ``config/nodes.py``. This module imports no torch, so that ``gan-train --help`` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from gan_cli.components.ranges import Count, CountOrNone, Range, Seed, check_ranges
from gan_cli.config.beginnings import ForkSection, FreezeSection, InitSection
from gan_cli.config.diagnostics import DiagnosticsSection, OnAlarm
from gan_cli.config.fields import setting
from gan_cli.config.numbers import as_integer
from gan_cli.config.stopping import CheckpointSection, StopSection
from gan_cli.errors import require
from gan_cli.storage.files import OnWriteError
from gan_cli.storage.thread_record import MAX_THREADS

if TYPE_CHECKING:
    # A node as it stands in YAML, before `config.nodes.Node` checks it; and nodes by name.
    NodeConfig = dict[str, Any]
    NodeConfigs = dict[str, NodeConfig]
else:
    # OmegaConf merges no mapping into a null of type dict, and its message for another type does not name the value.
    NodeConfig = NodeConfigs = Any


# Batches of a step are drawn and generated ahead of its updates.
DiscriminatorUpdates: TypeAlias = Annotated[int, Range(1, 10_000)]


class DeviceKind(Enum):
    """Kind of device to train on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Precision(Enum):
    """Number format of the forward and backward passes; weights are always float32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class DataPlacement(Enum):
    """Placement of the training data: all of them on the device, or memory-mapped and prefetched."""

    auto = "auto"
    resident = "resident"
    streamed = "streamed"


class NonFinite(Enum):
    """Reaction to a number that is not finite."""

    stop = "stop"
    rollback = "rollback"
    skip = "skip"


class BackboneKind(Enum):
    """Feature extractor for comparing generated with real samples; see ``evaluation/backbones/``."""

    auto = "auto"
    pixels = "pixels"
    classifier = "classifier"
    inception = "inception"


@dataclass
class TrainSection:
    """Length, cadences and batches of a run. A step is one generator update; schedules and x-axes count steps."""

    steps: Count = setting(2000, "generator updates to train for")
    batch_size: Annotated[int, Range(1, 1_048_576)] = setting(64, "samples per update")
    micro_batch: Annotated[int, Range(1, 1_048_576)] | None = setting(
        None,
        "samples that pass through the networks at once, for a batch larger than memory: a divisor of batch_size; their"
        " gradients add up. null: the whole batch",
    )
    log_every: Count = setting(50, "steps between two lines of metrics.jsonl and TensorBoard scalars")
    sample_every: CountOrNone = setting(250, "steps between two sample grids; 0: none")
    eval_every: CountOrNone = setting(
        0, "steps between two evaluations of samples (metrics/...), and one at the end; 0: none"
    )
    sample_count: Annotated[int, Range(1, 100_000)] = setting(
        64, "samples in a grid (2-D data: points in the scatter are 16 times as many)"
    )
    checkpoint_every: Count = setting(500, "steps between two checkpoints; one more is written at the end")
    keep_checkpoints: Count = setting(3, "how many of the latest checkpoints stay on disk")
    max_minutes: Annotated[float, Range(0, 10_000_000, note="0: no limit")] = setting(
        0.0, "save and stop after this many minutes, as on SIGTERM (can be resumed); 0: no limit"
    )
    non_finite: NonFinite | None = setting(
        None,
        "a number that is not finite: stop, rollback to the last good checkpoint, or skip the update; null: rollback"
        " with diagnostics.on_alarm=rollback, else stop",
    )
    on_write_error: OnWriteError = setting(
        OnWriteError.stop, "a checkpoint, log or picture that cannot be written: stop, or go_on without it"
    )
    allow_changed_data: bool = setting(False, "resume although the data are not those the run began with")
    replicas: Annotated[int, Range(1, 1024)] = setting(
        1, "number of seeds trained as one (vmap): seed, seed + 1, ...; for small networks"
    )
    held_out: Annotated[float, Range(0, 0.5)] = setting(
        0.05, "share of the data that is never trained on, to measure D's overfitting; 0: none"
    )

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class EvaluationSection:
    """Comparison of samples with real ones every train.eval_every steps; gan-eval has options of its own."""

    samples: Annotated[int, Range(20, 1_000_000)] = setting(
        2000, "generated samples of an evaluation; at most half as many as training samples"
    )
    backbone: BackboneKind = setting(
        BackboneKind.auto, "features they are compared by; auto: classifier where the data have labels, else pixels"
    )

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class MovingAverageSection:
    """Exponential moving average of the generator's weights, which samples are drawn with."""

    half_life: Annotated[float, Range(0, 1_000_000_000, note="0: no averaging")] = setting(
        50.0, "steps after which a weight's influence has halved; 0: no averaging"
    )

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class WarmupSection:
    """Extra D updates in the first steps and periodically, as in the WGAN authors' code."""

    enabled: bool = setting(False, "extra D updates in the first steps and periodically, as in the WGAN authors' code")
    d_steps: DiscriminatorUpdates = setting(100, "D updates in a warm-up step")
    first: CountOrNone = setting(25, "number of initial warm-up steps")
    every: Count = setting(500, "one warm-up step every n steps after that")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class LossSection:
    """Losses of D and G, and penalties and constraints on D."""

    objective: NodeConfig | None = setting(None, "losses of D and G from D's logits")
    penalty: NodeConfigs | None = setting(None, "penalties on D's gradient, by name; null: none")
    anneal: NodeConfig | None = setting(None, "a factor on all penalties over the steps; null: 1")
    top_k: NodeConfig | None = setting(
        None, "share of a batch that G learns from, D's favourites, over the steps; null: all"
    )
    constraint: NodeConfig | None = setting(None, "projection of D's weights after each D update")
    d_steps: DiscriminatorUpdates = setting(1, "D updates per generator update (k in the GAN paper, n_critic in WGAN)")
    reuse: bool = setting(
        False,
        "G learns from the samples that D's last update saw, as in many scripts: saves one forward pass of G; false:"
        " from fresh ones",
    )
    warmup: WarmupSection = field(default_factory=WarmupSection)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class DeviceSection:
    """Device and number format to train with; what ``auto`` chose is logged in one line."""

    kind: DeviceKind = setting(DeviceKind.auto, "auto: cuda, else mps, else cpu")
    index: Annotated[int, Range(0, 1023)] | str = setting(
        "auto", "number of a GPU, or auto: a GPU not locked by another run of gan_cli"
    )
    sync_batch_norm: bool = setting(False, "with several processes: take batch norm's statistics over all of them")
    precision: Precision = setting(
        Precision.auto,
        "auto: bf16 where the hardware has it and the networks gain, convolutional or wide; never for points",
    )
    tf32: bool = setting(True, "on GPUs, let fp32 matrix products round their factors to TF32")
    channels_last: bool | None = setting(None, "memory layout of images; null: true for convolutional networks")
    compile: bool = setting(False, "compile both networks with torch.compile")
    graph: bool | None = setting(
        None, "capture whole steps and replay them as CUDA graphs; null: on CUDA, in a single process"
    )
    deterministic: bool = setting(False, "reject operations without a deterministic implementation")
    threads: Annotated[int, Range(1, MAX_THREADS)] | None = setting(
        None, "CPU threads; null: one for small networks, else torch's choice"
    )
    data: DataPlacement = setting(
        DataPlacement.auto, "resident (on the device), streamed (from the host), or auto: resident if the data fit"
    )

    def __post_init__(self) -> None:
        if isinstance(self.index, str):  # a number from the environment: OmegaConf converts no member of a union
            self.index = self.index if (number := as_integer(self.index)) is None else number
        require(isinstance(self.index, int) or self.index == "auto", "index", self.index, "an integer or auto")
        check_ranges(self)


@dataclass
class SweepSection:
    """Settings of a sweep as a whole (``--multirun``)."""

    fail_fast: bool = setting(False, "end the sweep at the first job that fails")
    metric: str | None = setting(None, "metric that a sweeper such as optuna optimizes, e.g. metrics/frechet")


@dataclass
class Config:
    """Whole configuration of one run, as ``gan-train --cfg job`` prints it."""

    dataset: NodeConfig = setting(None, "what to learn")
    architecture: NodeConfig = setting(None, "the two networks")
    algorithm: NodeConfig = setting(None, "training algorithm: how one update is made")
    loss: LossSection = field(default_factory=LossSection)
    noise: NodeConfig | None = setting(None, "instance noise: sigma over the steps")
    augment: NodeConfig | None = setting(None, "random changes to D's images; null: none")
    optimizer: NodeConfig = setting(None, "optimizer of both networks")
    callback: NodeConfigs | None = setting(None, "callbacks of your own, by name; null: none")
    logger: NodeConfigs | None = setting(None, "loggers by name, and on_error; see config/loggers.py")
    ema: MovingAverageSection = field(default_factory=MovingAverageSection)
    device: DeviceSection = field(default_factory=DeviceSection)
    train: TrainSection = field(default_factory=TrainSection)
    diagnostics: DiagnosticsSection = field(default_factory=DiagnosticsSection)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)
    checkpoint: CheckpointSection = field(default_factory=CheckpointSection)
    stop: StopSection = field(default_factory=StopSection)
    sweep: SweepSection = field(default_factory=SweepSection)
    objective: str | None = setting(None, "deprecated alias of sweep.metric")
    conditional: bool = setting(False, "condition G and D on the class of each sample; needs data with labels")
    pac: Annotated[int, Range(1, 1024)] = setting(
        1, "samples that D scores together (PacGAN): 2 to 4 against mode collapse"
    )
    seed: Seed = setting(0, "seeds weights, data order, latents and noise")
    init: InitSection = field(default_factory=InitSection)
    freeze: FreezeSection = field(default_factory=FreezeSection)
    fork: ForkSection = field(default_factory=ForkSection)
    resume: str | None = setting(None, "run directory to resume, from its last checkpoint")
    dry_run: bool = setting(False, "compose, check, build, print what would run; write nothing")

    @property
    def non_finite(self) -> NonFinite:
        """Reaction to a number that is not finite, with ``train.non_finite=null`` replaced by what it stands for."""
        if self.train.non_finite is not None:
            return self.train.non_finite
        return NonFinite.rollback if self.diagnostics.on_alarm is OnAlarm.rollback else NonFinite.stop

    def __post_init__(self) -> None:
        check_ranges(self)
        size = self.train.batch_size
        require(size % self.pac == 0, "pac", self.pac, f"a divisor of train.batch_size, {size}")
        require(self.pac == 1 or not self.conditional, "pac", self.pac, "1 with conditional=true")
        largest = 2**63 - self.train.replicas
        require(self.seed <= largest, "seed", self.seed, f"an integer from 0 to {largest}")


# Keys that may change when a run is resumed: its length, what it writes, where it computes and finds its data.
RESUMABLE_KEYS = (
    "train.steps",
    "train.micro_batch",
    "train.log_every",
    "train.sample_every",
    "train.eval_every",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.max_minutes",
    "train.non_finite",
    "train.on_write_error",
    "train.allow_changed_data",
    "sweep",
    "objective",
    "diagnostics",
    "evaluation",
    "checkpoint",
    "stop",
    "device",
    "dataset.path",
    "dataset.labels",
    "dataset.root",
    "callback",
    "logger",
    "dry_run",
    "resume",
)


def may_change(key: str) -> bool:
    """Return whether a key may have another value when a run is resumed."""
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in RESUMABLE_KEYS)


def conf_dir() -> Path:
    """Return the folder of YAML options: inside the package when installed from a wheel, else at the checkout's top."""
    package = Path(__file__).parent.parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"
