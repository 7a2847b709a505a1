"""What the figures are called, and which of them are better high and which low. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Fewer samples than these tell nothing.
FEWEST = 10


@dataclass(frozen=True)
class Meaning:
    """How to read a figure.

    Attributes:
        better: ``lower``, ``higher`` or, where neither is, what a good value is.
        what: a few words.
    """

    better: str
    what: str


# Longest n-grams of BLEU, and lengths of those that distinct-n counts.
BLEU_ORDERS = (2, 3, 4, 5)
DISTINCT_ORDERS = (1, 2, 3)


# By the part of a figure's name before the slash, which the backbone follows.
MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        "fid": Meaning("lower", "Frechet Inception distance"),
        "frechet": Meaning("lower", "Frechet distance of Gaussians fitted to the features"),
        "kid": Meaning("lower", "kernel Inception distance, unbiased: may be below 0"),
        "kid_deviation": Meaning("-", "its deviation over subsets"),
        "kernel": Meaning("lower", "kernel distance, unbiased: may be below 0"),
        "kernel_deviation": Meaning("-", "its deviation over subsets"),
        "precision": Meaning("higher", "share of generated samples among the real ones"),
        "recall": Meaning("higher", "share of real samples among the generated ones"),
        "density": Meaning("as floor", "generated samples around real ones; near 1 for real samples"),
        "coverage": Meaning("higher", "share of real samples with a generated one around them"),
        "class_kl": Meaning("lower", "divergence of the classes' shares from the data's, in nats"),
        "class_entropy": Meaning("as floor", "entropy of the classes' shares, in nats"),
        "modes": Meaning("higher", "modes with a sample"),
        "modes_kl": Meaning("lower", "divergence of the modes' shares, in nats"),
        "high_quality": Meaning("higher", "share of samples within three deviations of a mode"),
        "wasserstein": Meaning("lower", "exact transport distance to held-out samples"),
        "sharpness": Meaning("as floor", "variance of the images' Laplacian: blur has less, noise more"),
        "memorisation": Meaning("0.5", "how often a generated sample is nearer to training data than a held-out one"),
        "copied": Meaning(
            "as floor", "share of samples nearer to training data than 99% of held-out ones; 0.01 if fresh"
        ),
        **{
            f"bleu_{n}": Meaning("higher", f"n-grams up to {n} that are found in held-out sentences")
            for n in BLEU_ORDERS
        },
        **{f"self_bleu_{n}": Meaning("as floor", f"n-grams up to {n} that the sentences share") for n in BLEU_ORDERS},
        **{f"distinct_{n}": Meaning("as floor", f"different {n}-grams over all of them") for n in DISTINCT_ORDERS},
        "backward_perplexity": Meaning("lower", "of held-out sentences, by a model of generated ones"),
        "forward_perplexity": Meaning("as floor", "of generated sentences, by a model of real ones"),
        "verbatim": Meaning("as floor", "share of sentences that stand in the training data word for word"),
        "repeated": Meaning("as floor", "share of sentences that were generated before"),
        "elbo": Meaning("higher", "evidence lower bound on log p of test data, in nats per sample"),
        "iwae_50": Meaning("higher", "the same by 50 importance samples each: a tighter bound"),
        "iwae_5000": Meaning("higher", "by 5,000: nearly log p itself"),
        "nll_oracle": Meaning("lower", "in nats a token, by the data's own law; below the floor: modes are missing"),
        "nll_test": Meaning("lower", "of held-out sequences, in nats a token, by the model itself"),
    }
)


def meaning(figure: str) -> Meaning:
    """How to read the figure of that name."""
    return MEANINGS[figure.partition("/")[0]]


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
