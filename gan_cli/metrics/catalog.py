"""Names, descriptions and directions of the metrics; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Metrics of fewer samples than this are not computed.
MIN_SAMPLES = 10


@dataclass(frozen=True)
class MetricInfo:
    """Direction and description of a metric.

    Attributes:
        better: ``lower``, ``higher`` or, where neither is, the value to aim for.
        description: a few words, as they are printed.
    """

    better: str
    description: str


# Longest n-grams of BLEU, and lengths of those that distinct-n counts.
BLEU_ORDERS = (2, 3, 4, 5)
DISTINCT_ORDERS = (1, 2, 3)


# By the part of a metric's name before the slash, which the backbone follows.
METRICS: Mapping[str, MetricInfo] = MappingProxyType(
    {
        "fid": MetricInfo("lower", "Frechet Inception distance"),
        "frechet": MetricInfo("lower", "Frechet distance of Gaussians fitted to the features"),
        "kid": MetricInfo("lower", "kernel Inception distance, unbiased: may be below 0"),
        "kid_deviation": MetricInfo("-", "its deviation over subsets"),
        "kernel": MetricInfo("lower", "kernel distance, unbiased: may be below 0"),
        "kernel_deviation": MetricInfo("-", "its deviation over subsets"),
        "precision": MetricInfo("higher", "share of generated samples among the real ones"),
        "recall": MetricInfo("higher", "share of real samples among the generated ones"),
        "density": MetricInfo("as floor", "generated samples around real ones; near 1 for real samples"),
        "coverage": MetricInfo("higher", "share of real samples with a generated one around them"),
        "class_kl": MetricInfo("lower", "divergence of the classes' shares from the data's, in nats"),
        "class_entropy": MetricInfo("as floor", "entropy of the classes' shares, in nats"),
        "modes": MetricInfo("higher", "modes with a sample"),
        "modes_kl": MetricInfo("lower", "divergence of the modes' shares, in nats"),
        "high_quality": MetricInfo("higher", "share of samples within three deviations of a mode"),
        "wasserstein": MetricInfo("lower", "exact transport distance to held-out samples"),
        "sharpness": MetricInfo("as floor", "variance of the images' Laplacian: blur has less, noise more"),
        "memorisation": MetricInfo(
            "0.5", "how often a generated sample is nearer to training data than a held-out one"
        ),
        "copied": MetricInfo(
            "as floor", "share of samples nearer to training data than 99% of held-out ones; 0.01 if fresh"
        ),
        **{
            f"bleu_{n}": MetricInfo("higher", f"n-grams up to {n} that are found in held-out sentences")
            for n in BLEU_ORDERS
        },
        **{
            f"self_bleu_{n}": MetricInfo("as floor", f"n-grams up to {n} that the sentences share") for n in BLEU_ORDERS
        },
        **{f"distinct_{n}": MetricInfo("as floor", f"different {n}-grams over all of them") for n in DISTINCT_ORDERS},
        "backward_perplexity": MetricInfo("lower", "of held-out sentences, by a model of generated ones"),
        "forward_perplexity": MetricInfo("as floor", "of generated sentences, by a model of real ones"),
        "verbatim": MetricInfo("as floor", "share of sentences that stand in the training data word for word"),
        "repeated": MetricInfo("as floor", "share of sentences that were generated before"),
        "elbo": MetricInfo("higher", "evidence lower bound on log p of test data, in nats per sample"),
        "iwae_50": MetricInfo("higher", "the same by 50 importance samples each: a tighter bound"),
        "iwae_5000": MetricInfo("higher", "by 5,000: nearly log p itself"),
        "nll_oracle": MetricInfo("lower", "in nats a token, by the data's own law; below the floor: modes are missing"),
        "nll_test": MetricInfo("lower", "of held-out sequences, in nats a token, by the model itself"),
    }
)


def metric_info(name: str) -> MetricInfo:
    """Return direction and description of a metric by its name in ``evaluation.json``, ``fid/inception`` for one."""
    return METRICS[name.partition("/")[0]]


SIGNS = {"lower": -1, "higher": 1}
# Directions of tags in an algorithm's own reports.
TRAINING_TAG_DIRECTIONS = {
    "vae/elbo": 1,
    "vae/elbo_held_out": 1,
    "autoencoder/reconstruction": -1,
    "autoencoder/reconstruction_held_out": -1,
}


def direction(tag: str) -> int:
    """Return -1 where lower is better, 1 where higher is, else 0, of a tag or of a name in ``evaluation.json``."""
    if tag in TRAINING_TAG_DIRECTIONS:
        return TRAINING_TAG_DIRECTIONS[tag]
    group, _, name = tag.partition("/")
    if group == "divergence":
        return 0 if name == "ceiling" else -1
    info = METRICS.get(metric_name(tag))
    return 0 if info is None else SIGNS.get(info.better, 0)


def metric_name(tag: str) -> str:
    """Return the metric's name without group and backbone: ``frechet`` of ``metrics/frechet/classifier``."""
    return tag.removeprefix("metrics/").partition("/")[0]
