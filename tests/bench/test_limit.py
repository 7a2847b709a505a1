"""The limit of a step: what is recorded of it against counts by hand and torch's own, and how the share is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from gan_cli.bench import limit, recording
from gan_cli.bench.limit import MinimalSteps
from gan_cli.bench.recording import Product, Recording, StateUpdate
from gan_cli.bench.trial import StepBenchmark
from gan_cli.protocols.algorithm import Algorithm
from tests.conftest import SHORT, TINY
from tests.helpers.trials import on_trial, products

CPU = torch.device("cpu")
RING = (*TINY, *SHORT, "dataset=ring8")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "ROUND_SECONDS", 0.0)


@pytest.fixture
def precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def numbers(widths: list[int]) -> int:
    """Weights and biases of fully connected layers."""
    return products(widths) // 2 + sum(widths[1:])


def test_two_layer_mlp_counted_by_hand() -> None:
    batch, g, d = 4, [5, 7, 64], [64, 13, 1]
    recorded = recording.record(
        on_trial(
            *("dataset=digits", "architecture=mlp", "architecture.latent_dim=5", "loss=jsd"),
            *("architecture.generator_hidden=[7]", "architecture.discriminator_hidden=[13]"),
            *(f"train.batch_size={batch}", "loss.d_steps=2", "optimizer=adam"),
        )
    )
    # One pass of G for both updates of D. An update of D: forward, gradients of two weights and of one input.
    update_d = 2 + 2 + 1
    # An update of G: forward through both, gradients of D's two inputs, of G's weights and of one of its inputs.
    update_g = 2 + 2 + 2 + 2 + 1
    assert len(recorded.products) == 2 + 2 * update_d + update_g
    flops_d = 2 * batch * (3 * products(d) - products(d[:2]))
    flops_g = batch * (products(g) + products(d) + products(d) + 2 * products(g) - products(g[:2]))
    assert sum(product.flops for product in recorded.products) == 2 * batch * products(g) + 2 * flops_d + flops_g
    # Adam reads gradient, weights and two moments, and writes all but the gradient; an average is read and written.
    adam_d, adam_g = (StateUpdate(numbers(widths), 3, 1, torch.float32) for widths in (d, g))
    assert recorded.updates == [adam_d, adam_d, adam_g, StateUpdate(numbers(g), 1, 0, torch.float32)]
    assert (adam_d.bytes_read, adam_d.bytes_written) == (16 * numbers(d), 12 * numbers(d))


@pytest.mark.parametrize(
    "overrides",
    [
        (*RING, "loss/penalty=r1"),
        (*RING, "loss=wgan", "loss/penalty=gradient"),
        (*SHORT, "dataset=digits", "architecture=dcgan", "architecture.width=4"),
        (*RING, "device.precision=bf16"),
        (*SHORT, "dataset=ring8", "algorithm=diffusion"),
    ],
    ids=["r1", "wgan_gp", "dcgan", "bf16", "diffusion"],
)
def test_work_is_that_of_torchs_own_counter(overrides: tuple[str, ...]) -> None:
    bench = on_trial(*overrides)
    recorded = recording.record(bench)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = cast(ModuleTracker, _NoModules())
    with counter:
        bench.advance(bench.period)
    assert sum(product.flops for product in recorded.products) == counter.get_total_flops() > 0
    assert recorded.images == bench.period * recorded.work.images_per_step


class _NoModules:
    """A tracker without hooks on modules, which do not support double backward."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_bf16_weights_are_copied_once_an_update() -> None:
    recorded = recording.record(on_trial(*RING, "device.precision=bf16"))
    optimizer, *_ = recorded.updates
    assert optimizer.copied_to == torch.bfloat16
    assert optimizer.bytes_written == (12 + 2) * optimizer.elements
    assert recorded.updates[-1].copied_to is None  # the average


def test_clipping_is_part_of_the_update_and_rmsprop_needs_one_moment() -> None:
    recorded = recording.record(on_trial(*RING, "loss=wgan", "loss.d_steps=3"))
    assert [update.replaced for update in recorded.updates] == [2, 2, 2, 2, 1]
    assert [type(event) for event in recorded.events[-2:]] == [StateUpdate, StateUpdate]


def test_families_with_optimizers_of_their_parts_are_recorded() -> None:
    recorded = recording.record(on_trial(*SHORT, "algorithm=vae", "dataset=digits"))
    assert [update.replaced for update in recorded.updates] == [3, 1]


@pytest.mark.usefixtures("precision")
def test_all_ways_to_compute_a_product_agree() -> None:
    recorded = recording.record(on_trial(*RING, "train.batch_size=64", "architecture.generator_hidden=[96]"))
    torch_precision = torch.get_float32_matmul_precision()
    memory = limit._Memory(recorded.products, CPU)
    names = set()
    for product in recorded.products:
        ways = limit._ways(product, memory, {limit.MKL: "highest", limit.ONEDNN: "medium"})
        args, kwargs = (memory_of(product, memory, part) for part in (product.args, product.kwargs))
        exact = product.op(*[each.double() for each in args], **kwargs)
        for name, call in ways.items():
            # At medium precision oneDNN may round factors to bfloat16, where the processor multiplies those faster.
            loose = {} if name == limit.MKL else {"rtol": 2e-2, "atol": 2e-2}
            torch.testing.assert_close(cast(torch.Tensor, call()), exact.float(), msg=f"{name}: {product}", **loose)
        names |= ways.keys()
    assert names == {limit.MKL, limit.ONEDNN, limit.ONEDNN_LINEAR}
    assert torch.get_float32_matmul_precision() == torch_precision


def memory_of(product: Product, memory: limit._Memory, part: Any) -> Any:
    return torch.utils._pytree.tree_map_only(recording.Operand, memory.input, part)


def test_operands_that_share_memory_share_it_in_the_limit() -> None:
    weight, samples = torch.randn(3, 4), torch.randn(8, 4)
    recorded = _record(lambda: (samples @ weight.T, samples[2:4] @ weight.T, weight.T @ weight))
    memory = limit._Memory(recorded.products, CPU)
    first, second, third = ([memory.input(operand) for operand in product.args] for product in recorded.products)
    assert first[1].data_ptr() == second[1].data_ptr() == third[0].data_ptr()
    assert second[0].data_ptr() == first[0][2:4].data_ptr()
    assert first[1].stride() == weight.T.stride()
    outputs = [memory.output(product.outputs[0]) for product in recorded.products]
    assert {each.data_ptr() for each in outputs}.isdisjoint(each.data_ptr() for each in (*first, *second, *third))


def test_limit_leaves_training_as_it_was() -> None:
    disturbed, alone = on_trial(*RING), on_trial(*RING)
    recorded = recording.record(disturbed)
    limit.measure(disturbed, MinimalSteps(recorded, CPU), 0.0)
    alone.advance(disturbed.step - alone.step)
    for one, other in zip(_tensors(disturbed.algorithm), _tensors(alone.algorithm), strict=True):
        assert torch.equal(one, other)


def _tensors(algorithm: Algorithm) -> list[torch.Tensor]:
    return [tensor for _, tensor in cast(Any, algorithm).tensors()]


def test_step_of_products_alone_has_a_share_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.randn(2, 5, 5)
    operations = FlopCounterMode(display=False)
    monkeypatch.setattr(limit, "TURNS", 3)
    bench = _bench(lambda: (a @ b, torch.addmm(a, a, b), (a[None] @ b[None])))
    minimal = MinimalSteps(recording.record(bench), CPU)
    # A clock by which time passes with every operation.
    monkeypatch.setattr(time, "perf_counter", lambda: float(operations.get_total_flops()))
    with operations:
        found = limit.measure(bench, minimal, 1e4)
    assert (found.share.lower, found.share.median, found.share.upper) == (1, 1, 1)
    assert found.products == 3
    assert found.milliseconds.median == found.step_milliseconds.median == 3 * 2e3 * 5**3


def _bench(step: Any) -> StepBenchmark:
    """A benchmark of a function as the only work of a step."""
    algorithm = SimpleNamespace(update=lambda _: step(), images_seen=0, report=lambda: None)
    plan = SimpleNamespace(device=SimpleNamespace(torch_device=CPU, autocast=None), loss=None)
    return StepBenchmark(cast(Any, plan), cast(Any, algorithm))


def _record(step: Any) -> Recording:
    return recording.record(_bench(step))


def test_fastest_call_is_chosen_by_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    durations = {"slow": repeat(2.0), "fast": chain([9.0, 9.0, 9.0, 9.0], repeat(1.0))}  # two calls a round

    def take(name: str) -> None:
        now[0] += next(durations[name])

    assert limit._fastest({name: partial(take, name) for name in durations}) == "fast"


def test_products_of_one_kind_are_compared_once() -> None:
    a, b = torch.randn(2, 4, 4)
    one, other, transposed = _record(lambda: (a @ b, b @ a, a.T @ b)).products
    assert one.key == other.key != transposed.key


def test_updates_move_the_bytes_that_they_count() -> None:
    update = StateUpdate(10, 3, 1, torch.float32, torch.bfloat16)
    calls = limit._state_calls(update, CPU)
    written = [cast(torch.Tensor, call()) for call in calls]
    assert sum(tensor.nbytes for tensor in written) == update.bytes_written == 10 * (3 * 4 + 2)
    assert update.bytes_read == 10 * 4 * 4
    assert all(math.isfinite(float(tensor.sum())) for tensor in written)
