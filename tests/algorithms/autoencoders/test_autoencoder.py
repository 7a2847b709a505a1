"""The autoencoder: what it gives back, and the Gaussian that its samples come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_cli.algorithms.autoencoders.autoencoder import Autoencoder, CodeMoments
from gan_cli.algorithms.nonfinite import SkipNonFinite
from gan_cli.components.likelihoods import Bernoulli, Binarization, cholesky_factor
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.runtime.rng import fixed_latents
from tests.helpers.autoencoders import TINY, TINY_CONV, build_autoencoder, poisoned, ring
from tests.helpers.plans import alarm_rules_of
from tests.helpers.single_optimizer import after, tensors_of, weights

CPU = torch.device("cpu")


def autoencoder(**chosen: object) -> Autoencoder:
    made = build_autoencoder(Autoencoder, **chosen)  # type: ignore[arg-type]
    assert isinstance(made, Autoencoder)
    return made


# ---- the Gaussian


def test_moments_are_those_of_all_codes_with_weights_that_halve() -> None:
    batches = [5 + torch.randn(12, 3) @ torch.randn(3, 3) for _ in range(9)]
    moments = CodeMoments(3, half_life=2.0, device=CPU)
    of: list[tuple[np.ndarray, float]] = []
    for step, batch in enumerate(batches):
        moments.set_step(step)
        moments.update(batch, SingleProcess())
        share = 1 - 0.5 ** (1 / min(2.0, (step + 1) / 2)) if step else 1.0
        of = [(each, weight * (1 - share)) for each, weight in of] + [(batch.double().numpy(), share)]
    mean = sum(weight * each.mean(0) for each, weight in of)
    second = sum(weight * each.T @ each / len(each) for each, weight in of)
    assert sum(weight for _, weight in of) == pytest.approx(1.0)
    np.testing.assert_allclose(moments.mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(moments.covariance.numpy(), second - np.outer(mean, mean), rtol=1e-4, atol=1e-4)


def test_moments_are_exact_far_from_the_origin() -> None:
    moments = CodeMoments(2, half_life=100.0, device=CPU)
    for step in range(400):
        moments.set_step(step)
        moments.update(1000 + torch.randn(64, 2, generator=torch.Generator().manual_seed(step)), SingleProcess())
    np.testing.assert_allclose(moments.covariance.numpy(), np.eye(2), atol=0.1)


def test_root_is_one_also_of_codes_that_do_not_vary() -> None:
    factor = torch.tensor([[2.0, 0, 0], [1.0, 0.5, 0], [0, 0, 0]], dtype=torch.float64)
    covariance = factor @ factor.T
    lower = cholesky_factor(covariance)
    torch.testing.assert_close(lower @ lower.T, covariance, atol=1e-4, rtol=0)
    assert bool(cholesky_factor(torch.zeros(3, 3, dtype=torch.float64)).isfinite().all())
    assert bool(cholesky_factor(torch.full((2, 2), torch.nan, dtype=torch.float64)).isnan().all())


def test_prior_samples_have_the_moments_of_the_codes() -> None:
    algorithm = after(40, autoencoder())
    generator = TINY.generator((1, 8, 8), 0)
    generator.load_state_dict(algorithm.state_dict()["average"])
    with torch.no_grad():
        codes = generator.prior(torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0)))
    deviation = algorithm.moments.covariance.diagonal().sqrt().numpy()
    assert (np.abs(codes.mean(0).numpy() - algorithm.moments.mean.numpy()) < 0.02 * deviation).all()
    found = np.cov(codes.numpy().T) / np.outer(deviation, deviation)
    expected = algorithm.moments.covariance.numpy() / np.outer(deviation, deviation)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_gaussian_is_where_the_codes_of_the_data_are() -> None:
    algorithm = after(100, autoencoder(lr=1e-3, likelihood=Bernoulli(Binarization.none)))
    samples, _ = algorithm._probe_targets(80, 0)
    with torch.no_grad():
        codes = algorithm.ema_networks.encode(samples)[:, 0]
    deviation = algorithm.moments.covariance.diagonal().sqrt()
    assert float(((codes.mean(0) - algorithm.moments.mean) / deviation).abs().max()) < 0.5
    assert float((codes.std(0) / deviation).log().abs().max()) < 0.5


def test_checkpoint_holds_a_whole_network_from_latents_to_samples() -> None:
    algorithm = after(5, autoencoder())
    generator = TINY.generator((1, 8, 8), 0)
    generator.load_state_dict(algorithm.state_dict()["average"])
    with torch.no_grad():
        expected = generator(fixed_latents(0, 10, 4)).numpy()
    np.testing.assert_allclose(algorithm.samples(10), expected, atol=1e-6)
    np.testing.assert_allclose(algorithm.preview().samples, expected[:4], atol=1e-6)


# ---- what it learns


@pytest.mark.parametrize("architecture", [TINY, TINY_CONV], ids=["mlp", "convolutional"])
def test_images_come_back_ever_better(architecture: object) -> None:
    algorithm = autoencoder(architecture=architecture, likelihood=Bernoulli(Binarization.threshold))
    first = after(1, algorithm).report().scalars
    last = after(150, algorithm, 1).report().scalars
    for tag in Autoencoder.hparam_metrics:
        assert last[tag] < first[tag] - 5
    assert last["loss/total"] == pytest.approx(last["autoencoder/reconstruction"], rel=1e-5)
    assert last["autoencoder/code_variance"] > 0


def test_code_variance_is_that_of_all_codes_of_a_window() -> None:
    algorithm = autoencoder()
    seen = []
    encoder = algorithm.model.encoder
    encoder.register_forward_hook(lambda _, inputs, output: seen.append(output[:, 0].detach().double()))
    after(4, algorithm)
    report = algorithm.report()
    expected = torch.cat(seen[:4]).var(0, correction=0)
    assert report.scalars["autoencoder/code_variance"] == pytest.approx(float(expected.mean()), rel=1e-4)
    np.testing.assert_allclose(
        report.histograms["autoencoder/code_variance_per_dimension"], expected.numpy(), rtol=1e-3
    )
    assert set(Autoencoder.notes) == {tag for tag in report.scalars if tag in Autoencoder.notes}


def test_points_are_shown_without_panels() -> None:
    preview = autoencoder(source=ring()).preview()
    assert preview.samples.shape == (64, 2)
    assert not preview.panels


def test_no_alarm_is_its_own() -> None:
    assert alarm_rules_of("algorithm=autoencoder") == []


# ---- resume


@pytest.mark.parametrize("architecture", [TINY, TINY_CONV], ids=["mlp", "convolutional"])
def test_restored_state_continues_bitwise_equal(architecture: object) -> None:
    whole, first, second = (autoencoder(architecture=architecture) for _ in range(3))
    after(3, whole)
    whole.preview()  # looking changes nothing
    after(4, whole, 3)
    after(4, first)
    second.load_state_dict(first.state_dict())
    after(3, second, 4)
    expected, found = (tensors_of(each.state_dict()) for each in (whole, second))
    assert expected.keys() == found.keys()
    for path, value in expected.items():
        assert torch.equal(found[path], value) if isinstance(value, torch.Tensor) else found[path] == value, path
    assert second.report().scalars == whole.report().scalars


def test_update_that_is_left_out_leaves_the_moments_too() -> None:
    algorithm = after(2, autoencoder(nonfinite_policy=SkipNonFinite))
    moments = (algorithm.moments.mean, algorithm.moments.covariance)
    before = [weights(algorithm), *(each.clone() for each in moments)]
    poisoned(algorithm)
    algorithm.update(2)
    assert all(map(torch.equal, [weights(algorithm), *moments], before))


def test_nonfinite_codes_can_be_probed() -> None:
    algorithm = after(2, autoencoder())
    poisoned(algorithm)
    algorithm.update(2)
    assert np.isnan(algorithm.preview().samples).all()
    assert algorithm.nonfinite() is not None
