"""The entropy of oracles, whose estimate takes longer than a tiny run."""

from __future__ import annotations

from gan_cli.datasets.oracle import Oracle

_ENTROPIES: dict[int, float] = {}
_ESTIMATED = vars(Oracle)["entropy"].fget


def remembered_entropy(oracle: Oracle) -> float:
    """The entropy of an oracle without a file, estimated once for each length; that of one with a file."""
    if oracle._file.exists() or oracle.length not in _ENTROPIES:
        estimated: float = _ESTIMATED(oracle)
        if oracle._file.exists():
            return estimated
        _ENTROPIES[oracle.length] = estimated
    return _ENTROPIES[oracle.length]
