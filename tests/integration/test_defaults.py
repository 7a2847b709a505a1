"""Default runs give what a person would show: all modes of the mixtures, with the default loss and with WGAN-GP."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mixtures import measure
from tests.conftest import Command

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("overrides", "modes", "high_quality"),
    [
        (["dataset=ring8"], 8, 0.4),
        (["dataset=ring8", "loss=wgan_gp"], 8, 0.4),
        (["dataset=grid25"], 25, 0.4),
    ],
)
def test_default_run_of_a_mixture_finds_every_mode(
    overrides: list[str], modes: int, high_quality: float, gan_train: Command, workplace: Path
) -> None:
    run = workplace / "run"
    done = gan_train(*overrides, "device.threads=1", f"hydra.run.dir={run}")
    assert done.status == 0, done.err
    found = measure(run)
    assert found.protocol_modes.captured == modes
    assert found.spread_modes.high_quality >= high_quality
