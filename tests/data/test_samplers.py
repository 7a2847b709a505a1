"""Samplers: whole epochs joined end to end, one order for a seed, one shape for every batch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.config.schema import DataPlacement
from gan_cli.data import samplers
from gan_cli.data.epoch_order import EpochOrder
from gan_cli.data.prefetching import PREFETCHED_BATCHES
from gan_cli.data.samplers import DensitySampler, ResidentSampler, StreamedSampler, choose_sampler
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.errors import ConfigError
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.protocols.data import Images, LabelVectors
from gan_cli.runtime.distributed import SingleProcess

CPU = torch.device("cpu")
MOST = 3  # batches prepared at once, at most
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


def batch_of(sampler: Any, batches: int = 1) -> Tensor:
    """The samples of the next ``batches`` batches."""
    sampler.prepare(batches)
    samples: Tensor = sampler.take(batches).samples
    return samples


def drawn(sampler: Any, batches: int) -> list[int]:
    return [number for _ in range(batches) for number in numbers(batch_of(sampler))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_epoch_is_a_new_permutation_across_the_borders_of_batches(kind: Kind, opened: list[Any]) -> None:
    opened.append(kind(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()))
    sequence = drawn(opened[0], 15)  # six epochs
    epochs = [sequence[start : start + COUNT] for start in range(0, 60, COUNT)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(COUNT))] * 6
    assert len({tuple(epoch) for epoch in epochs}) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_every_batch_has_the_same_shape_and_type(kind: Kind, opened: list[Any]) -> None:
    opened.append(kind(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()))
    for _ in range(6):
        batch = batch_of(opened[0])
        assert batch.shape == (BATCH, 1, 4, 4)
        assert batch.dtype is torch.float32


def test_order_is_a_function_of_the_seed() -> None:
    orders = [drawn(ResidentSampler(NUMBERED, BATCH, seed, CPU, MOST, SingleProcess()), 5) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_order_does_not_depend_on_where_one_starts_to_read() -> None:
    seven = Images(NUMBERED.array[:7])
    whole = torch.cat([EpochOrder(seven, 0).indices(start, 7) for start in range(0, 35, 7)])
    for start in range(28):
        assert torch.equal(EpochOrder(seven, 0).indices(start, 5), whole[start : start + 5])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_held_out_never_come(kind: Kind, opened: list[Any]) -> None:
    rows = np.array([0, 2, 3, 5, 8, 9])
    opened.append(sampler := kind(Images(NUMBERED.array, rows=rows), BATCH, 0, CPU, MOST, SingleProcess()))
    seen = drawn(sampler, 9)
    assert [sorted(seen[start : start + 6]) for start in range(0, 36, 6)] == [rows.tolist()] * 6


@pytest.mark.parametrize("memory_mapped", [False, True])
def test_streamed_batches_are_bitwise_equal_to_resident_ones(
    memory_mapped: bool, tmp_path: Any, opened: list[Any]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    resident = ResidentSampler(Images(pixels), 16, 5, CPU, MOST, SingleProcess())
    if memory_mapped:
        np.save(tmp_path / "pixels.npy", pixels)
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    opened.append(StreamedSampler(Images(pixels), 16, 5, CPU, MOST, SingleProcess()))
    for _ in range(12):
        assert torch.equal(batch_of(opened[0]), batch_of(resident))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batches", [0, 1, 2, 7])
def test_restored_sampler_goes_on_in_the_middle_of_an_epoch(kind: Kind, batches: int, opened: list[Any]) -> None:
    for _ in range(3):
        opened.append(kind(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()))
    uninterrupted, before, after = opened
    expected = drawn(uninterrupted, batches + 6)
    assert drawn(before, batches) == expected[: batches * BATCH]
    drawn(after, 3)  # what it has prefetched by then is of no use and must not come out
    after.load_state_dict(before.state_dict())
    assert drawn(after, 6) == expected[batches * BATCH :]


def test_density_goes_on_with_its_own_stream() -> None:
    first, second = (DensitySampler(Ring().load(), 8, seed, CPU, MOST, SingleProcess()) for seed in (0, 1))
    batch = batch_of(first)
    assert batch.shape == (8, 2)
    assert not torch.equal(batch, batch_of(second))
    second.load_state_dict(first.state_dict())
    torch.manual_seed(7)  # the global stream has no part in it
    assert torch.equal(batch_of(first), batch_of(second))


@pytest.mark.parametrize("kind", KINDS)
def test_batches_taken_together_are_those_taken_one_by_one(kind: Kind, opened: list[Any]) -> None:
    labelled = Images(NUMBERED.array, np.arange(COUNT))
    opened += [kind(labelled, BATCH, 0, CPU, MOST, SingleProcess()) for _ in range(2)]
    for batches in (3, 1, 2, 3, 3):
        for sampler in opened:
            sampler.prepare(batches)
        together = opened[0].take(batches)
        single = [opened[1].take(1) for _ in range(batches)]
        assert torch.equal(together.samples, torch.cat([batch.samples for batch in single]))
        assert torch.equal(together.labels, torch.cat([batch.labels for batch in single]))
        assert together.labels.tolist() == numbers(together.samples)


def test_the_order_is_laid_out_again_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()), 40)
    monkeypatch.setattr(samplers, "INDICES_AHEAD", 14)  # room for three batches and a half
    assert drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()), 40) == expected


def test_streaming_fills_the_same_few_buffers_again(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = StreamedSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess())
    opened.append(sampler)
    drawn(sampler, 1)
    prefetcher = sampler._prefetcher
    assert prefetcher is not None
    made: list[int] = []
    whole = prefetcher._buffers
    monkeypatch.setattr(prefetcher, "_buffers", lambda: made.append(id(whole_ := whole())) or whole_)
    # The thread may have gathered so many, and one more, before anybody counted.
    drawn(sampler, 40 + PREFETCHED_BATCHES + 1)
    assert len(made) >= 40
    assert len(set(made)) <= PREFETCHED_BATCHES + 3


def test_waiting_is_counted_where_data_are_streamed_and_nowhere_else(opened: list[Any]) -> None:
    opened.append(StreamedSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()))
    drawn(opened[0], 3)
    assert opened[0].waited > 0
    assert ResidentSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()).waited is None


def test_batch_larger_than_the_data_is_refused_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match=r"train\.batch_size.* 10 .* 11"):
        choose_sampler(NUMBERED, 11, CPU, DataPlacement.auto)
    whole = choose_sampler(NUMBERED, 10, CPU, DataPlacement.resident)(NUMBERED, 10, 0, CPU, MOST, SingleProcess())
    assert sorted(numbers(batch_of(whole))) == list(range(10))


def test_placement_is_what_was_asked_for_or_what_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(placement: DataPlacement) -> object:
        return choose_sampler(NUMBERED, BATCH, CPU, placement)

    assert made(DataPlacement.resident) is ResidentSampler
    assert made(DataPlacement.streamed) is StreamedSampler
    assert made(DataPlacement.auto) is ResidentSampler
    monkeypatch.setattr(samplers, "_memory", lambda device: 2.0 * NUMBERED.array.nbytes)
    assert made(DataPlacement.auto) is StreamedSampler


class Unreadable(np.ndarray):
    """An array on a disk that fails after some reads."""

    left: int

    def take(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError("disk on fire")
        return NUMBERED.array.take(*args, **kwargs)


def unreadable(good_reads: int) -> Unreadable:
    array = NUMBERED.array.view(Unreadable)
    array.left = good_reads
    return array


def test_error_of_the_prefetching_thread_surfaces_after_the_good_batches(opened: list[Any]) -> None:
    opened.append(StreamedSampler(Images(unreadable(2)), BATCH, 0, CPU, MOST, SingleProcess()))
    assert drawn(opened[0], 2) == drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()), 2)
    with pytest.raises(OSError, match="disk on fire"):
        batch_of(opened[0])


def test_closing_ends_the_thread_and_a_closed_sampler_can_go_on() -> None:
    running = threading.active_count()
    sampler = StreamedSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess())
    first = drawn(sampler, 2)
    assert threading.active_count() == running + 1
    sampler.close()
    assert threading.active_count() == running
    rest = drawn(sampler, 3)
    sampler.close()
    assert first + rest == drawn(ResidentSampler(NUMBERED, BATCH, 0, CPU, MOST, SingleProcess()), 5)


def test_where_the_system_does_not_tell_its_memory_small_data_are_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    assert choose_sampler(NUMBERED, BATCH, CPU, DataPlacement.auto) is ResidentSampler
    monkeypatch.setattr(samplers, "UNKNOWN_MEMORY", 4 * NUMBERED.array.nbytes - 1)
    assert choose_sampler(NUMBERED, BATCH, CPU, DataPlacement.auto) is StreamedSampler


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_vectors_go_with_their_samples(kind: Kind, mirrored: bool, opened: list[Any]) -> None:
    values = np.stack([np.arange(COUNT), -np.arange(COUNT) / 2], 1).astype(np.float32)
    condition = VectorCondition(ConditionKind.numbers, ("a", "b"), ((0.0, 9.0), (-4.5, 0.0)))
    source = replace(NUMBERED, vectors=LabelVectors(values, condition), mirrored=mirrored)
    sampler = kind(source, BATCH, 0, CPU, MOST, SingleProcess())
    opened.append(sampler)
    for batches in (1, 3, 2):
        sampler.prepare(batches)
        batch = sampler.take(batches)
        assert batch.labels is not None
        assert batch.labels.dtype == torch.float32
        shown = torch.tensor(numbers(batch.samples))
        assert torch.equal(batch.labels, torch.stack([shown, -shown / 2], 1).float())
