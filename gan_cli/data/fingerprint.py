"""Fingerprints that identify a set of training data, whatever file or mirror it came from."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
import torch

from gan_cli.errors import DataError
from gan_cli.protocols.data import Density, Images, Sequences

# Of larger data only this many bytes are hashed, in rows spread evenly over all of them.
MAX_HASHED_BYTES = 2**28
DENSITY_SAMPLES = 4096

# Number of images or sequences, and their fingerprint, by name.
DataIdentity: TypeAlias = dict[str, int | str]


def fingerprint(source: Images | Sequences | Density) -> str:
    """Return the SHA-256, in hexadecimal, of all samples with their labels or words.

    Of a density, it is that of points drawn from it with a fixed seed.
    """
    digest = hashlib.sha256()
    if isinstance(source, Images):
        digest.update(f"{source.pixels.shape}".encode())
        stride = -(-source.pixels.nbytes // MAX_HASHED_BYTES)
        digest.update(np.ascontiguousarray(source.pixels[::stride]).data)
        if source.labels is not None:
            digest.update(np.ascontiguousarray(source.labels).data)
    elif isinstance(source, Sequences):
        digest.update(f"{source.tokens.shape} {source.end} {source.words}".encode(errors="surrogatepass"))
        stride = -(-source.tokens.nbytes // MAX_HASHED_BYTES)
        digest.update(np.ascontiguousarray(source.tokens[:: max(1, stride)]).data)
    else:
        points = source.draw(DENSITY_SAMPLES, torch.Generator().manual_seed(0))
        digest.update(points.contiguous().numpy().data)
    return digest.hexdigest()


def data_identity(source: Images | Sequences | Density) -> DataIdentity | None:
    """Return what a checkpoint stores to identify the data, as plain values; None for points drawn from a formula.

    No file could change those, and their last bits differ from one kind of processor to another.
    """
    if isinstance(source, Images):
        return {"images": len(source.pixels), "fingerprint": fingerprint(source)}
    if isinstance(source, Sequences):
        return {"sequences": len(source.tokens), "fingerprint": fingerprint(source)}
    return None


def reject_changed_data(before: DataIdentity | None, now: DataIdentity | None) -> None:
    """Raise ``DataError`` where :func:`data_identity` of a run's data has changed; None: unknown, and not compared.

    Exact resume promises the numbers of an undisturbed run, which other data cannot give: the sampler's position and
    the held-out rows refer to these data.
    """
    if before is None or now is None or before["fingerprint"] == now["fingerprint"]:
        return
    (kind,) = (name for name in before if name != "fingerprint")
    then, present = before[kind], now.get(kind, 0)
    counts = f"{then} {kind} then, {present} now"
    if then == present:
        counts = f"{then} {kind} then and now, but their contents differ"
    raise DataError(
        f"the data are not those that this run began with ({counts}): train.allow_changed_data=true continues,"
        " but the result will differ from an uninterrupted run"
    )
