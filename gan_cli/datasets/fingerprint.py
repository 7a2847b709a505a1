"""What tells one set of training data from another, whatever file or mirror it came from."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from gan_cli.data_protocols import Density, Images

# Of data larger than this only so many bytes are looked at, in rows spread evenly over all of them.
MOST_BYTES = 2**28
DRAWN = 4096


def fingerprint(source: Images | Density) -> str:
    """SHA-256 of the samples and labels, in hexadecimal; of a density, that of points drawn from it with one seed."""
    digest = hashlib.sha256()
    if isinstance(source, Images):
        digest.update(f"{source.pixels.shape}".encode())
        stride = -(-source.pixels.nbytes // MOST_BYTES)
        digest.update(np.ascontiguousarray(source.pixels[::stride]).data)
        if source.labels is not None:
            digest.update(np.ascontiguousarray(source.labels).data)
    else:
        points = source.draw(DRAWN, torch.Generator().manual_seed(0))
        digest.update(points.contiguous().numpy().data)
    return digest.hexdigest()
