"""Metrics of generated sentences beside real ones, all from one set of inputs."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.metrics.bleu import ORDERS, bleu, self_bleu
from gan_cli.metrics.distinct import distinct, repeated_share, verbatim_share
from gan_cli.metrics.ngram_lm import NGramModel
from gan_cli.metrics.registry import MetricInfo, metric, metrics
from gan_cli.protocols.arrays import IntArray

# Lengths of the n-grams that distinct-n counts.
DISTINCT_ORDERS = (1, 2, 3)


@dataclass(frozen=True)
class SentenceSets:
    """Sentences to measure and real ones to compare them with, each ``(N, T)`` tokens.

    Attributes:
        generated: the sentences to measure, or real ones in their place.
        hypotheses: those of them whose BLEU and self-BLEU are computed.
        training: sentences of the training data that copies are looked for in.
        held_out: sentences that were not trained on.
        references: those of them that hypotheses are compared with.
        model: language model that is fitted to real sentences.
        vocabulary: number of tokens.
        end: the token that ends a sentence; None: all have length T.
    """

    generated: IntArray
    hypotheses: IntArray
    training: IntArray
    held_out: IntArray
    references: IntArray
    model: NGramModel
    vocabulary: int
    end: int | None


@metrics(
    *(MetricInfo(f"bleu_{n}", "", "higher", f"n-grams up to {n} that are found in held-out sentences") for n in ORDERS),
    needs="sentences",
)
def bleu_scores(sets: SentenceSets) -> dict[str, float]:
    """Compute :func:`bleu` of the hypotheses against the references by name."""
    return {f"bleu_{n}": score for n, score in bleu(sets.hypotheses, sets.references, sets.end).items()}


@metrics(
    *(MetricInfo(f"self_bleu_{n}", "", "as floor", f"n-grams up to {n} that the sentences share") for n in ORDERS),
    needs="sentences",
)
def self_bleu_scores(sets: SentenceSets) -> dict[str, float]:
    """Compute :func:`self_bleu` of the hypotheses by name."""
    return {f"self_bleu_{n}": score for n, score in self_bleu(sets.hypotheses, sets.end).items()}


@metrics(
    *(
        MetricInfo(f"distinct_{n}", "share", "as floor", f"different {n}-grams over all of them")
        for n in DISTINCT_ORDERS
    ),
    needs="sentences",
)
def distinct_shares(sets: SentenceSets) -> dict[str, float]:
    """Compute :func:`distinct` of the generated sentences by name."""
    return {f"distinct_{n}": distinct(sets.generated, n, sets.end) for n in DISTINCT_ORDERS}


@metric("backward_perplexity", needs="sentences", description="of held-out sentences, by a model of generated ones")
def backward_perplexity(sets: SentenceSets) -> float:
    """Compute the perplexity of held-out sentences under a model of the generated ones."""
    return NGramModel(sets.generated, sets.vocabulary, sets.end).perplexity(sets.held_out)


@metric(
    "forward_perplexity",
    better="as floor",
    needs="sentences",
    description="of generated sentences, by a model of real ones",
)
def forward_perplexity(sets: SentenceSets) -> float:
    """Compute the perplexity of generated sentences under the model of real ones."""
    return sets.model.perplexity(sets.generated)


@metric(
    "verbatim",
    "share",
    "as floor",
    "sentences",
    description="share of sentences that stand in the training data word for word",
)
def verbatim(sets: SentenceSets) -> float:
    """Compute the share of sentences that equal one of the training data."""
    return verbatim_share(sets.generated, sets.training, sets.end)


@metric("repeated", "share", "as floor", "sentences", description="share of sentences that were generated before")
def repeated(sets: SentenceSets) -> float:
    """Compute the share of sentences that equal an earlier one."""
    return repeated_share(sets.generated, sets.end)
