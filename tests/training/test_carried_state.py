"""What of an earlier run's state a fork with other settings goes on with."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.components.optimizers import SGD, Adam, OptimizerConfig, RMSprop
from gan_cli.components.schedules import Linear
from gan_cli.errors import ConfigError
from gan_cli.training.carried_state import carry_over, with_batch_size

NETWORKS = (StoredNetwork("g", ("generator",)),)


def trained(config: OptimizerConfig, rollbacks: float = 1.0, width: int = 3) -> dict[str, Any]:
    """The state of an optimizer after a step."""
    parameter = torch.ones(2, width, requires_grad=True)
    optimizer = config.for_generator([parameter])
    optimizer.scale(rollbacks)
    optimizer.set_step(1)
    optimizer.differentiate(parameter.square().sum())
    optimizer.step()
    return optimizer.state_dict()


def state(optimizer: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"generator": {"a.weight": torch.ones(2, 2)}, "optimizer_g": optimizer, **more}


def carried(
    stored: OptimizerConfig, fresh: OptimizerConfig, *changed: str, rollbacks: float = 1.0
) -> tuple[dict[str, Any], tuple[str, ...]]:
    parameter = torch.ones(2, 3, requires_grad=True)
    before = state(trained(stored, rollbacks))
    found = carry_over(before, state(fresh.for_generator([parameter]).state_dict()), NETWORKS, changed)
    return found.state["optimizer_g"], found.fresh


def test_a_new_rate_goes_on_with_the_moments() -> None:
    old, new = Adam(lr=1e-3), Adam(lr=1e-4)
    optimizer, fresh = carried(old, new, "optimizer.lr", rollbacks=0.5)
    assert fresh == ()
    # What a rollback made of the rate stays.
    assert optimizer["param_groups"][0]["lr"] == pytest.approx(5e-5)
    assert optimizer["factor"] == 0.5
    assert torch.equal(optimizer["state"][0]["exp_avg"], trained(old)["state"][0]["exp_avg"])


def test_the_rate_of_a_schedule_stays_without_a_change_of_it() -> None:
    decaying = Adam(lr=1e-3, decay=Linear(start=1.0, end=0.0, steps=4))
    optimizer, _ = carried(decaying, decaying, "train.batch_size")
    assert optimizer["param_groups"][0]["lr"] == pytest.approx(0.75e-3)


@pytest.mark.parametrize(
    ("stored", "fresh", "changed"),
    [
        (Adam(), SGD(), "optimizer._target_"),
        # Their states have the same tensors, with another meaning.
        (Adam(betas=(0.0, 0.9)), RMSprop(), "optimizer._target_"),
        (Adam(betas=(0.0, 0.9)), Adam(), "optimizer.betas"),
    ],
)
def test_another_kind_begins_anew(stored: OptimizerConfig, fresh: OptimizerConfig, changed: str) -> None:
    optimizer, missing = carried(stored, fresh, changed)
    assert missing == ("the optimizer of G",)
    assert all(float(value.sum()) == 0 for key, value in optimizer["state"].get(0, {}).items() if key != "step")


def test_tensors_of_another_width_begin_anew_with_what_belongs_to_them() -> None:
    stored = {"windows": {"real": {"values": torch.ones(5, 8), "added": 5}, "loss": {"values": torch.ones(5, 1)}}}
    fresh = {"windows": {"real": {"values": torch.ones(0, 4), "added": 0}, "loss": {"values": torch.ones(0, 1)}}}
    found = carry_over({**state({}), **stored}, {**state({}), **fresh}, NETWORKS, ["train.batch_size"])
    assert found.fresh == ("the metrics that the next report is computed from",)
    assert found.state["windows"]["real"] == fresh["windows"]["real"]
    assert len(found.state["windows"]["loss"]["values"]) == 5


def test_another_class_begins_anew_though_its_state_looks_alike() -> None:
    before, now = state({}, level={"sigma": 0.4}), state({}, level={"sigma": 0.0})
    found = carry_over(before, now, NETWORKS, ["noise._target_"])
    assert found.state["level"] == {"sigma": 0.0}
    assert found.fresh == ("the instance noise",)
    assert carry_over(before, now, NETWORKS, ["noise.start"]).state["level"] == {"sigma": 0.4}


def test_other_networks_are_rejected() -> None:
    stored = {**state({}), "generator": {"a.weight": torch.ones(2, 9)}}
    message = re.escape("those of g differ: a (2 x 2, stored 2 x 9). init=RUN_DIR begins a new run")
    with pytest.raises(ConfigError, match=message):
        carry_over(stored, state({}), NETWORKS, ())


def test_batches_are_counted_in_those_of_the_new_size() -> None:
    before = {"progress": {"step": 7, "batches": 30}}
    assert with_batch_size(before, 64, 32)["progress"] == {"step": 7, "batches": 60}
    assert with_batch_size(before, 64, 64) is before
    assert with_batch_size({"progress": {"seen": 3}}, 64, 32) == {"progress": {"seen": 3}}
