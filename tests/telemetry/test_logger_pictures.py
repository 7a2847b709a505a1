"""What trackers receive beside scalars: histograms of finite values, the advice of an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.protocols.algorithm import Report
from gan_cli.protocols.callbacks import (
    Alarm,
)
from gan_cli.telemetry.loggers.pictures import advice, histograms


def test_histograms_are_of_finite_values() -> None:
    values = {"d_real": np.linspace(0, 1, 100, dtype=np.float32), "none": np.zeros(0, np.float32)}
    broken = {"d_fake": np.array([1, np.nan], np.float32)}
    found = dict(histograms(Report({}, {**values, **broken}, {})))
    assert set(found) == {"d_real"}
    assert (found["d_real"].counts.sum(), len(found["d_real"].edges)) == (100, len(found["d_real"].counts) + 1)


@pytest.mark.parametrize(("see", "end"), [("", "Try loss=wgan."), ("mode_collapse at 3", "See mode_collapse at 3")])
def test_advice_of_an_alarm(see: str, end: str) -> None:
    alarm = Alarm("vanishing_gradient", 5, 5, {}, "the gradient has vanished", "loss=wgan.", see=see)
    assert advice(alarm) == f"the gradient has vanished. {end}"
