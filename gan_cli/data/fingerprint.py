"""Fingerprints that identify a set of training data, whatever file or mirror it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from gan_cli.errors import DataError, truncated_repr
from gan_cli.protocols.data import Density, Rows, Sequences, StoredSamples, class_names, component_names

# Of larger sequences only this many bytes are hashed, in rows spread evenly over all of them.
MAX_HASHED_BYTES = 2**28
# Bytes that are read at a time.
BLOCK_BYTES = 2**23
DENSITY_SAMPLES = 4096

# Names of classes that a message lists.
MAX_NAMES = 5
# What whoever resumes a run can do about other data.
RESUME_ADVICE = "train.allow_changed_data=true continues, but the result will differ from an uninterrupted run"

# By name: the number of images, rows or sequences, their fingerprint, and the names of their classes, if they have
# names, or the kind and the names of the components of their vectors.
DataIdentity: TypeAlias = dict[str, int | str | list[str]]


def fingerprint(source: StoredSamples | Sequences | Density) -> str:
    """Return the SHA-256, in hexadecimal, of all samples with their labels or words.

    Of samples with more bytes than their ``hashed_bytes``, only so many are read, in rows spread evenly over all of
    them: a change of other rows alone is not noticed, one of the shape always is. Of a density, it is that of points
    drawn from it with a fixed seed.
    """
    digest = hashlib.sha256()
    if isinstance(source, StoredSamples):
        digest.update(f"{source.array.shape}".encode())
        rows = np.arange(0, len(source.array), -(-source.array.nbytes // source.hashed_bytes))
        length = max(1, BLOCK_BYTES * len(source.array) // source.array.nbytes)
        for start in range(0, len(rows), length):
            digest.update(np.ascontiguousarray(source.array[rows[start : start + length]]).data)
        if source.conditions is not None:
            digest.update(np.ascontiguousarray(source.conditions).data)
    elif isinstance(source, Sequences):
        digest.update(f"{source.tokens.shape} {source.end} {source.words}".encode(errors="surrogatepass"))
        stride = -(-source.tokens.nbytes // MAX_HASHED_BYTES)
        digest.update(np.ascontiguousarray(source.tokens[:: max(1, stride)]).data)
    else:
        points = source.draw(DENSITY_SAMPLES, torch.Generator().manual_seed(0))
        digest.update(points.contiguous().numpy().data)
    return digest.hexdigest()


def data_identity(source: StoredSamples | Sequences | Density) -> DataIdentity | None:
    """Return what a checkpoint stores to identify the data, as plain values; None for points drawn from a formula.

    No file could change those, and their last bits differ from one kind of processor to another.
    """
    if isinstance(source, StoredSamples):
        kind = "rows" if isinstance(source, Rows) else "images"
        return {kind: len(source.array), "fingerprint": fingerprint(source), **_names(source)}
    if isinstance(source, Sequences):
        return {"sequences": len(source.tokens), "fingerprint": fingerprint(source)}
    return None


def _names(source: StoredSamples) -> DataIdentity:
    """Return the names of the classes, or the kind and the names of the components of vectors, where there are any."""
    if source.vectors is not None:
        condition = source.vectors.condition
        return {"condition": condition.kind.value, "components": list(condition.names)}
    return {"classes": list(source.class_names)} if source.class_names else {}


def reject_changed_data(
    before: Mapping[str, Any] | None, now: DataIdentity | None, advice: str = RESUME_ADVICE
) -> None:
    """Raise ``DataError`` where :func:`data_identity` of a run's data has changed; None: unknown, and not compared.

    Exact resume promises the numbers of an undisturbed run, which other data cannot give: the sampler's position and
    the held-out rows refer to these data. An evaluation compares with the data that were learned.

    Args:
        before: identity of the data then, as a checkpoint has it.
        now: identity of the data that are there.
        advice: end of the message, which says what the user can do.
    """
    if before is None or now is None or before["fingerprint"] == now["fingerprint"]:
        return
    kind = next(name for name in ("images", "rows", "sequences") if name in now)
    then, present = before.get(kind, 0), now[kind]
    changes = [f"{then} {kind} then, {present} now"]
    if then == present:
        changes = [f"{then} {kind} then and now, but their contents differ"]
    changes += describe_class_changes(class_names(before), class_names(now))
    raise DataError(f"the data are not those that this run began with ({'; '.join(changes)}): {advice}")


def reject_changed_classes(before: Mapping[str, Any] | None, now: DataIdentity | None) -> None:
    """Raise ``DataError`` where what networks are conditional on has other names than it had: classes or numbers."""
    changes = describe_class_changes(class_names(before), class_names(now))
    if changes:
        raise DataError(f"the data have other classes than the networks are conditional on ({'; '.join(changes)})")
    then, present = (None if each is None else (each.get("condition"), component_names(each)) for each in (before, now))
    if then is not None and present is not None and then != present and (then[0] or present[0]):
        described = [_describe_components(*each) for each in (then, present)]
        raise DataError(f"the data have other labels than the networks are conditional on ({', now '.join(described)})")


def _describe_components(kind: object, names: Sequence[str]) -> str:
    listed = ", ".join(map(truncated_repr, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
    return f"{kind}: {listed}" if kind else "classes or none"


def describe_class_changes(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return in words how many classes there were and are, and which are new or gone; empty where they are the same."""
    if not before or tuple(before) == tuple(now):
        return []
    changes = [f"{len(before)} classes then, {len(now)} now"]
    for words, names, others in (("new", now, before), ("gone", before, now)):
        changed = [name for name in names if name not in set(others)]
        more = f" and {len(changed) - MAX_NAMES} more" if len(changed) > MAX_NAMES else ""
        if changed:
            changes.append(f"{words}: {', '.join(map(truncated_repr, changed[:MAX_NAMES]))}{more}")
    return [", ".join(changes)]
