"""A metric that a setting names, to compare runs or their moments by: its direction, and who measures it. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gan_cli.config.schema import Config
from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.metrics.directions import direction, training_tag_directions
from gan_cli.metrics.registry import metric_infos

HELD_OUT_SUFFIX = "_held_out"
DIRECTIONS = {-1: "minimize", 1: "maximize"}
METRICS = "metrics"


@dataclass(frozen=True)
class MetricChoice:
    """The metric that a setting names.

    Attributes:
        tag: as in ``metrics.jsonl``; ``metrics/frechet`` also stands for ``metrics/frechet/classifier``, whatever the
            backbone is.
        key: configuration key that error messages name.
    """

    tag: str
    key: str

    def direction(self) -> str:
        """Return ``minimize`` or ``maximize``, as the metric wants it.

        Raises:
            ConfigError: of this metric neither less nor more is better.
        """
        return DIRECTIONS[self.sign()]

    def sign(self) -> int:
        """Return -1 where less is better, 1 where more is; raises ``ConfigError`` as :meth:`direction` does."""
        group = self.tag.partition("/")[0]
        known = self.tag in training_tag_directions() or group in (METRICS, "divergence")
        if not known or direction(self.tag) not in DIRECTIONS:
            hint = did_you_mean(self.tag, _tags_with_direction())
            raise ConfigError(
                f"{self.key}: expected a metric of which less or more is better, got {self.tag!r}.{hint}"
                f" {list_known_tags()}"
            )
        return direction(self.tag)

    def require_measured(self, config: Config, reported: Collection[str]) -> None:
        """Reject a metric that the run will never measure, as far as its configuration shows.

        Args:
            config: of the run.
            reported: tags with a direction that the algorithm itself reports.

        Raises:
            ConfigError: with the setting that would have it measured.
        """
        self.sign()
        group, _, name = self.tag.partition("/")
        first = min(reported, key=lambda known: (len(known), known), default=None)
        if group != METRICS and self.tag not in reported:
            raise ConfigError(f"{self.key}: this run reports {first or 'metrics/...'}, not {self.tag}")
        if self.needs_evaluations(reported) and not config.train.eval_every:
            key = self.key.partition(" ")[0]
            raise ConfigError(
                f"{self.key}: {self.tag} is measured every train.eval_every steps and at the end, but that is 0:"
                f" train.eval_every=500{'' if first is None else f', or {key}={first}'}"
            )
        if name.endswith(HELD_OUT_SUFFIX) and not (config.train.held_out and config.diagnostics.every):
            raise ConfigError(f"{self.key}: {self.tag} needs train.held_out and diagnostics.every above 0")

    def needs_evaluations(self, reported: Collection[str]) -> bool:
        """Return whether the metric is measured by evaluations of samples, and not in the algorithm's own reports."""
        return self.tag.partition("/")[0] == METRICS and self.tag not in reported

    def require_available(self, tags: Iterable[str]) -> None:
        """Reject a metric that is none of ``tags``, those that the run's evaluations measure.

        Raises:
            ConfigError: with the tags that could be chosen.
        """
        names = sorted(tags)
        if not self.matching(names):
            better = ", ".join(name for name in names if direction(name))
            raise ConfigError(f"{self.key}: this run does not measure {self.tag}, only {better}")

    def matching(self, names: Iterable[str]) -> Sequence[str]:
        """Return the tag itself where it is among the names, else the names below it, sorted."""
        names = list(names)
        return [self.tag] if self.tag in names else sorted(name for name in names if name.startswith(f"{self.tag}/"))


def _tags_with_direction() -> list[str]:
    measured = (f"{METRICS}/{name}" for name in metric_infos())
    return [tag for tag in ("divergence/jsd", *training_tag_directions(), *measured) if direction(tag)]


def list_known_tags() -> str:
    """Return a sentence with all metrics that may be chosen."""
    return f"Metrics with a direction: {', '.join(_tags_with_direction())}"
