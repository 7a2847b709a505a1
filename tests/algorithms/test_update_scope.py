"""One update of one network: its gradient alone, what a skipped update leaves behind, rows and timed parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.nonfinite import SkipNonFinite, TrackNonFinite
from gan_cli.algorithms.update_scope import StepScope, UpdateScope
from gan_cli.components.optimizers import SGD, ScheduledOptimizer
from gan_cli.config.schema import DeviceSection
from gan_cli.runtime.device import Workload, choose

CPU = torch.device("cpu")


def context() -> Context:
    device = choose(DeviceSection(), Workload(0, 0, 0))
    return Context(
        shape=(2,), condition=0, device=device, seed=0, batch_size=4, pac=1, log_every=5, sample_count=4, half_life=0.0
    )


class Run:
    """A linear D with a buffer that its forward pass counts in, and a linear G that D's loss depends on too."""

    def __init__(self, policy: type[TrackNonFinite] | type[SkipNonFinite], max_norm: float | None = None) -> None:
        torch.manual_seed(0)
        self.d, self.g = nn.Linear(2, 1), nn.Linear(2, 2)
        self.passes = torch.zeros(())
        self.parts: list[str] = []
        self.rows = {"score": RingBuffer(10, 4, CPU)}
        self.optimizer: ScheduledOptimizer = SGD(lr=0.5, momentum=0.0).for_discriminator(self.d.parameters())
        self.step_scope = StepScope(replace(context(), timer=self.timer, nonfinite_policy=policy), self.rows)
        self.scope = self.step_scope.update_scope("D", self.optimizer, [self.passes], max_norm)

    @contextlib.contextmanager
    def timer(self, part: str) -> Iterator[None]:
        self.parts.append(part)
        yield
        self.parts.append(f"/{part}")

    def loss(self, scope: UpdateScope, factor: float) -> Tensor:
        scores: Tensor = self.d(self.g(torch.arange(8.0).reshape(4, 2))).squeeze(1)
        self.passes.add_(1)
        scope.step(factor * scores.mean(), score=scores)
        return scores

    def update(self, factor: float = 1.0) -> Tensor:
        with self.step_scope, self.scope as scope:
            return self.loss(scope, factor)


@pytest.mark.parametrize("policy", [TrackNonFinite, SkipNonFinite])
def test_an_update_descends_the_gradient_of_one_network(policy: type[TrackNonFinite]) -> None:
    run = Run(policy)
    before = run.d.weight.detach().clone()
    inputs = run.g(torch.arange(8.0).reshape(4, 2)).detach()
    scores = run.update()
    torch.testing.assert_close(run.d.weight, before - 0.5 * inputs.mean(0, keepdim=True))
    assert run.g.weight.grad is None
    assert run.rows["score"].values().tolist() == [scores.tolist()]
    assert not run.rows["score"].values().requires_grad
    assert run.passes == 1
    assert run.parts == ["D", "optimizer", "/optimizer", "/D"]


def test_a_skipped_update_leaves_no_trace() -> None:
    run = Run(SkipNonFinite)
    run.update()
    before = run.d.weight.detach().clone()
    run.update(factor=torch.inf)
    assert run.scope.applied is not None
    assert not run.scope.applied
    assert torch.equal(run.d.weight, before)
    assert run.passes == 1
    assert len(run.rows["score"].values()) == 1
    run.update()
    assert run.passes == 2
    assert len(run.rows["score"].values()) == 2


def test_tensors_kept_before_the_update_are_restored_too() -> None:
    run, early = Run(SkipNonFinite), torch.zeros(())
    for factor, expected in ((1.0, 1.0), (torch.nan, 1.0), (1.0, 2.0)):
        run.scope.snapshot([early])
        early.add_(1)
        run.update(factor)
        assert early == expected


def test_a_tracked_update_is_applied_and_reported() -> None:
    run = Run(TrackNonFinite)
    run.update(factor=torch.inf)
    assert run.scope.applied is None
    assert run.passes == 1
    assert not run.d.weight.isfinite().any()
    scalars, nonfinite = run.step_scope.read({"loss": torch.tensor(2.0)}, step=0)
    assert scalars == {"loss": 2.0}
    assert nonfinite is not None
    assert nonfinite.message == "a loss was not finite at step 1"


def test_the_gradient_is_clipped_to_its_norm() -> None:
    run, free = Run(TrackNonFinite, max_norm=0.25), Run(TrackNonFinite)
    before = run.d.weight.detach().clone(), run.d.bias.detach().clone()
    run.update()
    free.update()
    moved = torch.cat([(run.d.weight - before[0]).flatten(), run.d.bias - before[1]])
    torch.testing.assert_close(moved.norm(), torch.tensor(0.5 * 0.25))
    unclipped = torch.cat([(free.d.weight - before[0]).flatten(), free.d.bias - before[1]]).norm() / 0.5
    torch.testing.assert_close(run.scope.norm, unclipped)


def test_rows_of_a_step_that_failed_are_dropped() -> None:
    run = Run(TrackNonFinite)

    def fail() -> None:
        with run.step_scope, run.scope as scope:
            run.loss(scope, 1.0)
            raise RuntimeError("capture failed")

    with pytest.raises(RuntimeError, match="capture"):
        fail()
    run.update()
    assert len(run.rows["score"].values()) == 1
