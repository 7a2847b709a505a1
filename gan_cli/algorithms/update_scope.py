"""The policies around an update that all families share: of one training step, and of one network within it.

A family computes a loss inside an :class:`UpdateScope` and hands it to :meth:`UpdateScope.step`; timing, the gradient,
its average over processes, the finite check, the optimizer, the restoring of a skipped update and the metrics are here.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.algorithms.buffers import MetricBuffer, RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.micro_batches import BatchT, join_rows
from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.protocols.algorithm import NonFiniteReport


class StepScope:
    """One training step, ``with step_scope: ...``: all its updates share a non-finite policy and a metric buffer."""

    def __init__(
        self, context: Context, ring_buffers: Mapping[str, RingBuffer], network_names: Sequence[str] = ("D", "G")
    ) -> None:
        """Prepare the steps of training.

        Args:
            context: settings of the run.
            ring_buffers: name -> ring buffer that updates add rows to.
            network_names: of all networks that have updates of their own, in messages.
        """
        self.context = context
        self.nonfinite_policy = context.nonfinite_policy(context.device.torch_device, network_names)
        self.metric_buffer = MetricBuffer(ring_buffers)

    def update_scope(
        self,
        network_name: str,
        optimizer: ScheduledOptimizer,
        mutable: Sequence[Tensor] = (),
        max_norm: float | None = None,
    ) -> UpdateScope:
        """Return the scope for the updates of one network; see :class:`UpdateScope` for the arguments."""
        return UpdateScope(self, network_name, optimizer, mutable, max_norm)

    def __enter__(self) -> None:
        self.metric_buffer.clear()  # rows of a step whose capture failed

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self.nonfinite_policy.finish_step()
            self.metric_buffer.flush()

    def read(self, metrics: Mapping[str, Tensor], step: int) -> tuple[dict[str, float], NonFiniteReport | None]:
        """Transfer metrics, 0-dimensional each, and those of the non-finite policy after step number ``step``.

        All in one transfer: the place where training waits for the device.
        """
        metrics = {**metrics, **self.nonfinite_policy.metrics()}
        numbers = torch.stack([metric.float() for metric in metrics.values()]).tolist()
        scalars = dict(zip(metrics, numbers, strict=True))
        return scalars, self.nonfinite_policy.flush(step + 1, scalars)


class UpdateScope:
    """One update of one network: ``with scope: scope.step(loss, name=row, ...)``.

    Where a batch may be divided into micro-batches, the loss and the rows of each are accumulated, and applied once::

        with scope:
            for part in scope.parts(batch):
                scope.accumulate(loss_of(part), name=row)
            scope.apply()

    Attributes:
        applied: whether the latest update was applied, 0-dimensional, boolean, on the device; None where the non-finite
            policy skips no update.
        norm: of the latest gradient before it was clipped, 0-dimensional; 0 where there is no ``max_norm``.
    """

    def __init__(
        self,
        step_scope: StepScope,
        network_name: str,
        optimizer: ScheduledOptimizer,
        mutable: Sequence[Tensor],
        max_norm: float | None,
    ) -> None:
        """Prepare the updates of one network.

        Args:
            step_scope: of the steps that the updates are part of.
            network_name: one of the step's ``network_names``, for timers, counts and messages.
            optimizer: of the network.
            mutable: tensors other than parameters that an update changes; restored if it is skipped.
            max_norm: norm that the gradient is clipped to; None: it is not clipped.
        """
        context = step_scope.context
        self._step_scope = step_scope
        self._network_name = network_name
        self._optimizer = optimizer
        self._mutable = mutable
        self._max_norm = max_norm
        self._timer = context.timer
        self._group = context.group
        self._micro_batches = context.micro_batches
        self._divisor = 1
        self._loss: Tensor | None = None
        self._rows: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._restorable: list[Tensor] = []
        self._copies: list[Tensor] = []
        self._running_timer: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        self.applied: Tensor | None = None
        self.norm = torch.zeros((), device=context.device.torch_device)

    def snapshot(self, tensors: Sequence[Tensor]) -> None:
        """Copy tensors as they are now, to be restored if the next update is skipped; no copy if none ever is."""
        self._restorable += tensors
        self._copies += self._step_scope.nonfinite_policy.snapshot(tensors)

    def parts(self, batch: BatchT) -> Iterator[BatchT]:
        """Yield the micro-batches of a batch, each to be accumulated before the next; or the batch itself.

        Args:
            batch: a tensor, or a dataclass of tensors, with a row for each sample.
        """
        self._divisor = self._micro_batches.count
        yield from self._micro_batches.divide(batch)

    def accumulate(self, loss: Tensor, /, **rows: Tensor) -> None:
        """Add the gradient of a part's loss, with respect to this network alone, to that of the whole batch.

        Args:
            loss: 0-dimensional, the mean over a micro-batch, or over the whole batch where there are none.
            rows: rows to :meth:`record` by the names of their ring buffers; the update does not depend on them.
        """
        loss = loss if self._divisor == 1 else loss / self._divisor
        if self._loss is None:
            self._optimizer.clear_gradient()
        self._optimizer.add_gradient(loss)  # of this network's parameters alone: D gets none in G's update
        loss = loss.detach()
        self._loss = loss if self._loss is None else self._loss + loss
        for name, row in rows.items():
            self.record(name, row)

    def record(self, name: str, row: Tensor) -> None:
        """Add a row ``(width,)`` to the ring buffer of that name, unless the update is skipped.

        The columns of a micro-batch are part of the batch's row.
        """
        self._rows[name].append(row.detach())

    def recorded(self, name: str) -> Tensor:
        """Return the latest row of that name in this update: of the whole batch, joined if it was divided."""
        return self._rows[name][-1] if self._divisor == 1 else join_rows(self._rows[name])

    def apply(self) -> Tensor:
        """Make the optimizer's step along the accumulated gradient.

        Returns:
            The loss of the whole batch, detached. With several processes it and the gradient are averaged over all,
            which are waited for, so that all apply or skip the update alike.
        """
        assert self._loss is not None
        loss = self._loss
        if self._group.size > 1:
            self._group.all_reduce_mean([*self._optimizer.present_gradients, loss])
        if self._max_norm is not None:
            self.norm = nn.utils.clip_grad_norm_(self._optimizer.parameters, self._max_norm).detach()
        with self._timer("optimizer"):
            # optimizer.step(), and what the policy does about a loss or gradient that is not finite.
            self.applied = self._step_scope.nonfinite_policy.apply_update(self._network_name, self._optimizer, loss)
        return loss

    def step(self, loss: Tensor, /, **rows: Tensor) -> Tensor:
        """Accumulate the loss of an undivided batch, and apply the update; returns the loss as :meth:`apply` does."""
        self.accumulate(loss, **rows)
        return self.apply()

    def __enter__(self) -> UpdateScope:
        self.applied, self._loss, self._divisor = None, None, 1
        self.snapshot(self._mutable)
        self._running_timer = self._timer(self._network_name)
        self._running_timer.__enter__()
        return self

    def __exit__(self, error: type[BaseException] | None, *details: Any) -> None:
        self._running_timer.__exit__(error, *details)
        if error is None:
            for name, rows in self._rows.items():
                for row in rows if self._divisor == 1 else [join_rows(rows)]:
                    self._step_scope.metric_buffer.record(name, row)
            self._step_scope.nonfinite_policy.restore(self._restorable, self._copies, self.applied)
            self._step_scope.metric_buffer.commit(self.applied)
        self._restorable, self._copies = [], []
        self._rows.clear()
