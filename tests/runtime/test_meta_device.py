"""Networks on the meta device are built without filling their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan_cli.runtime.meta_device import SkipInitialization


def test_nothing_is_filled_inside_and_weights_keep_their_shapes() -> None:
    weights = torch.ones(3, 2)
    with SkipInitialization():
        for initialize in (nn.init.normal_, nn.init.xavier_uniform_, nn.init.kaiming_normal_):
            assert initialize(weights) is weights
        assert weights.normal_() is weights
        assert nn.init.constant_(tensor=weights, val=2.0) is weights
    assert weights.tolist() == [[1, 1], [1, 1], [1, 1]]
    nn.init.constant_(weights, 2.0)
    assert weights.tolist() == [[2, 2], [2, 2], [2, 2]]


def test_networks_have_the_parameters_that_they_have_elsewhere() -> None:
    def shapes() -> dict[str, torch.Size]:
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2), nn.LSTM(2, 3))
        return {name: value.shape for name, value in network.state_dict().items()}

    with torch.device("meta"), SkipInitialization():
        outlined = shapes()
    assert outlined == shapes()


def test_an_error_of_other_functions_is_raised() -> None:
    with SkipInitialization(), pytest.raises(RuntimeError):
        torch.ones(2) @ torch.ones(3)
