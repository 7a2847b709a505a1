"""The memory that a run needs at least, added up from its plan before anything of it is allocated."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gan_cli.algorithms.spec import Outline, Parts
from gan_cli.config.schema import Config
from gan_cli.errors import OutOfMemoryError
from gan_cli.runtime import torchrun
from gan_cli.runtime.memory import available_memory
from gan_cli.telemetry.quantities import format_bytes

logger = logging.getLogger(__name__)

FLOAT = 4
# Share of the memory that a run leaves which a probe may take, and passes of its samples through the networks at once:
# of real samples that D trains on, of held-out ones and of generated ones.
PROBE_SHARE, PROBE_PASSES = 0.25, 3
# Batches of one step's updates that are drawn and generated in one pass.
BATCHES_PER_PASS = 8
# 2-D data: points in the scatter for each sample of a grid.
POINTS_PER_SAMPLE = 16


@dataclass(frozen=True)
class MemoryNeed:
    """Lower bounds of the bytes that parts of a run need, by what they are; each names the keys it depends on.

    Attributes:
        on_device: of networks, batches and samples.
        on_host: of the data.
    """

    on_device: Mapping[str, int]
    on_host: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return sum(self.on_device.values()) + sum(self.on_host.values())

    def require_available(self, device: torch.device) -> None:
        """Raise ``OutOfMemoryError`` where a run on this device needs more memory than the device or host has left."""
        host = torch.device("cpu")
        if device.type == "cuda":
            _require_available(self.on_device, device)
            _require_available(self.on_host, host)
        else:
            _require_available({**self.on_device, **self.on_host}, host)


def _require_available(parts: Mapping[str, int], device: torch.device) -> None:
    available, total = available_memory(device), sum(parts.values())
    if available is not None and total > available:
        largest = sorted(parts.items(), key=lambda part: -part[1])[:3]
        named = ", ".join(f"{format_bytes(size)} {what}" for what, size in largest)
        raise OutOfMemoryError(
            f"not enough memory: this run needs at least {format_bytes(total)}, and {device.type} has"
            f" {format_bytes(available)} left: {named}"
        )


def memory_need(config: Config, parts: Parts, outline: Outline, activations: float) -> MemoryNeed:
    """Add up what a run needs at least.

    Args:
        config: the typed configuration.
        parts: of the run, built but not loaded.
        outline: its networks.
        activations: bytes that one sample's forward pass through all networks leaves for the backward pass.
    """
    train, numel = config.train, math.prod(parts.dataset.shape)
    largest = 1 if parts.loss is None else parts.loss.d_steps.largest
    staged = train.batch_size * numel * min(largest, BATCHES_PER_PASS)
    grid = train.sample_count * numel * (POINTS_PER_SAMPLE if len(parts.dataset.shape) == 1 else 1)
    probe = min(config.diagnostics.samples, 1024) if config.diagnostics.every else 0
    processes = torchrun.world_size()
    # Several processes divide a batch among themselves, and each its share into micro-batches.
    share = -(-train.batch_size // processes)
    at_once = share if train.micro_batch is None else train.micro_batch
    micro = "" if train.micro_batch is None else f", train.micro_batch={train.micro_batch}"
    shown = f"train.batch_size={train.batch_size}{micro}"
    replicated = f", train.replicas={train.replicas}" if train.replicas > 1 else ""
    of_networks = weight_bytes(outline, 2 + parts.optimizer.num_moments) * train.replicas
    sizes = {
        f"for weights, gradients and moments (architecture, optimizer{replicated})": of_networks,
        f"for activations ({shown}{replicated})": int(at_once * activations) * train.replicas,
        f"for batches ({shown}{replicated})": FLOAT * staged // processes * train.replicas,
        f"for sample grids (train.sample_count={train.sample_count})": FLOAT * grid if train.sample_every else 0,
        f"for probes (diagnostics.samples={config.diagnostics.samples})": FLOAT * probe * (3 * numel + probe),
        f"for evaluations (evaluation.samples={config.evaluation.samples})": (
            FLOAT * config.evaluation.samples * numel if train.eval_every else 0
        ),
    }
    data = int(getattr(parts.dataset, "num_bytes", 0))
    return MemoryNeed(
        {what: size for what, size in sizes.items() if size}, {"for the data (dataset.count)": data} if data else {}
    )


def weight_bytes(outline: Outline, copies: int) -> int:
    """Return the bytes of so many copies of all weights, and of one more of those that are averaged."""
    weights = outline.num_parameters
    # Of a GAN, G alone is averaged.
    return FLOAT * (copies * sum(weights.values()) + weights.get("generator", sum(weights.values())))


def probe_samples(config: Config, need: MemoryNeed, activations: float, device: torch.device) -> int:
    """Return how many samples of each kind a probe may have; logs a warning where memory is short.

    A probe is one more pass through the networks, beside a batch. It has ``diagnostics.samples`` where they fit, and no
    fewer than the batch, which fits anyway.

    Args:
        config: the typed configuration.
        need: what the run needs at least.
        activations: bytes that one sample's forward pass through all networks leaves for the backward pass.
        device: on which the networks are.
    """
    wanted, batch = config.diagnostics.samples, config.train.batch_size
    available = available_memory(device)
    if available is None or not activations or not config.diagnostics.every:
        return wanted
    room = PROBE_SHARE * max(0, available - need.total) / config.train.replicas
    count = min(wanted, max(batch, int(room / (PROBE_PASSES * activations))))
    if count < wanted:
        logger.warning("diagnostics: %d samples in a probe, of diagnostics.samples=%d: memory is short", count, wanted)
    return count
