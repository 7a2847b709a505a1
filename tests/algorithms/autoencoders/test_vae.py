"""The VAE: its divergence in closed form, what it minimises and reports, and that it resumes bitwise equal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gan_cli.algorithms.autoencoders.alarm_rules import PosteriorCollapse
from gan_cli.algorithms.autoencoders.vae import VAE, kl_with_free_bits
from gan_cli.algorithms.spec import Sizes
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.vae import FullyConnected
from gan_cli.components.likelihoods import (
    Bernoulli,
    Binarization,
    kl_to_standard_normal,
    log_normal,
    log_standard_normal,
    reparameterize,
)
from gan_cli.components.schedules import Constant, Linear
from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.protocols.data import Images
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.runtime.rng import fixed_latents
from tests.helpers.autoencoders import TINY, TINY_CONV, TOGETHER, build_autoencoder, digits, figures, ring
from tests.helpers.plans import alarm_rules_of, planned
from tests.helpers.preloaded import PreloadedGroup
from tests.helpers.single_optimizer import after

PLAIN = Bernoulli(Binarization.threshold)

# ---- Gaussians


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.5, 1.0), (-0.7, 0.1), (2.0, 3.0), (0.0, 0.02)])
def test_divergence_from_the_prior_is_its_integral(mean: float, deviation: float) -> None:
    q, p = stats.norm(mean, deviation), stats.norm(0, 1)
    low, high = mean - 12 * deviation, mean + 12 * deviation
    expected, _ = integrate.quad(lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), low, high, epsabs=1e-12)
    log_variance = 2 * torch.tensor(deviation, dtype=torch.float64).log()
    found = kl_to_standard_normal(torch.tensor(mean, dtype=torch.float64), log_variance)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-10)


def test_densities_are_those_of_scipy() -> None:
    x, mean, log_variance = torch.randn(3, 50, dtype=torch.float64)
    expected = stats.norm.logpdf(x, mean, (log_variance / 2).exp())
    np.testing.assert_allclose(log_normal(x, mean, log_variance), expected, rtol=1e-12)
    np.testing.assert_allclose(log_standard_normal(x), stats.norm.logpdf(x), rtol=1e-12)


def test_draws_have_mean_and_deviation() -> None:
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    found = reparameterize(torch.tensor(0.3), torch.tensor(0.5).log() * 2, noise)
    assert float(found.mean()) == pytest.approx(0.3, abs=5e-3)
    assert float(found.std()) == pytest.approx(0.5, abs=5e-3)


# ---- free bits


def test_free_bits_are_a_floor_under_each_dimension() -> None:
    each = torch.tensor([0.01, 0.2, 3.0], requires_grad=True)
    paid = kl_with_free_bits(each, 0.2)
    assert paid.item() == pytest.approx(3.4)
    (slope,) = torch.autograd.grad(paid, each)
    assert slope[0] == 0
    assert slope[2] == 1
    assert kl_with_free_bits(each, 0.0).item() == pytest.approx(3.21)


def test_free_bits_change_the_loss_and_not_what_is_reported() -> None:
    plain, free = (after(1, build_autoencoder(free_bits=bits)).report().scalars for bits in (0.0, 2.0))
    for tag in ("vae/kl", "vae/elbo", "vae/reconstruction"):
        assert plain[tag] == free[tag]
    assert plain["loss/total"] == pytest.approx(-plain["vae/elbo"], rel=1e-5)
    # At the start every one of the four dimensions holds less than two nats.
    assert free["loss/total"] == pytest.approx(free["vae/reconstruction"] + 4 * 2.0, rel=1e-5)


def test_free_bits_fill_dimensions_up() -> None:
    held = [
        after(150, build_autoencoder(free_bits=bits, batch_size=32)).report().scalars["vae/kl"] for bits in (0.0, 1.0)
    ]
    assert held[1] > held[0]
    assert held[1] == pytest.approx(4.0, abs=1.5)


# ---- what is minimised


def test_beta_is_the_weight_of_the_divergence_at_each_step() -> None:
    algorithm = build_autoencoder(beta=Linear(0.0, 2.0, 4))
    for step, beta in enumerate((0.0, 0.5, 1.0, 1.5, 2.0, 2.0)):
        algorithm.update(step)
        report = algorithm.report().scalars
        assert report["vae/beta"] == beta
        assert report["loss/total"] == pytest.approx(report["vae/reconstruction"] + beta * report["vae/kl"], rel=1e-5)


def test_without_the_divergence_more_goes_through_the_code() -> None:
    free, dear = (after(100, build_autoencoder(beta=Constant(beta))).report().scalars for beta in (0.0, 4.0))
    assert free["vae/kl"] > 3 * dear["vae/kl"]
    assert free["vae/reconstruction"] < dear["vae/reconstruction"]


@pytest.mark.parametrize("architecture", [TINY, TINY_CONV], ids=["mlp", "convolutional"])
def test_bound_rises_also_on_held_out_images(architecture: FullyConnected) -> None:
    algorithm = build_autoencoder(architecture=architecture, likelihood=PLAIN)
    first = after(1, algorithm).report().scalars
    last = after(150, algorithm, 1).report().scalars
    for tag in ("vae/elbo", "vae/elbo_held_out"):
        assert last[tag] > first[tag] + 5
    assert last["vae/active_units"] >= 1


def test_points_are_learned_with_a_width_that_shrinks() -> None:
    architecture = FullyConnected(2, (64, 64), (64, 64))
    algorithm = build_autoencoder(architecture=architecture, source=ring(), batch_size=128, lr=3e-3)
    first = after(1, algorithm).report().scalars["vae/elbo"]
    assert after(300, algorithm, 1).report().scalars["vae/elbo"] > first + 1
    samples = algorithm.preview().samples
    assert samples.shape == (64, 2)
    assert 0.3 < np.linalg.norm(samples, axis=1).mean() < 1.5


def test_report_is_of_all_samples_since_the_last_one() -> None:
    algorithm = after(3, build_autoencoder())
    rows = {name: ring_buffer.values() for name, ring_buffer in algorithm.ring_buffers.items()}
    report = algorithm.report()
    assert rows["reconstruction"].shape == (3, 16)
    assert report.scalars["vae/reconstruction"] == pytest.approx(float(rows["reconstruction"].mean()))
    assert report.scalars["vae/kl"] == pytest.approx(float(rows["kl"].mean()))
    each = report.histograms["vae/kl_per_dimension"]
    assert each.shape == (4,)
    assert each.sum() == pytest.approx(report.scalars["vae/kl"], rel=1e-5)
    assert report.scalars["grad_norm/g"] > 0
    assert report.scalars["lr/g"] == 1e-2
    assert len(algorithm.ring_buffers["kl"].values()) == 0
    assert set(VAE.hparam_metrics) < set(report.scalars)
    assert set(VAE.notes) - {"vae/kl_per_dimension"} < set(report.scalars)


def test_active_units_are_those_whose_mean_varies() -> None:
    algorithm = build_autoencoder()
    assert isinstance(algorithm, VAE)
    head = algorithm.model.encoder[-2]
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight[1:4] = 0  # the means of all dimensions but the first are one number each
        head.weight[0] *= 10
    algorithm.optimizer.scale(0.0)
    report = after(2, algorithm).report().scalars
    assert (report["vae/active_units"], report["vae/active_share"]) == (1.0, 0.25)


# ---- what a person sees


def test_panels_are_of_held_out_images() -> None:
    algorithm = after(3, build_autoencoder(likelihood=PLAIN))
    preview = algorithm.preview()
    assert preview.samples.shape == (4, 1, 8, 8)
    assert set(preview.panels) == {"reconstructions", "interpolations"}
    grid = preview.panels["reconstructions"]
    assert (grid.samples.shape, grid.columns) == ((64, 1, 8, 8), 8)
    rows = grid.samples.reshape(8, 8, 1, 8, 8)
    originals = torch.from_numpy(rows[0::2].reshape(32, 1, 8, 8))
    with torch.no_grad():
        codes = algorithm.ema_model.encoder(originals)[:, 0]
        returned = algorithm.ema_model.decoder(codes)
    np.testing.assert_allclose(rows[1::2].reshape(32, 1, 8, 8), returned.numpy(), atol=1e-5)
    assert set(np.unique(originals)) == {-1.0, 1.0}  # as the encoder sees them
    path = preview.panels["interpolations"]
    assert (path.samples.shape, path.columns) == ((80, 1, 8, 8), 10)
    ends = path.samples.reshape(8, 10, 1, 8, 8)[:, [0, -1]].reshape(16, 1, 8, 8)
    np.testing.assert_allclose(ends, returned[:16].numpy(), atol=1e-5)


def test_of_a_single_image_nothing_is_held_out() -> None:
    one = Images(digits().array[:1])
    algorithm = after(2, build_autoencoder(source=one, batch_size=1))
    assert "vae/elbo_held_out" not in algorithm.report().scalars
    assert not algorithm.preview().panels


def test_two_latents_have_a_manifold() -> None:
    algorithm = build_autoencoder(architecture=FullyConnected(2, (8,), (8,)))
    panel = algorithm.preview().panels["manifold"]
    assert (panel.samples.shape, panel.columns) == ((400, 1, 8, 8), 20)
    corner = torch.tensor([[stats.norm.ppf(0.02), stats.norm.ppf(0.98)]], dtype=torch.float32)  # left, top
    with torch.no_grad():
        np.testing.assert_allclose(panel.samples[0], algorithm.ema_model.decoder(corner)[0].numpy(), atol=1e-5)


def test_average_of_a_checkpoint_is_the_generator_that_samples_were_drawn_from() -> None:
    algorithm = after(5, build_autoencoder())
    generator = TINY.generator((1, 8, 8), 0)
    generator.load_state_dict(algorithm.state_dict()["average"])
    with torch.no_grad():
        expected = generator(fixed_latents(0, 300, 4)).numpy()
    np.testing.assert_allclose(algorithm.samples(300), expected, atol=1e-6)
    np.testing.assert_allclose(algorithm.preview().samples, expected[:4], atol=1e-6)
    assert torch.equal(generator.prior.scale, torch.eye(4))


# ---- resume, processes, numbers that are not finite


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path: Path) -> None:
    statuses, output = PreloadedGroup(2, "tests.helpers.autoencoders", tmp_path / "found.json").communicate(300)
    assert statuses == [0, 0], output
    found = json.loads((tmp_path / "found.json").read_text())
    for name in TOGETHER:
        for tag, expected in figures(name, SingleProcess()).items():
            assert found[name][tag] == pytest.approx(expected, rel=2e-4, abs=2e-5), (name, tag)


# ---- what does not fit


def test_likelihood_of_pixels_is_refused_for_points() -> None:
    with pytest.raises(ConfigError, match="gaussian or l1"):
        build_autoencoder(source=ring(), likelihood=Bernoulli())


def test_vae_rejects_architectures_without_encoder_and_settings_of_gans() -> None:
    with pytest.raises(ConfigError, match=r"vae or vae_conv with algorithm=vae, got MLP"):
        VAE.outline(MLP(), Sizes((1, 8, 8)))
    with pytest.raises(ConfigError, match="conditional"):
        VAE.outline(TINY, Sizes((1, 8, 8), condition=10))
    with pytest.raises(ConfigError, match="pac"):
        VAE.outline(TINY, Sizes((1, 8, 8), pac=2))


def test_outline_runs_without_memory() -> None:
    with torch.device("meta"):
        outline = VAE.outline(TINY_CONV, Sizes((3, 32, 32)))
    assert set(outline.networks) == {"encoder", "decoder"}
    samples = outline.run()
    assert isinstance(samples, torch.Tensor)
    assert samples.shape == (2, 3, 32, 32)


@pytest.mark.parametrize("bits", [-0.1, float("inf"), float("nan")])
def test_free_bits_are_a_number_of_nats(bits: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        build_autoencoder(free_bits=bits)
    assert refused.value.key == "free_bits"


# ---- the alarm


def test_collapsed_posterior_raises_an_alarm_with_a_suggestion() -> None:
    (rule,) = alarm_rules_of("algorithm=vae")
    assert isinstance(rule, PosteriorCollapse)
    now = {"vae/active_share": 0.0, "vae/active_units": 0.0, "vae/kl": 0.01, "vae/beta": 1.0}
    assert rule.severity(now)
    assert "0 dimensions" in rule.message(now)
    assert rule.suggestion(now).overrides == "algorithm/beta=linear algorithm.beta.start=0"
    assert rule.suggestion({**now, "vae/beta": 50.0}).overrides == "algorithm.beta.start=1"
    assert rule.suggestion({**now, "vae/beta": 0.5}).overrides == "algorithm.free_bits=0.1"
    assert not rule.severity({**now, "vae/active_share": 0.3})
    assert not alarm_rules_of("algorithm=vae", "diagnostics.posterior_collapse.patience=0")


@pytest.mark.parametrize(
    ("settings", "beta", "overrides"),
    [
        (("algorithm/beta=linear",), 1.0, "algorithm.free_bits=0.1"),
        (("algorithm/beta=linear", "algorithm.beta.end=10"), 4.0, "algorithm.beta.end=1"),
        (("algorithm/beta=linear", "algorithm.beta.start=10", "algorithm.beta.end=1"), 4.0, "algorithm.beta.start=1"),
        (("algorithm/beta=linear", "algorithm.free_bits=0.1"), 1.0, "algorithm.free_bits=0.2"),
    ],
)
def test_suggestion_is_not_what_the_run_has_already(settings: tuple[str, ...], beta: float, overrides: str) -> None:
    command = ("algorithm=vae", *settings)
    (rule,) = alarm_rules_of(*command)
    assert rule.suggestion({"vae/beta": beta}).overrides == overrides
    assert planned(*command, *overrides.split()).config != planned(*command).config


def test_posterior_that_costs_too_much_raises_the_alarm() -> None:
    algorithm = after(200, build_autoencoder(beta=Constant(50.0)))
    algorithm = after(5, algorithm, 200)
    algorithm.report()
    (rule,) = alarm_rules_of("algorithm=vae")
    assert rule.severity(after(5, algorithm, 205).report().scalars)
