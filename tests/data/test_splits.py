"""The samples that D never trains on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_cli.data.probe_batches import PointProbeBatches, StoredProbeBatches
from gan_cli.data.splits import split_rows
from gan_cli.datasets.gaussian_mixtures import FixedPoints, Grid, Ring
from gan_cli.protocols.data import Images

CPU = torch.device("cpu")


@pytest.mark.parametrize(("count", "share", "held"), [(1797, 0.05, 89), (10, 0.0, 0), (32, 0.5, 16), (31, 0.5, 0)])
def test_rows_are_split_without_rest_and_overlap(count: int, share: float, held: int) -> None:
    train, out = split_rows(count, share)
    assert len(out) == held
    assert sorted([*train, *out]) == list(range(count))
    assert train.tolist() == sorted(train)


def test_all_seeds_and_processes_hold_out_the_same_rows() -> None:
    assert split_rows(20, 0.25, minimum=1)[1].tolist() == [2, 4, 6, 13, 19]


def test_fixed_points_are_split_and_fresh_ones_need_not_be() -> None:
    fixed = Ring(count=100).load()
    assert isinstance(fixed, FixedPoints)
    train, out = fixed.split(0.2)
    assert (len(train.points), len(out.points)) == (80, 20)
    assert not (train.points[:, None] == out.points).all(-1).any()
    grid = Grid().load()
    assert grid.split(0.2) == (grid, grid)


def test_probe_batches_are_a_function_of_the_step_and_come_from_their_own_side() -> None:
    pixels = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    train, out = split_rows(40, 0.25, minimum=10)
    probe_batches = StoredProbeBatches(Images(pixels, np.arange(40), train), out, CPU)
    trained, held = probe_batches.train(8, 3), probe_batches.heldout(8, 3)
    assert trained.labels is not None
    assert held.labels is not None
    assert set(trained.labels.tolist()) <= set(train.tolist())
    assert set(held.labels.tolist()) <= set(out.tolist())
    assert torch.equal(((held.samples[:, 0, 0, 0] + 1) * 127.5).round().long(), held.labels)
    assert torch.equal(probe_batches.train(8, 3).samples, trained.samples)
    assert not torch.equal(probe_batches.train(8, 4).samples, trained.samples)


def test_there_are_no_more_probe_samples_than_there_are_images_of_either_side() -> None:
    pixels = np.zeros((40, 1, 4, 4), np.uint8)
    train, out = split_rows(40, 0.25, minimum=10)
    assert StoredProbeBatches(Images(pixels, rows=train), out, CPU).available == 10
    assert StoredProbeBatches(Images(pixels), np.empty(0, np.int64), CPU).available == 20


def test_without_held_out_rows_the_second_batch_holds_other_training_samples() -> None:
    pixels = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    probe_batches = StoredProbeBatches(Images(pixels, np.arange(40)), np.empty(0, np.int64), CPU)
    for step in range(5):
        labels = [batch.labels for batch in (probe_batches.train(8, step), probe_batches.heldout(8, step))]
        assert labels[0] is not None
        assert labels[1] is not None
        assert not set(labels[0].tolist()) & set(labels[1].tolist())


def test_points_are_fresh_at_every_step_and_the_same_at_the_same_one() -> None:
    source = Ring().load()
    probe_batches = PointProbeBatches(source, source, 0, CPU)
    assert torch.equal(probe_batches.train(8, 1).samples, probe_batches.train(8, 1).samples)
    assert not torch.equal(probe_batches.train(8, 1).samples, probe_batches.train(8, 2).samples)
    assert not torch.equal(probe_batches.train(8, 1).samples, probe_batches.heldout(8, 1).samples)
