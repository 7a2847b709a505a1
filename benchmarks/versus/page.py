"""Format ``docs/comparisons.md`` from results: text alone, no runs. Sentences about metrics are derived from them."""

from __future__ import annotations

from statistics import fmean

from benchmarks.recipes import CONF
from benchmarks.versus import changes, tables
from benchmarks.versus.models import DATASETS
from benchmarks.versus.pairs import DISTANCE, STRAY_PIXELS
from benchmarks.versus.results import Results, mean_std, number
from benchmarks.versus.scores import DRAWS


def page(results: Results, text: str, pictures: str) -> str:
    """Return the whole page.

    Args:
        results: what was measured.
        text: with names, in braces, that the metrics replace.
        pictures: folder of the pictures, relative to the page.
    """
    compared = {
        f"{part}_{dataset}": write(dataset, results)
        for dataset in DATASETS
        for part, write in (
            ("budget", tables.budget_table),
            ("figures", tables.metrics_table),
            ("order", tables.order),
            ("cost", tables.cost_table),
        )
    }
    return text.format(
        conf=CONF,
        pictures=pictures,
        seeds=len(results.seeds),
        machine=results.machine,
        elbo=mean_std(results.per_seed("likelihood", "elbo")),
        iwae=mean_std(results.per_seed("likelihood", "iwae_50")),
        sigma=number(fmean(results.per_seed("likelihood", "sigma"))),
        distance=f"{DISTANCE:.3f}",
        strays=STRAY_PIXELS,
        draws=DRAWS,
        price=f"{changes.price(results):,.0f}",
        levels=changes.levels_table(results),
        preferences=changes.preferences_table(results),
        verdicts=changes.verdicts(results),
        places=changes.places(results),
        **compared,
        **{name: f"{value:,}" for name, value in results.sizes.items()},
    )
