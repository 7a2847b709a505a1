"""The metric that a sweeper optimizes (``sweep.metric=metrics/frechet``): its direction, and its value at a run's end.

The key was ``objective`` once, which still works as a deprecated alias. Imports no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_cli.config.metric_choice import MetricChoice, list_known_tags
from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError

KEY, ALIAS = "sweep.metric", "objective"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepMetric(MetricChoice):
    """The metric that a sweeper optimizes; its key has the alias where that was set instead."""

    key: str = KEY

    @classmethod
    def from_keys(cls, metric: str | None, objective: str | None) -> SweepMetric | None:
        """Return the metric that ``sweep.metric`` or its alias ``objective`` names, or None where both are null.

        Raises:
            ConfigError: the two name different metrics.
        """
        if metric is not None and objective not in (None, metric):
            raise ConfigError(
                f"{ALIAS}: expected null or the value of {KEY}, {metric!r}, got {objective!r}: {ALIAS} is a deprecated"
                f" alias, set {KEY} alone"
            )
        if metric is not None:
            return cls(metric)
        return None if objective is None else cls(objective, f"{KEY} (set by its alias {ALIAS})")

    @classmethod
    def from_config(cls, config: Config) -> SweepMetric | None:
        """Return the metric of a run's configuration; raises ``ConfigError`` as :meth:`from_keys` does."""
        return cls.from_keys(config.sweep.metric, config.objective)

    def final_value(self, summary: Mapping[str, Any]) -> float:
        """Return the metric at a run's end; its best value on the way has no checkpoint that one could go back to.

        Args:
            summary: content of ``summary.json``.

        Raises:
            ConfigError: the run has no such metric.
        """
        final = summary.get("final")
        metrics = final if isinstance(final, Mapping) else {}
        found = self.matching(metrics)
        if not found:
            raise ConfigError(f"{self.key}: the run ended without {self.tag}: never measured, or not finite at last")
        return float(metrics[found[0]])


def optimization_direction(metric: str | None, objective: str | None = None) -> str:
    """Return ``minimize`` or ``maximize`` for ``sweep.metric`` and its alias (resolver ``direction_of``).

    Raises:
        ConfigError: neither key is set, both are and differ, or of the metric neither less nor more is better.
    """
    chosen = SweepMetric.from_keys(metric, objective)
    if chosen is None:
        raise ConfigError(f"{KEY}: expected a metric to optimize, got null: {KEY}=metrics/frechet. {list_known_tags()}")
    return chosen.direction()


def warn_if_alias(config: Config) -> None:
    """Log that ``objective`` is deprecated where a configuration sets it."""
    if config.objective is not None:
        logger.warning("%s is deprecated: use %s=%s", ALIAS, KEY, config.objective)


def drop_replaced(earlier: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return earlier overrides without those of the sweep's metric where later ones set it, by either of its keys."""
    if any(_is_metric(override) for override in overrides):
        return [override for override in earlier if not _is_metric(override)]
    return list(earlier)


def _is_metric(override: str) -> bool:
    return override.lstrip("+").partition("=")[0] in (KEY, ALIAS)
