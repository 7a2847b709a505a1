"""Stored numbers as networks see them: every dtype, both samplers, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.data.probe_batches import StoredProbeBatches
from gan_cli.data.samplers import ResidentSampler, StreamedSampler
from gan_cli.protocols.data import BYTE_LEVELS, Images
from gan_cli.runtime.distributed import SingleProcess

CPU = torch.device("cpu")
LEVELS = {np.uint8: BYTE_LEVELS, np.uint16: (0.0, 4095.0), np.float16: (-2.0, 2.0), np.float32: (0.0, 1.0)}
DTYPES = pytest.mark.parametrize("dtype", list(LEVELS), ids=lambda dtype: dtype.__name__)


def stored(dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    """Five 2x3 images that reach both levels, and one beyond."""
    low, high = LEVELS[dtype]
    numbers = np.linspace(low, high, 5 * 2 * 3).reshape(5, 1, 2, 3)
    return (numbers.round() if np.issubdtype(dtype, np.integer) else numbers).astype(dtype)


def expected(array: npt.NDArray[np.generic], levels: tuple[float, float]) -> npt.NDArray[np.float64]:
    low, high = levels
    return (array.astype(np.float64) - low) / (high - low) * 2 - 1


def test_bytes_are_as_ever_bitwise() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(Normalization(BYTE_LEVELS)(values), values.float().mul_(2 / 255).sub_(1.0))


@DTYPES
def test_levels_are_minus_1_and_1_and_come_back(dtype: type[np.generic]) -> None:
    array, normalization = stored(dtype), Normalization(LEVELS[dtype])
    values = normalization(stored_tensor(array))
    assert values.dtype is torch.float32
    assert (values.min().item(), values.max().item()) == pytest.approx((-1.0, 1.0))
    np.testing.assert_allclose(values.numpy(), expected(array, LEVELS[dtype]), atol=1e-6)
    np.testing.assert_allclose(normalization.inverse(values.numpy()), array.astype(float), rtol=1e-4, atol=1e-4)


def test_16_bits_are_kept_above_32767() -> None:
    array = np.array([0, 1, 32767, 32768, 65534, 65535], np.uint16)
    values = Normalization((0.0, 65535.0))(stored_tensor(array))
    np.testing.assert_allclose((values.numpy() + 1) * 65535 / 2, array, atol=0.01)
    assert len(set(values.tolist())) == len(array)


@DTYPES
@pytest.mark.parametrize("kind", [ResidentSampler, StreamedSampler])
def test_samplers_serve_every_dtype(kind: type[ResidentSampler | StreamedSampler], dtype: type[np.generic]) -> None:
    array = stored(dtype)
    sampler = kind(Images(array, levels=LEVELS[dtype]), 5, 0, CPU, 1, SingleProcess())  # type: ignore[arg-type]
    try:
        sampler.prepare(1)
        served = sampler.take(1).samples
    finally:
        sampler.close()
    in_order = served[served[:, 0, 0, 0].argsort()]
    np.testing.assert_allclose(in_order.numpy(), expected(array, LEVELS[dtype]), atol=1e-6)


@DTYPES
def test_probe_batches_serve_every_dtype(dtype: type[np.generic]) -> None:
    array = stored(dtype)
    source = Images(array, rows=np.arange(4), levels=LEVELS[dtype])  # type: ignore[arg-type]
    held_out = StoredProbeBatches(source, np.array([4]), CPU).heldout(1, step=0).samples
    np.testing.assert_allclose(held_out.numpy(), expected(array, LEVELS[dtype])[4:], atol=1e-6)
