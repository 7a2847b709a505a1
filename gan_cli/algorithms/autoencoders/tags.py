"""Tags of the reports of autoencoders, for sweeps and for ``gan-report``; imports no torch."""

from __future__ import annotations

from gan_cli.metrics.training_tags import TrainingTag

TAGS = (
    TrainingTag("vae/elbo", "higher"),
    TrainingTag("vae/elbo_held_out", "higher"),
    TrainingTag("autoencoder/reconstruction", "lower"),
    TrainingTag("autoencoder/reconstruction_held_out", "lower"),
    TrainingTag("vae/kl", drawn=True),
    TrainingTag("vae/active_units", drawn=True),
)
