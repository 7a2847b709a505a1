"""Which way a figure is to go: what is best of a run, what a table calls good. Imports no torch."""

from __future__ import annotations

from gan_cli.evaluation.figures import MEANINGS

SIGNS = {"lower": -1, "higher": 1}
# Of an algorithm's own reports.
REPORTED = {
    "vae/elbo": 1,
    "vae/elbo_held_out": 1,
    "autoencoder/reconstruction": -1,
    "autoencoder/reconstruction_held_out": -1,
}


def direction(tag: str) -> int:
    """-1 where less is better, 1 where more is, 0 where neither is, of a tag or of a name in ``evaluation.json``."""
    if tag in REPORTED:
        return REPORTED[tag]
    group, _, name = tag.partition("/")
    if group == "divergence":
        return 0 if name == "ceiling" else -1
    meaning = MEANINGS.get(metric(tag))
    return 0 if meaning is None else SIGNS.get(meaning.better, 0)


def metric(tag: str) -> str:
    """``frechet`` of ``metrics/frechet/classifier``, and of ``frechet/classifier``."""
    return tag.removeprefix("metrics/").partition("/")[0]
