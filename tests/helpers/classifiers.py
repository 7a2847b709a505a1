"""Images that a classifier learns in a few steps, and the settings of such a classifier."""

from __future__ import annotations

import numpy as np

from gan_cli.evaluation.backbones.classifier_network import ClassifierSettings
from gan_cli.protocols.data import Images

SHORT = ClassifierSettings(batch_size=16, fewest=12, most=12)
RANDOM = np.random.default_rng(0)


def coloured(count: int = 60, shape: tuple[int, ...] = (1, 8, 8), classes: int = 3) -> Images:
    """Images whose class is their brightness."""
    labels = np.arange(count) % classes
    noise = RANDOM.integers(0, 40, (count, *shape))
    return Images((noise + labels.reshape(-1, 1, 1, 1) * 80).astype(np.uint8), labels)
