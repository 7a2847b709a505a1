"""What tells one set of training data from another, whatever file or mirror it came from."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
import torch

from gan_cli.errors import DataError
from gan_cli.protocols.data import Density, Images, Sequences

# Of data larger than this only so many bytes are looked at, in rows spread evenly over all of them.
MOST_BYTES = 2**28
DRAWN = 4096

# Of data: how many images or sequences, and their fingerprint, by name.
Identity: TypeAlias = dict[str, int | str]


def fingerprint(source: Images | Sequences | Density) -> str:
    """SHA-256, in hexadecimal, of all samples with their labels or words.

    Of a density, that of points drawn from it with one seed.
    """
    digest = hashlib.sha256()
    if isinstance(source, Images):
        digest.update(f"{source.pixels.shape}".encode())
        stride = -(-source.pixels.nbytes // MOST_BYTES)
        digest.update(np.ascontiguousarray(source.pixels[::stride]).data)
        if source.labels is not None:
            digest.update(np.ascontiguousarray(source.labels).data)
    elif isinstance(source, Sequences):
        digest.update(f"{source.tokens.shape} {source.end} {source.words}".encode(errors="surrogatepass"))
        stride = -(-source.tokens.nbytes // MOST_BYTES)
        digest.update(np.ascontiguousarray(source.tokens[:: max(1, stride)]).data)
    else:
        points = source.draw(DRAWN, torch.Generator().manual_seed(0))
        digest.update(points.contiguous().numpy().data)
    return digest.hexdigest()


def identity(source: Images | Sequences | Density) -> Identity | None:
    """What a checkpoint keeps of the data, as plain values; None for points, which are drawn from a formula.

    Nothing on a disk could change those, and their last bits differ from one kind of processor to another.
    """
    if isinstance(source, Images):
        return {"images": len(source.pixels), "fingerprint": fingerprint(source)}
    if isinstance(source, Sequences):
        return {"sequences": len(source.tokens), "fingerprint": fingerprint(source)}
    return None


def refuse_other_data(before: Identity | None, now: Identity | None) -> None:
    """Raise ``DataError`` where :func:`identity` of a run's data is not what it was; None: it is not known."""
    if before is None or now is None or before["fingerprint"] == now["fingerprint"]:
        return
    (kind,) = (name for name in before if name != "fingerprint")
    counts = f"{before[kind]} {kind} then, {now.get(kind, 0)} now"
    raise DataError(
        f"the data are not those that this run began with ({counts}): train.allow_changed_data=true goes on all the"
        " same, and no longer as the run would have gone"
    )
