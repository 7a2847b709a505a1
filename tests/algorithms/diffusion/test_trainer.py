"""Training of diffusion: the loss, what is reported and shown, classes, and that it resumes bitwise equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.diffusion.alarm_rules import LossDoesNotFall
from gan_cli.algorithms.diffusion.networks import DenoiserArchitecture
from gan_cli.algorithms.diffusion.panels import trajectories
from gan_cli.algorithms.diffusion.process import Prediction
from gan_cli.algorithms.diffusion.schedules import LinearBetas
from gan_cli.algorithms.diffusion.spec import QUARTILES
from gan_cli.algorithms.diffusion.trainer import Diffusion
from gan_cli.algorithms.diffusion.transitions import DDIM, Ancestral
from gan_cli.algorithms.spec import Sizes
from gan_cli.data import samplers
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.algorithm import Preview
from gan_cli.protocols.data import Images
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.runtime.rng import fixed_latents
from tests.helpers.diffusion import TINY, TINY_UNET, TOGETHER, build_diffusion, digits, figures, ring
from tests.helpers.plans import alarm_rules_of
from tests.helpers.preloaded import PreloadedGroup
from tests.helpers.single_optimizer import after

# ---- the loss


def test_loss_of_an_untrained_network_is_the_mean_square_of_the_noise() -> None:
    algorithm = after(1, build_diffusion(prediction=Prediction.epsilon, batch_size=1024))
    report = algorithm.report().scalars
    assert report["loss/total"] == pytest.approx(1.0, abs=0.01)  # of 1024 * 64 numbers
    assert report["diffusion/explained"] == 0.0


def test_loss_is_that_of_algorithm_1() -> None:
    """Eq. 14, with the batch, timesteps and noise that the streams of the run draw, in float64."""
    algorithm, twin = (build_diffusion(schedule=LinearBetas(), prediction=Prediction.epsilon) for _ in range(2))
    for each in (algorithm, twin):
        with torch.no_grad():
            each.network.last.bias.fill_(0.3)
    twin.sampler.prepare(1)
    x0 = twin.sampler.take(1).samples.double()
    t = 1 + twin._streams["timesteps"].integers(100, 16)
    epsilon = twin._streams["noise"].normal_like(x0.float()).double()
    bars = (1 - LinearBetas().betas(100)).cumprod(0)[t - 1].view(-1, 1, 1, 1)
    noisy = bars.sqrt() * x0 + (1 - bars).sqrt() * epsilon
    with torch.no_grad():
        predicted = twin.network(noisy.float(), t / 100).double()
    losses = (epsilon - predicted).square().flatten(1).mean(1)
    algorithm.update(0)
    np.testing.assert_allclose(algorithm.ring_buffers["losses"].values()[0], losses, rtol=1e-5)
    assert algorithm.report().scalars["loss/total"] == pytest.approx(float(losses.mean()), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"architecture": TINY_UNET}, {"conditional": True}])
def test_loss_falls_also_on_held_out_samples(settings: dict[str, Any]) -> None:
    algorithm = build_diffusion(**settings)
    first = after(1, algorithm).report().scalars
    last = after(40, algorithm, 1).report().scalars
    for tag in ("loss/total", "diffusion/loss_held_out"):
        assert last[tag] < 0.9 * first[tag]
    assert last["diffusion/explained"] > 0.15


def test_points_are_learned() -> None:
    """The network finds that points lie on a ring: v holds x_0, of which x_t tells more than its mean."""
    algorithm = build_diffusion(source=ring(), batch_size=128)
    first = after(5, algorithm).report().scalars
    last = after(100, algorithm, 5).report().scalars
    assert last["loss/total"] < 0.9 * first["loss/total"]


def test_timesteps_are_drawn_evenly() -> None:
    algorithm = after(5, build_diffusion(batch_size=1000))
    timesteps = algorithm.ring_buffers["timesteps"].values().flatten()
    counts = timesteps.int().bincount(minlength=101)
    assert counts[0] == 0
    assert (counts[1:] > 20).all()
    assert (counts[1:] < 90).all()


def test_quartiles_are_of_the_timesteps() -> None:
    algorithm = after(4, build_diffusion(timesteps=8))
    losses = algorithm.ring_buffers["losses"].values().flatten()
    timesteps = algorithm.ring_buffers["timesteps"].values().flatten()
    report = algorithm.report().scalars
    for number, tag in enumerate(QUARTILES):
        inside = (timesteps == 2 * number + 1) | (timesteps == 2 * number + 2)
        assert report[tag] == pytest.approx(float(losses[inside].mean()), rel=1e-5)
    assert not [tag for tag in report if "count" in tag]


def test_quartile_without_a_sample_is_not_reported() -> None:
    algorithm = after(1, build_diffusion(batch_size=1))
    report = algorithm.report().scalars
    (tag,) = (tag for tag in QUARTILES if tag in report)
    assert report[tag] == report["loss/total"]
    assert all(np.isfinite(value) for value in report.values())


def test_of_a_single_image_nothing_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "INDICES_AHEAD", 8)
    algorithm = after(2, build_diffusion(source=Images(digits().array[:1]), batch_size=1))
    assert "diffusion/loss_held_out" not in algorithm.report().scalars


def test_report_is_of_all_samples_since_the_last_one() -> None:
    algorithm = after(3, build_diffusion())
    rows = algorithm.ring_buffers["losses"].values()
    report = algorithm.report()
    assert rows.shape == (3, 16)
    assert report.scalars["loss/total"] == pytest.approx(float(rows.mean()))
    assert report.headline.keys() == {"loss", "held out"}
    assert report.scalars["grad_norm/g"] > 0
    assert report.scalars["lr/g"] == 1e-2
    assert len(algorithm.ring_buffers["losses"].values()) == 0
    assert set(Diffusion.hparam_metrics) | set(Diffusion.reports(None)) < set(report.scalars)
    assert set(Diffusion.notes) < set(report.scalars)


# ---- classes


def test_share_of_the_labels_is_left_out() -> None:
    algorithm = build_diffusion(conditional=True, label_dropout=0.25, batch_size=1000)
    seen: list[Tensor] = []
    algorithm.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2]))
    algorithm.update(0)
    (labels,) = seen
    assert int(labels.max()) == 10
    assert float((labels == 10).float().mean()) == pytest.approx(0.25, abs=0.05)


def test_samples_have_classes_as_frequent_as_the_data() -> None:
    algorithm = build_diffusion(conditional=True, sample_count=20)
    seen: list[Tensor] = []
    algorithm.ema.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2]))
    algorithm.samples(2000)
    assert len(seen) == 8 * 5
    shares = torch.cat(seen[::5]).bincount(minlength=10) / 2000
    assert ((shares > 0.07) & (shares < 0.13)).all()
    seen.clear()
    preview = algorithm.preview()
    assert preview.columns == 2
    assert seen[0].tolist() == [number for number in range(10) for _ in range(2)]


@pytest.mark.parametrize(("scale", "labels"), [(0.0, "xxxx"), (1.0, "0123"), (3.0, "xxxx0123")])
def test_guidance_asks_for_the_class_for_none_or_for_both(scale: float, labels: str) -> None:
    algorithm = build_diffusion(conditional=True, guidance=scale, sampling_steps=1)
    seen: list[list[int]] = []
    algorithm.ema.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2].tolist()))
    algorithm.preview()
    assert seen[0] == [10 if label == "x" else int(label) for label in labels]


# ---- what a person sees


def test_preview_shows_the_way_from_noise_to_samples() -> None:
    algorithm = after(3, build_diffusion())
    preview = algorithm.preview()
    assert preview.samples.shape == (4, 1, 8, 8)
    panel = preview.panels["reverse"]
    assert panel.columns == 6  # x_T and x_t after each of the 5 steps
    rows = panel.samples.reshape(4, 6, 1, 8, 8)
    np.testing.assert_allclose(rows[:, 0].reshape(4, -1), fixed_latents(0, 4, 64), rtol=1e-6)
    np.testing.assert_allclose(rows[:, -1], preview.samples, atol=1e-5)
    np.testing.assert_allclose(algorithm.samples(4), preview.samples, atol=1e-5)
    wide = build_diffusion(sampling_steps=50).preview().panels["reverse"]
    assert (wide.columns, len(wide.samples)) == (10, 40)


def test_preview_of_points_has_scatter_plots_side_by_side() -> None:
    algorithm = build_diffusion(source=ring(), sampling_steps=20)
    preview = algorithm.preview()
    assert preview.samples.shape == (64, 2)
    points = preview.panels["reverse"].samples
    assert np.abs(points).max() <= 1
    cells = np.floor((points + 1) * 1.5).clip(0, 2)
    found = {(int(x), int(y)) for x, y in cells}
    assert len(found) == 9


def test_scatter_plots_are_in_the_order_of_the_states() -> None:
    """Top left the first, bottom right the last; a point at (3, 3) is in the corner of its plot."""
    states = [torch.tensor([[3.0 * (index == 0), 3.0 * (index == 0)], [9.0, 0.0]]) for index in range(9)]
    points = trajectories(states).samples
    assert len(points) == 9  # one of each state lies outside
    x, y = [-2 / 3, 0.0, 2 / 3], [2 / 3, 0.0, -2 / 3]
    centres = np.array([[x[index % 3], y[index // 3]] for index in range(9)])
    np.testing.assert_allclose(points - centres, [[0.3, 0.3], *[[0, 0]] * 8], atol=1e-6)


# ---- samples


@pytest.mark.parametrize("reverse", [DDIM(), DDIM(1.0), Ancestral()])
def test_sample_does_not_depend_on_the_number_of_samples(reverse: DDIM | Ancestral) -> None:
    algorithm = after(3, build_diffusion(reverse=reverse))
    many = algorithm.samples(300)
    assert many.shape == (300, 1, 8, 8)
    np.testing.assert_allclose(algorithm.samples(7), many[:7], atol=1e-5)
    assert np.array_equal(algorithm.samples(300), many)
    # Blocks draw noise of their own.
    assert not np.allclose(many[256:], many[: 300 - 256], atol=0.1)


def test_ancestral_samples_of_one_latent_differ_between_blocks() -> None:
    algorithm = build_diffusion(source=ring(), reverse=Ancestral(), sampling_steps=100)
    samples = algorithm.samples(512)
    correlation = np.corrcoef(samples[:256, 0], samples[256:, 0])[0, 1]
    assert abs(correlation) < 0.25


# ---- resume, processes, numbers that are not finite


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path: Path) -> None:
    statuses, output = PreloadedGroup(2, "tests.helpers.diffusion", tmp_path / "found.json").communicate(300)
    assert statuses == [0, 0], output
    found = json.loads((tmp_path / "found.json").read_text())
    for name in TOGETHER:
        for tag, expected in figures(name, SingleProcess()).items():
            assert found[name][tag] == pytest.approx(expected, rel=2e-4, abs=2e-5), (name, tag)


def test_images_seen_are_those_of_all_updates() -> None:
    assert after(3, build_diffusion()).images_seen == 48


# ---- what does not fit


@pytest.mark.parametrize("architecture", [TINY, TINY_UNET])
def test_outline_runs_without_memory(architecture: DenoiserArchitecture) -> None:
    with torch.device("meta"):
        outline = Diffusion.outline(architecture, Sizes((3, 32, 32), condition=10))
        outline.run()
    assert set(outline.networks) == {"denoiser"}
    assert all(parameter.is_meta for parameter in outline.networks["denoiser"].parameters())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timesteps", 1),
        ("sampling_steps", 0),
        ("sampling_steps", 101),
        ("label_dropout", 1.0),
        ("label_dropout", -0.1),
        ("guidance", -1.0),
        ("guidance", float("inf")),
    ],
)
def test_settings_out_of_range(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError) as rejected:
        build_diffusion(**{key: value})
    assert rejected.value.key == key


# ---- the alarm


def test_loss_that_does_not_fall_raises_an_alarm_with_a_suggestion() -> None:
    rule = LossDoesNotFall(rate=1e-3)
    now = {"diffusion/explained": 0.01, "loss/total": 0.99}
    assert rule.severity(now)
    assert "0.99" in rule.message(now)
    assert rule.suggestion(now).overrides == "optimizer.lr=0.004"
    assert rule.suggestion({**now, "diffusion/explained": -0.5}).overrides == "optimizer.lr=0.00025"
    assert not rule.severity({**now, "diffusion/explained": 0.3})
    assert rule.evidence(now) == "the network explains 1.0% of its target"
    assert rule.evidence({**now, "diffusion/explained": -0.5}).startswith("the loss is 50.0% above")


@pytest.mark.parametrize(
    ("rate", "optimizer", "explained", "followed"),
    [
        (1e-6, "adam", 0.01, "0.001"),
        (1e-6, "adam", -0.01, "0.001"),
        (4e-4, "adam", -0.5, "0.0001"),
        (0.3, "adam", 0.01, "0.001"),
        (0.3, "adam", -0.5, "0.001"),
        (0.1, "sgd", 0.01, "0.4"),
        (0.1, "sgd", -0.5, "0.025"),
    ],
)
def test_a_rate_far_from_the_usual_one_is_to_be_the_usual_one(
    rate: float, optimizer: str, explained: float, followed: str
) -> None:
    (rule,) = alarm_rules_of("algorithm=diffusion", "dataset=ring8", f"optimizer={optimizer}", f"optimizer.lr={rate}")
    assert rule.suggestion({"diffusion/explained": explained}).overrides == f"optimizer.lr={followed}"


def test_network_that_does_not_learn_raises_the_alarm() -> None:
    algorithm = build_diffusion(lr=1e-8)
    report = after(3, algorithm).report().scalars
    (rule,) = alarm_rules_of("algorithm=diffusion", "dataset=mnist")
    assert set(rule.needs) <= set(report)
    assert rule.severity(report)
    assert isinstance(algorithm.preview(), Preview)
