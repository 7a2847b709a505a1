"""Networks of a run at one of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime import rng
from gan_cli.storage import checkpoint_archive
from gan_cli.tour.finished import LATENT_SEED
from gan_cli.training.planning import Plan

# Seed of real points beside the samples.
REAL_SEED = 1


@dataclass(frozen=True)
class Snapshot:
    """G, not its average, and D at one step of a run on points in the plane."""

    plan: Plan
    state: Mapping[str, Any]

    @classmethod
    def load(cls, plan: Plan, checkpoint: Path) -> Snapshot:
        """Load the networks of a checkpoint file."""
        return cls(plan, checkpoint_archive.load(checkpoint))

    @property
    def step(self) -> int:
        """Updates of G before it."""
        return int(self.state["step"])

    @torch.no_grad()
    def samples(self, count: int) -> FloatArray:
        """Return samples ``(count, 2)`` in the data's own coordinates."""
        network = self.plan.architecture.generator(self.plan.dataset.shape, 0)
        network.load_state_dict(self.state["algorithm"][GeneratorWeights.raw.value])
        latents = rng.fixed_latents(LATENT_SEED, count, self.plan.architecture.latent_dim)
        return self.plan.dataset.coordinates(network.eval()(latents).numpy())

    def real(self, count: int) -> FloatArray:
        """Return real points ``(count, 2)`` in the data's own coordinates."""
        density: Any = self.plan.dataset.load()
        drawn = density.draw(count, torch.Generator().manual_seed(REAL_SEED)).numpy()
        return self.plan.dataset.coordinates(drawn)

    @torch.no_grad()
    def logits(self, points: FloatArray) -> torch.Tensor:
        """Return D's logits ``(N,)``, float64, at points ``(N, 2)`` in the coordinates that the networks see."""
        network = self.plan.architecture.discriminator(self.plan.dataset.shape, 0)
        network.load_state_dict(self.state["algorithm"]["judge"]["network"])
        logits: torch.Tensor = network.eval()(torch.from_numpy(np.asarray(points, np.float32))).double()
        return logits

    def scores(self, points: FloatArray) -> FloatArray:
        """Return D(x), a probability or a critic value, ``(N,)``, at points as of :meth:`logits`."""
        assert self.plan.loss is not None
        scores: FloatArray = self.plan.loss.objective.score(self.logits(points)).numpy()
        return scores
