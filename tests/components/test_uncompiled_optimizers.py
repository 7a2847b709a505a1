"""Optimizers without what hides them from torch.compile: torch's own, bitwise, with the same checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from gan_cli.components.fused_adam import FusedAdam
from gan_cli.components.uncompiled_optimizers import UncompiledSGD

Make = Callable[[type[Optimizer], list[Tensor]], Optimizer]


def _adam(kind: type[Optimizer], weights: list[Tensor]) -> Optimizer:
    settings = (0.1, (0.5, 0.9), 1e-8, 0.1)
    return FusedAdam(weights, *settings) if kind is FusedAdam else Adam(weights, *settings, fused=True)


def _sgd(kind: type[Optimizer], weights: list[Tensor]) -> Optimizer:
    return kind(weights, lr=0.1, momentum=0.5, fused=True)  # type: ignore[call-arg]


CASES: dict[str, tuple[type[Optimizer], type[Optimizer], Make]] = {
    "adam": (Adam, FusedAdam, _adam),
    "sgd": (SGD, UncompiledSGD, _sgd),
}


def _weights() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, requires_grad=True) for shape in ((5, 3), (4,))]


def _train(optimizer: Optimizer, weights: list[Tensor], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        optimizer.zero_grad()
        sum((weight * torch.randn(weight.shape, generator=generator)).sum() for weight in weights).backward()  # type: ignore[union-attr]
        optimizer.step()


@pytest.mark.parametrize("name", CASES)
def test_weights_and_state_are_those_of_torchs_optimizer_bitwise(name: str) -> None:
    theirs, ours, make = CASES[name]
    weights = {kind: _weights() for kind in (theirs, ours)}
    optimizers = {kind: make(kind, weights[kind]) for kind in weights}
    for kind, optimizer in optimizers.items():
        _train(optimizer, weights[kind], seed=1)
    torch.testing.assert_close(weights[ours], weights[theirs], rtol=0, atol=0)
    states = [optimizer.state_dict() for optimizer in optimizers.values()]
    torch.testing.assert_close(states[0]["state"], states[1]["state"], rtol=0, atol=0)
    assert states[0]["param_groups"] == states[1]["param_groups"]


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_of_either_continues_with_the_other(name: str) -> None:
    theirs, ours, make = CASES[name]
    for before, after in ((theirs, ours), (ours, theirs)):
        whole, halves = _weights(), _weights()
        uninterrupted, first, second = make(theirs, whole), make(before, halves), make(after, halves)
        for seed in (1, 2):
            _train(uninterrupted, whole, seed)
        _train(first, halves, seed=1)
        second.load_state_dict(first.state_dict())
        _train(second, halves, seed=2)
        torch.testing.assert_close(halves, whole, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_not_recorded_and_gradients_are_allowed_again_after_them(name: str) -> None:
    _, ours, make = CASES[name]
    weights = _weights()
    _train(make(ours, weights), weights, seed=1)
    assert all(weight.is_leaf and weight.grad_fn is None for weight in weights)
    assert torch.is_grad_enabled()
