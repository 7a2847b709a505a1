"""Tags and the alarm of diffusion, for sweeps and for ``gan-report``; imports no torch."""

from __future__ import annotations

from gan_cli.metrics.training_tags import TrainingTag

ALARM = "loss_does_not_fall"
# The loss of held-out samples; the share of its target that the network explains.
HELD_OUT, EXPLAINED = "diffusion/loss_held_out", "diffusion/explained"
ALARMS = (ALARM,)
TAGS = (TrainingTag(HELD_OUT, "lower"), TrainingTag(EXPLAINED, drawn=True))
