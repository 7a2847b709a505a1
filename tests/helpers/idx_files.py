"""MNIST's format: arrays of bytes as IDX files, and a pair of them with three images."""

from __future__ import annotations

import struct

import numpy as np

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


PIXELS = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
FILES = {IMAGES: idx_bytes(PIXELS), LABELS: idx_bytes(np.array([7, 0, 9], np.uint8))}
