"""Data that do not fit in memory: refused with the figure before anything is allocated."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.data import memory
from gan_cli.data.resizing import resize_pictures
from gan_cli.datasets.oracle import Oracle
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import DataError


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_host_memory", lambda: 1_250_000)


def test_unknown_memory_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_host_memory", lambda: None)
    memory.require_memory(2**50, "data", "nothing")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            lambda: Oracle("nowhere", length=20, count=10_000_000).load(),
            "10,000,000 sequences of 20 tokens take 4,000,000,000 bytes of memory, more than the 1,000,000 for data;"
            " a smaller dataset.count takes fewer",
        ),
        (
            lambda: StackedMnist("nowhere", (), count=10_000_000, size=32).load(),
            "10,000,000 images of 32 pixels take 30,720,000,000 bytes of memory, more than the 1,000,000 for data;"
            " a smaller dataset.count takes fewer",
        ),
        (
            lambda: resize_pictures(np.zeros((100, 1, 28, 28), np.uint8), (256, 256)),
            "100 images of 256x256 pixels take 6,553,600 bytes of memory, more than the 1,000,000 for data;"
            " a smaller dataset.size takes fewer",
        ),
    ],
)
def test_data_that_do_not_fit_cost_one_line(load: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load()  # type: ignore[operator]
    assert str(caught.value) == message
