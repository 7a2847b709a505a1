"""Samplers: whole epochs joined end to end, one order for a seed, one shape for every batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.config import DataPlacement
from gan_cli.datasets import sampler as samplers
from gan_cli.datasets.sampler import (
    DensitySampler,
    EpochOrder,
    ResidentSampler,
    StreamedSampler,
    make_sampler,
    normalise,
)
from gan_cli.datasets.toy import Ring
from gan_cli.errors import ConfigError
from gan_cli.protocols import Images

CPU = torch.device("cpu")
COUNT, BATCH = 10, 4  # no multiple of each other: every other batch crosses from one epoch to the next

# Image number i is filled with the value i, so that a batch says which images it holds.
NUMBERED = Images(np.arange(COUNT, dtype=np.uint8)[:, None, None, None].repeat(4, axis=2).repeat(4, axis=3))

KINDS = [ResidentSampler, StreamedSampler]
Kind = type[ResidentSampler] | type[StreamedSampler]


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """Samplers put in here are closed at the end."""
    made: list[Any] = []
    yield made
    for sampler in made:
        sampler.close()


def numbers(batch: Tensor) -> list[int]:
    """The numbers of the images in a batch."""
    return ((batch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def drawn(sampler: Any, batches: int) -> list[int]:
    return [number for _ in range(batches) for number in numbers(sampler.next().samples)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_epoch_is_a_new_permutation_across_the_borders_of_batches(kind: Kind, opened: list[Any]) -> None:
    opened.append(kind(NUMBERED, BATCH, 0, CPU))
    sequence = drawn(opened[0], 15)  # six epochs
    epochs = [sequence[start : start + COUNT] for start in range(0, 60, COUNT)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(COUNT))] * 6
    assert len({tuple(epoch) for epoch in epochs}) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_every_batch_has_the_same_shape_and_type(kind: Kind, opened: list[Any]) -> None:
    opened.append(kind(NUMBERED, BATCH, 0, CPU))
    for _ in range(6):
        batch = opened[0].next().samples
        assert batch.shape == (BATCH, 1, 4, 4)
        assert batch.dtype is torch.float32


def test_order_is_a_function_of_the_seed() -> None:
    orders = [drawn(ResidentSampler(NUMBERED, BATCH, seed, CPU), 5) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_order_does_not_depend_on_where_one_starts_to_read() -> None:
    whole = torch.cat([EpochOrder(7, 0).indices(start, 7) for start in range(0, 35, 7)])
    for start in range(28):
        assert torch.equal(EpochOrder(7, 0).indices(start, 5), whole[start : start + 5])


@pytest.mark.parametrize("memory_mapped", [False, True])
def test_streamed_batches_are_those_of_resident_data_to_the_bit(
    memory_mapped: bool, tmp_path: Any, opened: list[Any]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    resident = ResidentSampler(Images(pixels), 16, 5, CPU)
    if memory_mapped:
        np.save(tmp_path / "pixels.npy", pixels)
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    opened.append(StreamedSampler(Images(pixels), 16, 5, CPU))
    for _ in range(12):
        assert torch.equal(opened[0].next().samples, resident.next().samples)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batches", [0, 1, 2, 7])
def test_restored_sampler_goes_on_in_the_middle_of_an_epoch(kind: Kind, batches: int, opened: list[Any]) -> None:
    for _ in range(3):
        opened.append(kind(NUMBERED, BATCH, 0, CPU))
    uninterrupted, before, after = opened
    expected = drawn(uninterrupted, batches + 6)
    assert drawn(before, batches) == expected[: batches * BATCH]
    drawn(after, 3)  # what it has prefetched by then is of no use and must not come out
    after.load_state_dict(before.state_dict())
    assert drawn(after, 6) == expected[batches * BATCH :]


def test_density_goes_on_with_its_own_stream() -> None:
    first, second = (DensitySampler(Ring().load(), 8, seed, CPU) for seed in (0, 1))
    batch = first.next().samples
    assert batch.shape == (8, 2)
    assert not torch.equal(batch, second.next().samples)
    second.load_state_dict(first.state_dict())
    torch.manual_seed(7)  # the global stream has no part in it
    assert torch.equal(first.next().samples, second.next().samples)


def test_normalisation_ends_at_minus_1_and_1() -> None:
    values = normalise(torch.arange(256, dtype=torch.uint8))
    assert values.dtype is torch.float32
    assert (values[0].item(), values[255].item()) == (-1.0, 1.0)
    torch.testing.assert_close(values.diff(), torch.full((255,), 2 / 255))


def test_batch_larger_than_the_data_is_refused_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match=r"train\.batch_size.* 10 .* 11"):
        make_sampler(NUMBERED, 11, 0, CPU, DataPlacement.auto)
    whole = make_sampler(NUMBERED, 10, 0, CPU, DataPlacement.resident)
    assert sorted(numbers(whole.next().samples)) == list(range(10))


def test_placement_is_what_was_asked_for_or_what_the_memory_allows(
    monkeypatch: pytest.MonkeyPatch, opened: list[Any]
) -> None:
    def made(placement: DataPlacement) -> type:
        opened.append(make_sampler(NUMBERED, BATCH, 0, CPU, placement))
        return type(opened[-1])

    assert made(DataPlacement.resident) is ResidentSampler
    assert made(DataPlacement.streamed) is StreamedSampler
    assert made(DataPlacement.auto) is ResidentSampler
    monkeypatch.setattr(samplers, "_memory", lambda device: 2.0 * NUMBERED.pixels.nbytes)
    assert made(DataPlacement.auto) is StreamedSampler


class Unreadable:
    """An array on a disk that fails after some reads."""

    def __init__(self, good_reads: int) -> None:
        self._left = good_reads

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise OSError("disk on fire")
        return NUMBERED.pixels[indices]


def test_error_of_the_prefetching_thread_surfaces_after_the_good_batches(opened: list[Any]) -> None:
    opened.append(StreamedSampler(Images(Unreadable(2)), BATCH, 0, CPU))  # type: ignore[arg-type]
    assert drawn(opened[0], 2) == drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU), 2)
    with pytest.raises(OSError, match="disk on fire"):
        opened[0].next()


def test_closing_ends_the_thread_and_a_closed_sampler_can_go_on() -> None:
    running = threading.active_count()
    sampler = StreamedSampler(NUMBERED, BATCH, 0, CPU)
    first = drawn(sampler, 2)
    assert threading.active_count() == running + 1
    sampler.close()
    assert threading.active_count() == running
    rest = drawn(sampler, 3)
    sampler.close()
    assert first + rest == drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU), 5)
