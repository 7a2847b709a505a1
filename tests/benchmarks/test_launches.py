"""The counted work of a step: what is a launch, and a row of the table."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from benchmarks.launches import Work, counting
from tests.helpers.paths import ROOT
from tests.pretended_gpu.library import why_not


def test_launches_bytes_and_operations_of_a_layer() -> None:
    work, layer, batch = Work(), nn.Linear(4, 8), torch.zeros(2, 4)
    with counting(work):
        layer(batch.view(2, 2, 2).flatten(1)).relu_()
    assert work.launches == {"addmm": 1, "relu_": 1}
    # Weight, bias and batch are read and the outputs are written; these are then read and written.
    assert work.bytes == 4 * ((32 + 8 + 8 + 16) + (16 + 16))
    assert work.flops == 2 * 2 * 4 * 8


def test_gradients_of_a_convolution_are_a_launch_each_and_lists_one_together() -> None:
    work, layer = Work(), nn.Conv2d(3, 4, 3)
    loss = layer(torch.zeros(2, 3, 8, 8, requires_grad=True)).sum()
    optimizer = torch.optim.Adam(layer.parameters(), fused=True)
    with counting(work):
        loss.backward()
        optimizer.step()
    assert work.launches["convolution_backward"] == 3
    assert work.launches["_fused_adam_"] == 1
    # Weight, gradient and both moments are read, all but the gradient are written.
    assert work.bytes >= 4 * (108 + 4) * (4 + 3)


@pytest.mark.slow
def test_row_of_a_step_on_the_pretended_device() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    command = (sys.executable, "benchmarks/launches.py", "--overrides", "dataset=ring8")
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    header, _, row = done.stdout.splitlines()
    assert header.split(" | ")[1:3] == ["launches", "fills before a replay"]
    name, launches, fills, *_ = row.strip("| ").split(" | ")
    assert (name, fills) == ("overrides", "6")
    assert 50 <= int(launches) <= 200
