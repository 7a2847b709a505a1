"""Floating-point operations as torch's own counter finds them on the meta device."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.runtime.flops import FlopCounter


class _Attention(nn.Module):
    """Scaled dot-product attention of a sequence of 5 with itself, in 2 heads of width 4."""

    def forward(self, samples: Tensor) -> Tensor:
        heads = samples.reshape(2, 5, 2, 4).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads)


class _Arithmetic(nn.Module):
    """Operations that are no products of matrices, and products written as such."""

    def forward(self, samples: Tensor) -> Tensor:
        products = samples @ samples.mT + torch.einsum("bij,bkj->bik", samples, samples)
        return (products.softmax(-1) * 2).sum()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Sequential(nn.Linear(40, 7), nn.LeakyReLU(), nn.Linear(7, 3, bias=False)), (2, 40)),
    "convolutions": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 4, 4, 2)), (2, 3, 9, 9)),
    "batch norm": (lambda: nn.Sequential(nn.Conv1d(3, 8, 3, groups=1), nn.BatchNorm1d(8)), (2, 3, 9)),
    "recurrent": (lambda: nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True), (2, 5, 8)),
    "attention": (_Attention, (2, 5, 8)),
    "arithmetic": (_Arithmetic, (2, 5, 8)),
}


def _by_torch(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        make()(torch.empty(shape))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_on_the_cpu_are_those_of_torch_on_the_meta_device(name: str) -> None:
    make, shape = NETWORKS[name]
    network, samples = make(), torch.zeros(shape)
    counter = FlopCounter()
    with torch.no_grad(), counter:
        network(samples)
    assert counter.total == _by_torch(make, shape) > 0


def test_products_outside_are_not_counted() -> None:
    counter = FlopCounter()
    with counter:
        torch.ones(2, 3) @ torch.ones(3, 4)
    torch.ones(2, 3) @ torch.ones(3, 4)
    assert counter.total == 2 * 2 * 3 * 4
