"""Trainers of one loss: they resume bitwise equal, probing leaves no trace, bad updates are skipped or noticed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.autoencoders.autoencoder import Autoencoder
from gan_cli.algorithms.autoencoders.base import AutoencoderTrainer
from gan_cli.algorithms.diffusion.process import Prediction
from gan_cli.algorithms.diffusion.trainer import Diffusion
from gan_cli.algorithms.diffusion.transitions import Ancestral
from gan_cli.algorithms.nonfinite import MAX_SKIPPED_IN_A_ROW, SkipNonFinite
from gan_cli.components.schedules import Linear
from gan_cli.protocols.algorithm import RollbackAdjustment
from gan_cli.runtime.device import Device
from tests.helpers import autoencoders, diffusion
from tests.helpers.autoencoders import TINY_CONV, build_autoencoder
from tests.helpers.diffusion import TINY_UNET, build_diffusion
from tests.helpers.recorders import FakeRecorder
from tests.helpers.single_optimizer import after, tensors_of, weights

Trainer: TypeAlias = AutoencoderTrainer | Diffusion
Build: TypeAlias = Callable[..., Trainer]

# Builders of a small trainer of each family, and for some tests one whose networks have more kinds of state.
BUILDERS: list[Build] = [build_autoencoder, build_diffusion]
RICHER: list[tuple[Build, dict[str, Any]]] = [
    (build_autoencoder, {"architecture": TINY_CONV}),
    (build_diffusion, {"architecture": TINY_UNET, "reverse": Ancestral()}),
]
BETA = Linear(0.0, 1.0, 6)


def poisoned(algorithm: Trainer) -> None:
    if isinstance(algorithm, Diffusion):
        diffusion.poisoned(algorithm)
    else:
        autoencoders.poisoned(algorithm)


KINDS: list[tuple[Build, dict[str, Any]]] = [
    (build_autoencoder, {"beta": BETA}),
    (build_autoencoder, {"beta": BETA, "free_bits": 0.3}),
    (build_autoencoder, {"beta": BETA, "architecture": TINY_CONV}),
    (build_autoencoder, {"beta": BETA, "source": autoencoders.ring()}),
    (build_diffusion, {}),
    (build_diffusion, {"architecture": TINY_UNET}),
    (build_diffusion, {"source": diffusion.ring()}),
    (build_diffusion, {"conditional": True, "label_dropout": 0.5}),
    (build_diffusion, {"prediction": Prediction.epsilon, "reverse": Ancestral()}),
]
CAPTURED_KINDS = [
    *KINDS,
    (build_autoencoder, {"family": Autoencoder}),
    (build_diffusion, {"nonfinite_policy": SkipNonFinite}),
]


@pytest.mark.parametrize(("build", "settings"), CAPTURED_KINDS)
def test_recorded_steps_are_bitwise_equal_to_eager_steps(
    build: Build, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = after(6, build(**settings))
    recorder = FakeRecorder()
    monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: recorder)
    recorded = after(4, build(**settings))
    state = copy.deepcopy(recorded.state_dict())
    after(2, recorded, start=4)
    assert (recorder.recorded, recorder.replayed) == (1, 4)
    resumed = build(**settings)
    resumed.load_state_dict(state)
    after(2, resumed, start=4)
    expected = tensors_of(plain.state_dict())
    for found in (tensors_of(recorded.state_dict()), tensors_of(resumed.state_dict())):
        assert found.keys() == expected.keys()
        for path, value in expected.items():
            same = torch.equal(found[path], value) if isinstance(value, Tensor) else found[path] == value
            assert same, path
    assert recorded.report().scalars == plain.report().scalars


@pytest.mark.parametrize(("build", "settings"), KINDS)
def test_restored_state_continues_bitwise_equal(build: Build, settings: dict[str, Any]) -> None:
    whole, first, second = (build(**settings) for _ in range(3))
    after(7, whole)
    after(4, first)
    second.load_state_dict(first.state_dict())
    after(3, second, 4)
    assert torch.equal(weights(second), weights(whole))
    assert second.report().scalars == whole.report().scalars
    expected, found = (tensors_of(each.state_dict()) for each in (whole, second))
    assert expected.keys() == found.keys()
    for path, value in expected.items():
        assert torch.equal(found[path], value) if isinstance(value, Tensor) else found[path] == value, path


@pytest.mark.parametrize(("build", "settings"), RICHER)
def test_probing_changes_nothing(build: Build, settings: dict[str, Any]) -> None:
    probed, other = (build(**settings) for _ in range(2))
    for algorithm in (probed, other):
        algorithm.update(0)
    probed.preview()
    probed.samples(5)
    probed.report()
    probed.state_dict()
    assert probed.nonfinite() is None
    assert list(probed.tensors())
    assert torch.equal(weights(after(2, probed, 1)), weights(after(2, other, 1)))


@pytest.mark.parametrize("build", BUILDERS)
def test_seed_decides_weights_and_samples(build: Build) -> None:
    first, again, other = (after(2, build(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert not np.array_equal(first.samples(4), other.samples(4))


@pytest.mark.parametrize(("build", "settings"), [RICHER[0], (build_diffusion, {})])
def test_update_along_what_is_not_finite_is_left_out_with_all_it_would_have_changed(
    build: Build, settings: dict[str, Any]
) -> None:
    algorithm = after(2, build(nonfinite_policy=SkipNonFinite, **settings))
    algorithm.report()
    before = weights(algorithm)
    poisoned(algorithm)
    algorithm.update(2)
    assert torch.equal(weights(algorithm), before)
    assert algorithm.nonfinite() is None
    assert [len(rows.values()) for rows in algorithm.ring_buffers.values()] == [0] * len(algorithm.ring_buffers)


@pytest.mark.parametrize("build", BUILDERS)
def test_report_names_the_network_of_which_every_update_is_skipped(build: Build) -> None:
    algorithm = build(nonfinite_policy=SkipNonFinite)
    poisoned(algorithm)
    found = after(MAX_SKIPPED_IN_A_ROW, algorithm).step_scope.read({}, MAX_SKIPPED_IN_A_ROW - 1)[1]
    assert found is not None
    assert f"every update of {algorithm.network_name} since step 1 was skipped" in found.message
    # The row that earlier versions counted in, by which their runs are resumed.
    assert algorithm.state_dict()["soundness"]["counts"][1, 2] == MAX_SKIPPED_IN_A_ROW


@pytest.mark.parametrize("build", BUILDERS)
def test_number_that_is_not_finite_is_noticed(build: Build) -> None:
    algorithm = after(2, build())
    poisoned(algorithm)
    algorithm.update(2)
    nonfinite = algorithm.nonfinite()
    assert nonfinite is not None
    assert "step 3" in nonfinite.message
    assert algorithm.report().nonfinite is not None
    assert any(not each.isfinite().all() for name, each in algorithm.tensors() if name.startswith("gradient"))


@pytest.mark.parametrize("build", BUILDERS)
def test_adjustment_lowers_the_learning_rate_permanently(build: Build) -> None:
    algorithm, resumed = build(), build()
    algorithm.apply_adjustment(RollbackAdjustment(lr_g=0.5, lr_d=0.1, sigma=1.0))
    resumed.load_state_dict(after(1, algorithm).state_dict())
    assert after(1, resumed, 1).report().scalars["lr/g"] == pytest.approx(5e-3)
