"""Choice of the device, precision, memory layout, compilation and threads of a run."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.config.schema import DeviceKind, DeviceSection, Precision
from gan_cli.errors import ConfigError
from gan_cli.runtime import cpu, gpu_locks
from gan_cli.runtime.cuda_graphs import CudaGraphRecorder, GraphRecorder
from gan_cli.runtime.torchrun import is_distributed

logger = logging.getLogger(__name__)

# Operations of a forward pass for each CPU thread. With fewer, threads wait for each other longer than they work
# (measured with two, by benchmarks/threads.py); and beside another busy process that wait, which spins, can make a run
# tens of times slower.
MIN_FLOPS_PER_THREAD = 25e6
# Default of torch, read before an earlier run of the same process could change it.
DEFAULT_THREADS = torch.get_num_threads()
# bf16 products pay only if the largest fully connected layer has at least this many weights: below it, the casts cost
# more than the products.
MIN_WEIGHTS_FOR_BF16 = 2**18
# CPU: oneDNN multiplies float32 matrices faster than MKL, but takes 15 us for each call before it begins, MKL 3.
MIN_WEIGHTS_FOR_ONEDNN = 2**18


@dataclass(frozen=True)
class Workload:
    """Computational load of a run, on which the choice of threads and precision depends.

    Attributes:
        forward_flops: floating-point operations of one forward pass of a batch through all networks.
        convolutional: whether there are convolutions.
        widest: number of weights of the largest layer.
        points: whether samples are points, whose modes may be narrower than the rounding of bf16.
        replicas: runs that are trained as one, with stacked weights, so that a product is that of all of them.
    """

    forward_flops: int
    convolutional: bool
    widest: int
    points: bool = False
    replicas: int = 1

    @classmethod
    def of(cls, networks: Iterable[nn.Module], forward_flops: int, *, points: bool, replicas: int = 1) -> Workload:
        """Return the workload of networks, which may lie on any device."""
        layers = [layer for network in networks for layer in network.modules()]
        return cls(
            forward_flops,
            convolutional=any(isinstance(layer, nn.modules.conv._ConvNd) for layer in layers),
            widest=max((weight.numel() for layer in layers for weight in layer.parameters(recurse=False)), default=0),
            points=points,
            replicas=replicas,
        )

    @property
    def has_small_products(self) -> bool:
        """Products are so small that the calls of a library take a considerable part of their time."""
        return self.replicas == 1 and self.widest < MIN_WEIGHTS_FOR_ONEDNN


@dataclass(frozen=True)
class Device:
    """Device of a run: the section ``device`` with every ``auto`` decided.

    Attributes:
        torch_device: where tensors lie.
        autocast: dtype of forward passes under autocast, or None for plain float32.
        channels_last: whether images and convolutions use that memory layout.
        compile: whether networks go through ``torch.compile``.
        graph: whether steps are captured and replayed as CUDA graphs.
        sync_batch_norm: whether batch norm takes its statistics over all processes, where there are several.
        most_threads: number of CPU threads where no other process needs the cores, to which a run under way may return;
            None where the number stays as it is.
    """

    torch_device: torch.device
    autocast: torch.dtype | None
    channels_last: bool
    compile: bool
    graph: bool
    sync_batch_norm: bool = False
    most_threads: int | None = None

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which forward passes run: autocast, or none."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.autocast)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, and its weights to the memory layout."""
        network = network.to(self.torch_device)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the callable form of a placed network: compiled if configured, with shared weights."""
        if not self.compile:
            return network
        compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
        return compiled

    def recorder(self, rng_generators: Callable[[], Sequence[torch.Generator]]) -> GraphRecorder | None:
        """Return what captures steps that draw from these generators, asked for at a capture; None: steps are eager."""
        return CudaGraphRecorder(self.torch_device, rng_generators) if self.graph else None

    def layout(self, samples: Tensor) -> Tensor:
        """Convert images to the memory layout of the networks; other samples are returned unchanged."""
        if self.channels_last and samples.dim() == 4:
            return samples.contiguous(memory_format=torch.channels_last)
        return samples

    def facts(self) -> dict[str, Any]:
        """Return the properties of the device that ``summary.json`` contains."""
        name = torch.cuda.get_device_name(self.torch_device) if self.torch_device.type == "cuda" else None
        return {
            "kind": self.torch_device.type,
            "index": self.torch_device.index,
            "name": name,
            "precision": "bf16" if self.autocast else "fp32",
            "channels_last": self.channels_last,
            "compile": self.compile,
            "graph": self.graph,
            "threads": torch.get_num_threads(),
        }

    def describe(self) -> str:
        """Return the device and how it is used, in words."""
        threads = torch.get_num_threads()
        kind = {"cpu": "CPU", "mps": "Apple GPU"}.get(self.torch_device.type)
        name = kind or f"{torch.cuda.get_device_name(self.torch_device)} ({self.torch_device})"
        words = {
            f"{threads} thread{'s' if threads != 1 else ''}": self.torch_device.type == "cpu",
            "forward passes in bf16": self.autocast is not None,
            "channels last": self.channels_last,
            "compiled": self.compile,
            "steps as CUDA graphs": self.graph,
        }
        return ", ".join([name, *(word for word, holds in words.items() if holds)])


def choose(section: DeviceSection, work: Workload, eager_because: str | None = None) -> Device:
    """Decide every ``auto``, set process-wide switches, and log the resulting device in one line.

    All of it is a function of the configuration and the machine, except the number of threads, which leaves out
    cores that other processes use: checkpoints hold it, so that a resumed run computes as before, and a run under way
    adapts it (``training/thread_adaptation.py``).

    Args:
        section: the configuration.
        work: of the run.
        eager_because: why steps of this algorithm are not captured, whatever the device; None: they can be.

    Raises:
        ConfigError: the device or a feature of it is not available.
    """
    kind = _available_kind(section.kind)
    torch_device = _torch_device(kind, section.index)
    if section.graph and kind != "cuda":
        raise ConfigError(f"device.graph: expected false or null on {kind}, got true: graphs are CUDA's")
    if section.graph and eager_because is not None:
        raise ConfigError(f"device.graph: expected false or null with this algorithm, got true: {eager_because}")
    if section.graph and is_distributed():
        raise ConfigError("device.graph: expected false or null with several processes, got true")
    if section.compile:
        _prepare_compiler(kind)
    most = _most_threads(kind, work)
    shared = kind == "cpu" and most > 1 and cpu.assigned_cores() is None  # a launcher has counted the other jobs itself
    torch.set_num_threads(section.threads or (cpu.threads_beside_others(most) if shared else most))
    if torch.are_deterministic_algorithms_enabled() != section.deterministic:
        torch.use_deterministic_algorithms(section.deterministic)  # imports torch._inductor, which takes a second
    if kind == "cuda":
        # cuBLAS is only deterministic with a workspace of fixed size, which it reads once, at the first product of the
        # process: a deterministic run may follow one that is not.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cpu.keep_freed_memory()
    if kind == "cpu":
        cpu.choose_float32_matmul_precision(work.has_small_products)
    else:
        # TF32 rounds the factors of float32 products to 10 bits of mantissa.
        torch.set_float32_matmul_precision("high" if section.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = section.tf32
    # cuDNN then measures its algorithms at the first batch of each shape, before a step is captured. Which one is the
    # fastest may differ from one start to the next, so that results are not bitwise the same.
    torch.backends.cudnn.benchmark = kind == "cuda" and work.convolutional and not section.deterministic
    bf16 = section.precision is Precision.bf16 or (section.precision is Precision.auto and _gains_by_bf16(kind, work))
    device = Device(
        torch_device=torch_device,
        autocast=torch.bfloat16 if bf16 else None,
        channels_last=work.convolutional and kind != "mps" if section.channels_last is None else section.channels_last,
        compile=section.compile,
        graph=_captures(kind, eager_because) if section.graph is None else section.graph,
        sync_batch_norm=section.sync_batch_norm,
        most_threads=most if kind == "cpu" and section.threads is None and not is_distributed() else None,
    )
    logger.info("device: %s", device.describe())
    return device


def _captures(kind: str, eager_because: str | None) -> bool:
    """Return whether steps are captured where ``device.graph`` does not say."""
    if kind == "cuda" and eager_because is not None:
        logger.info("device.graph=false: %s", eager_because)
    return kind == "cuda" and eager_because is None and not is_distributed()  # collectives are not captured


def inference_device(kind: str) -> torch.device:
    """Return the device for a finished run's networks, of a kind or ``auto``; raises ``ConfigError`` without one."""
    return torch.device(_available_kind(DeviceKind[kind]))


def _most_threads(kind: str, work: Workload) -> int:
    """Return the number of CPU threads where ``device.threads`` sets none and no other process needs the cores.

    A function of the work, not of a measurement: results differ in their last digits with the number of threads, and
    two runs of one configuration would differ by chance.
    """
    available = min(DEFAULT_THREADS, cpu.assigned_cores() or DEFAULT_THREADS, cpu.quota_cores() or DEFAULT_THREADS)
    if kind != "cpu":
        return available
    return max(1, min(available, int(work.forward_flops / MIN_FLOPS_PER_THREAD)))


def _torch_device(kind: str, index: int | str) -> torch.device:
    """Return the device of a kind to compute on; a GPU becomes the current device of the process."""
    if kind != "cuda":
        if index != "auto":
            raise ConfigError(f"device.index: expected auto on {kind}, got {index}: only CUDA devices have numbers")
        return torch.device(kind)
    gpus = [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]
    chosen = gpu_locks.choose(index, gpus, gpu_locks.locks_folder())
    torch.cuda.set_device(chosen)
    return torch.device("cuda", chosen)


def _gains_by_bf16(kind: str, work: Workload) -> bool:
    """Return whether products in bf16 are faster, and precise enough for the data."""
    return _has_bf16(kind) and not work.points and (work.convolutional or work.widest >= MIN_WEIGHTS_FOR_BF16)


def _has_bf16(kind: str) -> bool:
    if kind == "cuda":
        # Cards before Ampere emulate it, slower than float32.
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and cpu.supports_bf16_matmul()


def _prepare_compiler(kind: str) -> None:
    """Cache compiled networks for later runs; raises ``ConfigError`` where what torch.compile needs is not found."""
    variable, language, names = ("CXX", "C++", ("g++",)) if kind == "cpu" else ("CC", "C", ("gcc", "clang"))
    compilers = (os.environ[variable],) if variable in os.environ else names
    if kind != "mps" and not any(map(shutil.which, compilers)):
        raise ConfigError(
            f"device.compile: expected false, because torch.compile needs a {language} compiler on {kind} and there"
            f" is no {' or '.join(compilers)} (the environment variable {variable} names another)"
        )
    if kind == "cuda" and importlib.util.find_spec("triton") is None:
        raise ConfigError(
            "device.compile: expected false, because torch.compile needs triton on cuda and it is not installed:"
            " pip install triton"
        )
    cache = os.path.expanduser("~/.cache/gan_cli/compiled")  # noqa: PTH111 - never raises
    if not cache.startswith("~"):  # a user without a home directory has torch's own, in that of temporary files
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", cache)


def _available_kind(kind: DeviceKind) -> str:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind is DeviceKind.auto:
        return "cuda" if cuda else "mps" if mps else "cpu"
    if kind is DeviceKind.cuda and not cuda:
        raise ConfigError(
            "device=cuda: torch sees no CUDA device here. Use device=auto or device=cpu, or check nvidia-smi and"
            f" that torch {torch.__version__} is a CUDA build"
        )
    if kind is DeviceKind.mps and not mps:
        raise ConfigError("device=mps: torch sees no Apple GPU here. Use device=auto or device=cpu")
    return kind.name
