"""Where and how numbers are computed: device, precision, memory layout, compilation, threads and seeding."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.config.schema import DeviceKind, DeviceSection, Precision
from gan_cli.errors import ConfigError
from gan_cli.runtime import cpu, gpu_locks
from gan_cli.runtime.cuda_graphs import CudaGraphRecorder, GraphRecorder
from gan_cli.runtime.torchrun import is_distributed

logger = logging.getLogger(__name__)

# Below this, threads wait for each other longer than they work; and beside another busy process that wait, which
# spins, has made such runs tens of times slower.
MIN_FLOPS_FOR_THREADS = 100e6
# torch's own choice, before an earlier run of the same process could change it.
DEFAULT_THREADS = torch.get_num_threads()
# Weights of a fully connected layer from which on a CPU gains more by bf16 products than it loses by rounding to bf16.
MIN_WEIGHTS_FOR_BF16 = 2**18


@dataclass(frozen=True)
class Workload:
    """What a run asks of a device.

    Attributes:
        forward_flops: floating-point operations of one forward pass of a batch through both networks.
        convolutional: whether there are convolutions.
        widest: weights of the largest layer.
    """

    forward_flops: int
    convolutional: bool
    widest: int

    @classmethod
    def of(cls, networks: Iterable[nn.Module], forward_flops: int) -> Workload:
        """The work of networks, which may lie on any device."""
        layers = [layer for network in networks for layer in network.modules()]
        return cls(
            forward_flops,
            convolutional=any(isinstance(layer, nn.modules.conv._ConvNd) for layer in layers),
            widest=max((weight.numel() for layer in layers for weight in layer.parameters(recurse=False)), default=0),
        )


@dataclass(frozen=True)
class Device:
    """A device section with every ``auto`` decided.

    Attributes:
        torch_device: where tensors live.
        autocast: number format of forward passes, or None for plain float32.
        channels_last: whether images and convolutions use that memory layout.
        compile: whether networks go through ``torch.compile``.
        graph: whether steps are recorded and replayed as CUDA graphs.
        sync_batch_norm: whether batch norm takes its statistics over all processes, where there are several.
    """

    torch_device: torch.device
    autocast: torch.dtype | None
    channels_last: bool
    compile: bool
    graph: bool
    sync_batch_norm: bool = False

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """The context that forward passes run in."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.autocast)

    def place(self, network: nn.Module) -> nn.Module:
        """The network on the device, in its memory layout."""
        network = network.to(self.torch_device)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def prepare(self, network: nn.Module) -> nn.Module:
        """The callable form of a placed network: compiled where asked for, sharing its weights."""
        if not self.compile:
            return network
        compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
        return compiled

    def recorder(self, generators: Sequence[torch.Generator]) -> GraphRecorder | None:
        """How steps are recorded that draw from these random streams; None: they are not."""
        return CudaGraphRecorder(self.torch_device, generators) if self.graph else None

    def layout(self, samples: Tensor) -> Tensor:
        """Images in the layout of the networks; other samples as they are."""
        if self.channels_last and samples.dim() == 4:
            return samples.contiguous(memory_format=torch.channels_last)
        return samples

    def facts(self) -> dict[str, Any]:
        """What ``summary.json`` says of the device."""
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


def choose(section: DeviceSection, work: Workload) -> Device:
    """Decide what is left to ``auto``, set process-wide switches, and say in one log line what it came to.

    All of it is a function of the configuration and the machine, but for the number of threads, which leaves out
    cores that others keep busy: a checkpoint holds it, so that a run that is resumed computes as it did before.

    Raises:
        ConfigError: what is asked for is not there.
    """
    kind = _available_kind(section.kind)
    torch_device = _torch_device(kind, section.index)
    if section.graph and kind != "cuda":
        raise ConfigError(f"device.graph: expected false or null on {kind}, got true: graphs are CUDA's")
    if section.graph and is_distributed():
        raise ConfigError("device.graph: expected false or null with several processes, got true")
    if section.compile:
        _prepare_compiler(kind)
    torch.set_num_threads(section.threads or _threads(kind, work))
    torch.use_deterministic_algorithms(section.deterministic)
    if section.deterministic and kind == "cuda":
        # cuBLAS is only deterministic with a fixed workspace, and reads this when its handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cpu.keep_freed_memory()
    if kind == "cpu":
        cpu.choose_float32_matmul_precision()
    else:
        # A GPU may round the factors of float32 products to TF32, to 10 bits, if it is allowed to.
        torch.set_float32_matmul_precision("high" if section.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = section.tf32
    bf16 = section.precision is Precision.bf16 or (section.precision is Precision.auto and _gains_by_bf16(kind, work))
    device = Device(
        torch_device=torch_device,
        autocast=torch.bfloat16 if bf16 else None,
        channels_last=work.convolutional and kind != "mps" if section.channels_last is None else section.channels_last,
        compile=section.compile,
        # What processes tell each other in a step is not recorded.
        graph=kind == "cuda" and not is_distributed() if section.graph is None else section.graph,
        sync_batch_norm=section.sync_batch_norm,
    )
    facts = ", ".join(f"{key}={value}" for key, value in device.facts().items() if value is not None)
    logger.info("device: %s", facts)
    return device


def _threads(kind: str, work: Workload) -> int:
    """CPU threads, where nobody asks for a number."""
    if kind == "cpu" and work.forward_flops < MIN_FLOPS_FOR_THREADS:
        return 1
    meant = cpu.assigned_cores()
    if meant is not None:  # the other jobs are launched as this one is, and take what is theirs
        return min(DEFAULT_THREADS, meant)
    return cpu.idle_cores(DEFAULT_THREADS) if kind == "cpu" else DEFAULT_THREADS


def _torch_device(kind: str, index: int | str) -> torch.device:
    """The device of that kind to compute on, made the present one of the process."""
    if kind != "cuda":
        if index != "auto":
            raise ConfigError(f"device.index: expected auto on {kind}, got {index}: only CUDA devices have numbers")
        return torch.device(kind)
    gpus = [str(torch.cuda.get_device_properties(number).uuid) for number in range(torch.cuda.device_count())]
    chosen = gpu_locks.choose(index, gpus, gpu_locks.locks())
    torch.cuda.set_device(chosen)
    return torch.device("cuda", chosen)


def _gains_by_bf16(kind: str, work: Workload) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return kind == "cpu" and cpu.supports_bf16_matmul() and (work.convolutional or work.widest >= MIN_WEIGHTS_FOR_BF16)


def _prepare_compiler(kind: str) -> None:
    """Let compiled networks be found by the next run; raises ``ConfigError`` where nothing can be compiled."""
    compiler = os.environ.get("CXX", "g++")
    if kind == "cpu" and shutil.which(compiler) is None:
        raise ConfigError(
            f"device.compile: expected false, because torch.compile needs a C++ compiler and there is no {compiler}"
            " (the environment variable CXX names another)"
        )
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path("~/.cache/gan_cli/compiled").expanduser()))


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
