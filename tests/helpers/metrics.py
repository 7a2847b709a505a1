"""Names of the metrics that the registry declares, as an evaluation has them."""

from __future__ import annotations

from gan_cli.metrics.registry import registered


def declared_tags(backbone: str, *needs: str, while_training: bool = False) -> set[str]:
    """Return the names of the metrics with these needs by a backbone, without those for which training is too short."""
    return {
        info.tag(backbone)
        for metric in registered()
        if metric.needs in needs and metric.backbone in (None, backbone)
        if metric.while_training is not None or not while_training
        for info in metric.numbers
    }
