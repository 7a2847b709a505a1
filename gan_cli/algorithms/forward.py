"""Forward passes of a network in training: compiled, in the run's number format, with batch norm per minibatch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gan_cli.runtime.batch_norm import per_minibatch_statistics
from gan_cli.runtime.device import Device
from gan_cli.runtime.distributed import ProcessGroup


class TrainingForward:
    """Calls a network under autocast, compiled if so configured.

    Autocast covers the network alone: losses are computed from float32 logits, and the second derivative of a penalty
    must not run under it.
    """

    def __init__(self, network: nn.Module, device: Device, batch_norm_group: ProcessGroup | None) -> None:
        """Prepare the calls of a network.

        Args:
            network: on its device.
            device: where and how to compute.
            batch_norm_group: processes over which batch norm computes its statistics; None: each computes its own.
        """
        self._network = network
        self._call = device.prepare(network)
        self._device = device
        self._statistics = per_minibatch_statistics(network, batch_norm_group)

    def __call__(self, *inputs: Tensor | None, batches: int = 1) -> Tensor:
        """Call the network with those inputs that are not None, the rows of ``batches`` minibatches, concatenated."""
        return self._run(self._call, inputs, batches)

    def uncompiled(self, *inputs: Tensor | None, batches: int = 1) -> Tensor:
        """Call the network itself: a compiled one is specialized to the batch size of training."""
        return self._run(self._network, inputs, batches)

    def _run(self, network: nn.Module, inputs: Sequence[Tensor | None], batches: int) -> Tensor:
        with self._device.precision(), self._statistics(batches):
            output: Tensor = network(*(each for each in inputs if each is not None))
        return output
