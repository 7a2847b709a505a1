"""Tags of the reports of SeqGAN, for ``gan-report``; imports no torch."""

from __future__ import annotations

from gan_cli.metrics.training_tags import TrainingTag

TAGS = (TrainingTag("reward/mean", drawn=True), TrainingTag("diagnosis/distinct_2", drawn=True))
