"""Optimizers against independent float64 references, and the closed form of the moving average."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.components.ema import MovingAverage
from gan_cli.components.fused_adam import FusedAdam
from gan_cli.components.optimizers import SGD, Adam, OptimizerConfig, RMSprop
from gan_cli.components.schedules import Linear
from gan_cli.errors import InvalidValueError

START = np.array([0.5, -2.0, 3.0])
GRADIENTS = np.random.default_rng(0).normal(size=(6, 3))


def adam(start: np.ndarray, lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> np.ndarray:
    """Kingma & Ba 2015, algorithm 1, with weight decay as a term of the gradient."""
    w, m, v = start.copy(), np.zeros(3), np.zeros(3)
    for t, gradient in enumerate(GRADIENTS, 1):
        g = gradient + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        w = w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def rmsprop(start: np.ndarray, lr: float, alpha: float, eps: float, weight_decay: float) -> np.ndarray:
    """Hinton 2012, with weight decay as a term of the gradient."""
    w, v = start.copy(), np.zeros(3)
    for gradient in GRADIENTS:
        g = gradient + weight_decay * w
        v = alpha * v + (1 - alpha) * g**2
        w = w - lr * g / (np.sqrt(v) + eps)
    return w


def trained(recipe: OptimizerConfig) -> np.ndarray:
    """START after a step of G's optimizer for each of GRADIENTS."""
    weights = torch.tensor(START, requires_grad=True)
    optimizer = recipe.for_generator([weights]).optimizer
    for gradient in GRADIENTS:
        weights.grad = torch.tensor(gradient)
        optimizer.step()
    return weights.detach().numpy()


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Adam(), adam(START, 2e-4, (0.5, 0.999), 1e-8, 0.0)),
        (
            Adam(lr=0.1, betas=(0.0, 0.9), eps=1e-3, weight_decay=0.1),
            adam(START, 0.1, (0.0, 0.9), 1e-3, 0.1),
        ),
        (RMSprop(), rmsprop(START, 5e-5, 0.99, 1e-8, 0.0)),
        (RMSprop(lr=0.1, alpha=0.9, eps=1e-3, weight_decay=0.1), rmsprop(START, 0.1, 0.9, 1e-3, 0.1)),
    ],
    ids=["adam", "adam changed", "rmsprop", "rmsprop changed"],
)
def test_recipe_follows_its_paper(recipe: OptimizerConfig, expected: np.ndarray) -> None:
    np.testing.assert_allclose(trained(recipe), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", [Adam, RMSprop])
def test_each_network_has_its_own_rate_and_lr_fills_in(kind: type[OptimizerConfig]) -> None:
    def rates(recipe: OptimizerConfig) -> tuple[float, float]:
        weights = [torch.zeros(1, requires_grad=True)]
        return recipe.for_generator(weights).rate, recipe.for_discriminator(weights).rate

    assert rates(kind(lr=0.1)) == (0.1, 0.1)
    assert rates(kind(lr=0.1, lr_g=0.2)) == (0.2, 0.1)
    assert rates(kind(lr=0.1, lr_d=0.3)) == (0.1, 0.3)


def test_decay_is_a_factor_on_the_base_rate_and_does_not_compound() -> None:
    recipe = Adam(lr=0.1, lr_g=0.4, decay=Linear(1.0, 0.0, 10))
    scheduled = recipe.for_generator([torch.zeros(1, requires_grad=True)])
    for _ in range(3):
        scheduled.set_step(5)
    assert scheduled.rate == pytest.approx(0.2)
    scheduled.set_step(10)
    assert scheduled.rate == 0.0


def test_decay_goes_on_from_a_restored_state_at_the_same_rate() -> None:
    recipe = RMSprop(lr=0.1, decay=Linear(1.0, 0.0, 10))
    first, second = (recipe.for_discriminator([torch.zeros(1, requires_grad=True)]) for _ in range(2))
    first.set_step(5)
    second.load_state_dict(first.state_dict())
    second.set_step(6)
    assert second.rate == pytest.approx(0.04)


@pytest.mark.parametrize("kind", [Adam, RMSprop, SGD])
def test_network_with_a_rate_of_0_stays_as_it_is(kind: type[OptimizerConfig]) -> None:
    start = torch.randn(5, generator=torch.Generator().manual_seed(0))
    still, moving = start.clone().requires_grad_(), start.clone().requires_grad_()
    recipe = kind(lr=0.1, lr_g=0.0)
    for weights, optimizer in ((still, recipe.for_generator([still])), (moving, recipe.for_discriminator([moving]))):
        for _ in range(3):
            optimizer.differentiate(weights.square().sum())
            optimizer.step()
    assert torch.equal(still, start)
    assert not torch.equal(moving, start)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Adam(lr=0.0), "lr"),
        (lambda: Adam(lr_g=-1.0), "lr_g"),
        (lambda: Adam(lr_d=float("nan")), "lr_d"),
        (lambda: Adam(eps=0.0), "eps"),
        (lambda: Adam(betas=(0.5, 1.0)), "betas"),
        (lambda: RMSprop(alpha=1.0), "alpha"),
        (lambda: RMSprop(weight_decay=-0.1), "weight_decay"),
    ],
)
def test_impossible_settings_are_refused_by_name(make: Callable[[], OptimizerConfig], key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        make()
    assert refused.value.key == key


@pytest.mark.parametrize(("alpha", "weight_decay"), [(0.99, 0.0), (0.9, 0.01), (0.0, 0.0), (1 - 1e-12, 0.0)])
def test_rmsprop_by_fused_adam_is_torchs_rmsprop(alpha: float, weight_decay: float) -> None:
    torch.manual_seed(0)
    start = [torch.randn(7, 5), torch.randn(3)]
    ours, theirs = ([value.clone().requires_grad_() for value in start] for _ in range(2))
    fused = RMSprop(lr=1e-2, alpha=alpha, weight_decay=weight_decay).for_generator(ours)
    plain = torch.optim.RMSprop(theirs, 1e-2, alpha, 1e-8, weight_decay)
    for _ in range(20):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        fused.step()
        plain.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("betas", [(0.5, 0.999), (0.0, 0.9)], ids=["momentum", "no momentum"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fused_adam_is_torchs_fused_adam_bit_for_bit(betas: tuple[float, float], weight_decay: float) -> None:
    torch.manual_seed(0)
    start = [torch.randn(37, 5), torch.randn(3), torch.randn(4)]
    ours, theirs = ([value.clone().requires_grad_() for value in start] for _ in range(2))
    direct = FusedAdam(ours, 1e-2, betas, 1e-8, weight_decay)
    general = torch.optim.Adam(theirs, 1e-2, betas, 1e-8, weight_decay, fused=True)
    for step in range(5):
        gradients = [torch.randn_like(value) for value in start]
        for index, gradient in enumerate(gradients):
            unused = step == 2 and index == 1  # of a parameter that this loss does not depend on
            ours[index].grad = None if unused else gradient.clone()
            theirs[index].grad = None if unused else gradient.clone()
        found_inf = torch.tensor(float(step == 3))
        direct.found_inf = general.found_inf = found_inf  # type: ignore[attr-defined]
        direct.step()
        general.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.grad, b.grad)  # type: ignore[arg-type]
        assert {key: float(value.sum()) for key, value in general.state[b].items()}.items() >= {
            key: float(value.sum()) for key, value in direct.state[a].items()
        }.items()
    assert ("exp_avg" in direct.state[ours[0]]) == (betas[0] != 0 or weight_decay != 0)


def test_rmsprop_resumes_from_a_checkpoint_that_holds_a_first_moment() -> None:
    """Earlier versions stored one, which with ``beta_1`` 0 has no influence."""
    start = torch.linspace(-1, 1, 5)
    first, second = (RMSprop(lr=0.1).for_generator([start.clone().requires_grad_()]) for _ in range(2))
    state = copy.deepcopy(first.state_dict())
    state["state"][0]["exp_avg"] = torch.full((5,), 3.0)
    second.load_state_dict(state)
    for optimizer in (first, second):
        for _ in range(3):
            optimizer.differentiate(optimizer.parameters[0].square().sum())
            optimizer.step()
    assert torch.equal(first.parameters[0], second.parameters[0])


def test_restored_optimizer_works_as_this_device_wants_it() -> None:
    """Its flags may come from a run on another kind of device; its rate and state are the checkpoint's."""
    first, second = (Adam(lr=lr).for_generator([torch.ones(3, requires_grad=True)]) for lr in (0.5, 0.25))
    state = first.state_dict()
    state["param_groups"][0]["capturable"] = True
    second.load_state_dict(state)
    assert second.optimizer.param_groups[0]["capturable"] is False
    assert second.rate == 0.5


# ---- moving average


def constant_network(value: float) -> nn.Linear:
    network = nn.Linear(2, 1).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)
    return network


def moved(half_life: float, steps: range) -> float:
    """The average after updates ``steps`` of a network that went from 0 to 1."""
    network = constant_network(0.0)
    average = MovingAverage(network, half_life)
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    for step in steps:
        average.set_step(step)
        average.update()
    values = torch.cat([parameter.flatten() for parameter in average.network.parameters()])
    assert len(values.unique()) == 1
    return float(values[0])


@pytest.mark.parametrize("half_life", [1, 4, 50])
def test_influence_of_old_weights_halves_every_half_life(half_life: int) -> None:
    late = 2 * half_life  # from here on the early ramp is over
    assert moved(half_life, range(late, late + half_life)) == pytest.approx(0.5)
    assert moved(half_life, range(late, late + 3 * half_life)) == pytest.approx(0.875)


def test_early_average_reaches_back_over_half_of_the_updates_made() -> None:
    """Update k, counted from 1, has the half-life k / 2: the initial weights' share is 0.5 ** sum(2 / k)."""
    for updates in (1, 2, 10):
        share = 0.5 ** sum(2 / k for k in range(1, updates + 1))
        assert moved(1000.0, range(updates)) == pytest.approx(1 - share)
    assert moved(1000.0, range(10)) > 0.98


def test_half_life_0_follows_the_network_exactly() -> None:
    network = nn.Linear(3, 2)
    average = MovingAverage(network, 0.0)
    for step in range(3):
        nn.init.normal_(network.weight)
        average.set_step(step)
        average.update()
        assert torch.equal(average.network.weight, network.weight)


def test_batch_norm_statistics_are_averaged_like_weights_and_its_counter_is_copied() -> None:
    network = nn.BatchNorm1d(2, momentum=1.0)
    average = MovingAverage(network, 1.0)
    for step in range(2, 4):  # past the early ramp: each update halves what was before
        network(torch.tensor([[7.0, 7.0], [9.0, 9.0]]))
        average.set_step(step)
        average.update()
    torch.testing.assert_close(average.network.running_mean, torch.full((2,), 0.75 * 8.0))
    torch.testing.assert_close(average.network.running_var, torch.full((2,), 0.25 * 1.0 + 0.75 * 2.0))
    assert int(average.network.num_batches_tracked) == 2


def test_averaging_moves_weights_into_one_storage_and_changes_none() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ConvTranspose2d(5, 2, 2)).to(
        memory_format=torch.channels_last  # type: ignore[call-overload]
    )
    before = {name: (value.clone(), value.stride()) for name, value in network.state_dict().items()}
    average = MovingAverage(network, 10.0)
    for copied in (network, average.network):
        values = copied.state_dict()
        assert {name: value.stride() for name, value in values.items()} == {k: s for k, (_, s) in before.items()}
        assert all(torch.equal(values[name], value) for name, (value, _) in before.items())
        storages = {value.untyped_storage().data_ptr() for value in values.values() if value.is_floating_point()}
        assert len(storages) == 1
    with torch.no_grad():
        network[0].weight.add_(1.0)
    average.set_step(100)
    average.update()
    assert not torch.equal(average.network[0].weight, before["0.weight"][0])
    assert torch.equal(average.network[2].weight, before["2.weight"][0])


def test_average_is_a_network_of_its_own_for_inference() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = MovingAverage(network, 10.0)
    before: list[Tensor] = [value.clone() for value in average.network.state_dict().values()]
    nn.init.zeros_(network[0].weight)
    assert all(torch.equal(a, b) for a, b in zip(before, average.network.state_dict().values(), strict=True))
    assert network.training
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    "recipe", [Adam(lr=0.1), RMSprop(lr=0.1), SGD(lr=0.1)], ids=lambda recipe: type(recipe).__name__
)
def test_optimizer_that_forgets_is_a_new_one(recipe: OptimizerConfig) -> None:
    start = torch.linspace(-1, 1, 5)
    old, new = (start.clone().requires_grad_() for _ in range(2))
    used = recipe.for_generator([old])
    for _ in range(3):
        used.differentiate((old**2).sum())
        used.step()
    with torch.no_grad():
        old.copy_(start)
    used.reset_state()
    fresh = recipe.for_generator([new])
    for _ in range(2):
        for optimizer, parameter in ((used, old), (fresh, new)):
            optimizer.differentiate((parameter**3).sum())
            optimizer.step()
    assert torch.equal(old, new)
