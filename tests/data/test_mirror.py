"""Data doubled by their mirror images: every row twice an epoch, none of the held-out ones, in both samplers alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.data.probe_batches import split_data
from gan_cli.data.samplers import ResidentSampler, StreamedSampler
from gan_cli.protocols.data import Images
from gan_cli.runtime.distributed import SingleProcess

CPU = torch.device("cpu")
COUNT = 40


def images(rows: np.ndarray | None = None) -> Images:
    """Images of one row: their number, then 0; mirrored, 0 comes first."""
    pixels = np.zeros((COUNT, 1, 1, 2), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(1, COUNT + 1)
    return Images(pixels, np.arange(COUNT), rows, mirrored=True)


def epoch(kind: type[ResidentSampler | StreamedSampler], source: Images) -> tuple[Tensor, Tensor]:
    sampler = kind(source, source.count // 4, 0, CPU, 4, SingleProcess())
    try:
        sampler.prepare(4)
        batch = sampler.take(4)
    finally:
        sampler.close()
    assert batch.labels is not None
    return ((batch.samples + 1) * 255 / 2).round().int()[:, 0, 0], batch.labels


@pytest.mark.parametrize("kind", [ResidentSampler, StreamedSampler])
@pytest.mark.parametrize("rows", [None, np.arange(0, COUNT, 2)])
def test_every_row_is_there_twice_an_epoch(
    kind: type[ResidentSampler | StreamedSampler], rows: np.ndarray | None
) -> None:
    source = images(rows)
    pixels, labels = epoch(kind, source)
    used = range(COUNT) if rows is None else rows.tolist()
    assert source.count == len(pixels) == 2 * len(used)
    expected = Counter(pair for row in used for pair in ((row + 1, 0), (0, row + 1)))
    assert Counter(map(tuple, pixels.tolist())) == expected
    assert torch.equal(pixels.sum(1) - 1, labels), "a mirror image has the label of its image"


def test_both_samplers_serve_the_same() -> None:
    resident, streamed = (epoch(kind, images()) for kind in (ResidentSampler, StreamedSampler))
    assert torch.equal(resident[0], streamed[0])


def test_held_out_images_are_not_trained_on_from_the_other_side() -> None:
    split = split_data(images(), 0.4)
    assert isinstance(split.train, Images)
    pixels, _ = epoch(ResidentSampler, split.train)
    assert isinstance(split.heldout, np.ndarray)
    assert len(split.heldout) == 16
    assert not set((split.heldout + 1).tolist()) & set(pixels.sum(1).tolist())
