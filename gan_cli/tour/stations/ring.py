"""Pictures of the ring of eight Gaussians, and the settings that its stations share. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gan_cli.protocols.arrays import FloatArray
from gan_cli.tour import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gan_cli.tour.finished import FinishedRun

# The narrow ring of the literature, in its own coordinates, and small networks with much noise to start from.
RING = "dataset=ring8 dataset.radius=2 dataset.std=0.02 dataset.unit=1 optimizer/decay=none"
NETWORKS = (
    "architecture=mlp_small architecture.latent_dim=256 architecture.generator_hidden=[128,128]"
    " architecture.discriminator_hidden=[128,128] architecture.activation=relu"
)
SAMPLES, POINTS_PER_MODE = 1500, 60


def show_samples(panel: Axes, run: FinishedRun, title: str) -> None:
    """Draw generated points of a run over real ones."""
    from gan_cli.inference.loading import run_dataset

    mixture: Any = run_dataset(run.directory)
    panels.scatter(panel, real_points(mixture), run.samples(SAMPLES), title)


def real_points(mixture: Any) -> FloatArray:
    """Return points of a mixture of Gaussians in its own coordinates ``(N, 2)``, the same each time."""
    random = np.random.default_rng(0)
    centres = mixture.centres().numpy()
    points = random.normal(centres[:, None], mixture.std, (len(centres), POINTS_PER_MODE, 2))
    return points.reshape(-1, 2).astype(np.float32)
