"""Monitors of a GAN's alarms, and metrics that raise each of them."""

from __future__ import annotations

import math

from gan_cli.algorithms.gan.alarm_rules import alarm_rules
from gan_cli.algorithms.gan.suggestions import GANSettings
from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.protocols.callbacks import Alarm

LOG_2 = math.log(2)
HEALTHY = {
    "d/accuracy_real": 0.8,
    "d/accuracy_fake": 0.8,
    "d/auc": 0.85,
    "divergence/jsd": 0.3,
    "divergence/jsd_held_out": 0.29,
    "diagnosis/held_out_gap": 0.01,
    "diagnosis/gradient": 1.0,
    "diagnosis/gradient_saturating": 0.4,
    "diagnosis/gradient_non_saturating": 1.0,
    "diagnosis/diversity": 0.9,
    "diagnosis/neighbours": 0.8,
    "diagnosis/told_apart": 0.9,
    "diagnosis/modes": 0.95,
    "noise/sigma": 0.0,
    "lr/d": 2e-4,
    "lr/g": 2e-4,
}
# Metrics that raise exactly one alarm.
SICK = {
    "discriminator_too_strong": {"d/accuracy_real": 0.999, "d/accuracy_fake": 0.995, "divergence/jsd": 0.68},
    "discriminator_too_weak": {"d/auc": 0.51, "diagnosis/told_apart": 0.98},
    "vanishing_gradient": {"diagnosis/gradient": 1e-3},
    "mode_collapse": {"diagnosis/diversity": 0.02},
    "discriminator_overfits": {"diagnosis/held_out_gap": 0.4},
}


def new_monitor(limits: DiagnosticsSection | None = None) -> AlarmMonitor:
    limits = limits or DiagnosticsSection()
    return AlarmMonitor(limits, alarm_rules(limits, GANSettings("divergence/jsd", LOG_2)))


def reports(monitor: AlarmMonitor, figures: dict[str, float], count: int, start: int = 0) -> list[Alarm]:
    """Return the alarms that are raised over ``count`` reports of these metrics, 50 steps apart."""
    found: list[Alarm] = []
    for index in range(start, start + count):
        found += monitor.check(50 * (index + 1), {**HEALTHY, **figures}).raised
    return found
