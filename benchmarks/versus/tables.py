"""Tables that compare all models on one dataset: budgets, metrics of samples, quality against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from benchmarks.formatting import heading, row
from benchmarks.versus.models import MODELS
from benchmarks.versus.results import Results, mean_std, number
from gan_cli.metrics.registry import metric_info

METRICS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "mnist": (
            "frechet/classifier",
            "frechet/pixels",
            "precision/classifier",
            "recall/classifier",
            "density/classifier",
            "coverage/classifier",
            "precision/pixels",
            "recall/pixels",
            "density/pixels",
            "coverage/pixels",
            "class_kl/classifier",
            "sharpness",
            "memorisation/classifier",
            "memorisation/pixels",
            "copied/pixels",
        ),
        "ring8": (
            "modes",
            "high_quality",
            "energy/pixels",
            "wasserstein/pixels",
            "precision/pixels",
            "recall/pixels",
            "density/pixels",
            "coverage/pixels",
        ),
    }
)
# Metrics in the table of quality against cost: one of the whole distribution, one of quality, one of diversity.
COST_METRICS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "mnist": ("frechet/classifier", "precision/classifier", "recall/classifier"),
        "ring8": ("energy/pixels", "high_quality", "recall/pixels"),
    }
)
OVERLAP = "seeds overlap"


def budget_table(dataset: str, results: Results) -> str:
    """Return the table of networks, images seen, and processor time of training."""
    steps, batch = results.steps[dataset]
    networks = {model: results.networks[dataset][model] for model in MODELS}
    lines = [
        ["networks", *(", ".join(f"{name} {count:,}" for name, count in each.items()) for each in networks.values())],
        ["parameters of all", *(f"{sum(each.values()):,}" for each in networks.values())],
        ["real samples seen", *[f"{steps * batch:,}: {steps:,} steps of {batch:,}"] * len(MODELS)],
        ["processor seconds of training", *(mean_std(results.per_seed("training", dataset, each)) for each in MODELS)],
    ]
    return "\n".join([heading(["", *titles()]), *map(row, lines)])


def metrics_table(dataset: str, results: Results) -> str:
    """Return the table of sample metrics."""
    columns = ["figure", *titles(), "real", "good", "nearest to it"]
    lines = [
        [
            f"`{name}`",
            *(mean_std(results.per_seed("quality", dataset, model, name)) for model in MODELS),
            number(results.floors[dataset][name]),
            metric_info(name).better,
            best_model(dataset, name, results),
        ]
        for name in METRICS[dataset]
    ]
    return "\n".join([heading(columns), *map(row, lines)])


def cost_table(dataset: str, results: Results) -> str:
    """Return the table of cost and quality of a sample of each model, and of each number of steps, cheapest first."""
    names = sorted(results.per_seed("cost", dataset)[0], key=lambda name: _evaluations(dataset, name, results))
    columns = [
        "",
        "network evaluations",
        "processor time of a sample, ms",
        *(f"`{each}`" for each in COST_METRICS[dataset]),
    ]
    lines = [
        [
            MODELS[name.partition(",")[0]].title,
            f"{_evaluations(dataset, name, results):,.0f}",
            mean_std([1000 * each for each in results.per_seed("cost", dataset, name, "seconds")]),
            *(mean_std(results.per_seed("quality", dataset, name, metric)) for metric in COST_METRICS[dataset]),
        ]
        for name in names
    ]
    real = ["real", "", "", *(number(results.floors[dataset][metric]) for metric in COST_METRICS[dataset])]
    return "\n".join([heading(columns), *map(row, lines), row(real)])


def best_model(dataset: str, name: str, results: Results) -> str:
    """Return the model whose every seed is better than every seed of all others, or that the seeds overlap."""
    floor = results.floors[dataset][name]
    found = {
        model.title: [badness(name, each, floor) for each in results.per_seed("quality", dataset, key, name)]
        for key, model in MODELS.items()
    }
    best = min(found, key=lambda title: max(found[title]))
    others = [value for title, values in found.items() if title != best for value in values]
    return best if max(found[best]) < min(others) else OVERLAP


def badness(name: str, value: float, floor: float) -> float:
    """Map a metric's value to one that is lower the better it is."""
    better = metric_info(name).better
    if better in ("lower", "higher"):
        return value if better == "lower" else -value
    return abs(value - (floor if better == "as floor" else float(better)))


def order(dataset: str, results: Results) -> str:
    """Describe the order of the models, as far as all seeds agree."""
    groups: dict[str, list[str]] = {title: [] for title in (*titles(), OVERLAP)}
    for name in METRICS[dataset]:
        groups[best_model(dataset, name, results)].append(f"`{name}`")
    *ahead, overlap = groups.items()
    total = len(results.seeds)
    sentences = [
        f"The {title} is nearest to what is good in all {total} seeds, its worst before the others' best, by"
        f" {', '.join(names)}."
        for title, names in ahead
        if names
    ]
    if overlap[1]:
        sentences.append(f"No model is ahead of both others in all seeds by {', '.join(overlap[1])}.")
    return "\n".join(f"- {each}" for each in sentences)


def titles() -> list[str]:
    """Return the names of the models in the page."""
    return [model.title for model in MODELS.values()]


def _evaluations(dataset: str, name: str, results: Results) -> float:
    return float(results.per_seed("cost", dataset, name, "evaluations")[0])
