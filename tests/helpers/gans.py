"""GANs that are assembled from overrides, without a run around them."""

from __future__ import annotations

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.training import builder, planning


def assembled(*overrides: str) -> GANTrainer:
    register()
    algorithm = builder.assemble(planning.plan(compose(["device=cpu", *overrides]).config))
    assert isinstance(algorithm, GANTrainer)
    return algorithm
