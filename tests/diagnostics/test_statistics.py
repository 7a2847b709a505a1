"""Statistics for the alarm rules: against closed forms and independent references, and without side effects."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.components.losses import LOG_2, Hinge, Minimax, NonSaturating, Relativistic, Wasserstein
from gan_cli.config.compose import compose, register
from gan_cli.diagnostics.statistics import (
    MAX_SORTED_LOGITS,
    auc,
    count_nearest,
    diversity_metrics,
    effective_mode_share,
    gradient_metrics,
    input_gradient_norms,
    mean_distance,
    nearest_neighbor_accuracy,
    score_metrics,
    subsample,
)
from gan_cli.protocols.adversarial import Objective
from gan_cli.training import builder, planning
from tests.conftest import SHORT, TINY


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---- scores


def test_auc_is_that_of_scikit_learn_ties_included() -> None:
    real = torch.randint(0, 30, (500,), generator=random()).float()
    fake = torch.randint(-10, 20, (300,), generator=random(1)).float()
    expected = roc_auc_score([1] * 500 + [0] * 300, torch.cat([real, fake]).numpy())
    assert float(auc(real.sort().values, fake.sort().values)) == pytest.approx(expected, abs=1e-6)


def test_auc_is_half_for_one_distribution_and_one_where_nothing_overlaps() -> None:
    values = torch.randn(1000, generator=random()).sort().values
    assert float(auc(values, values)) == pytest.approx(0.5)
    assert float(auc(values + 100, values)) == 1.0


def test_quantiles_are_those_of_numpy_in_the_units_of_the_score() -> None:
    real, fake = torch.randn(10, 100, generator=random()), torch.randn(1001, generator=random(1)) - 1
    metrics = score_metrics(NonSaturating(), real, fake)
    for name, logits in {"d_real": real, "d_fake": fake}.items():
        for percent in (5, 25, 50, 75, 95):
            expected = np.quantile(logits.sigmoid().numpy(), percent / 100, method="nearest")
            assert float(metrics[f"{name}/p{percent:02}"]) == pytest.approx(float(expected), abs=2e-3)
    assert float(metrics["d_real/mean"]) == pytest.approx(float(real.sigmoid().mean()))


def test_many_values_are_thinned_evenly() -> None:
    kept = subsample(torch.arange(10 * MAX_SORTED_LOGITS + 7))
    assert MAX_SORTED_LOGITS / 2 <= len(kept) <= MAX_SORTED_LOGITS
    assert len(set(kept.diff().tolist())) == 1


# ---- diversity


def test_distances_against_a_plain_loop() -> None:
    points = torch.randn(7, 5, generator=random(), dtype=torch.float64)
    distances = torch.cdist(points, points)
    pairs = [math.dist(a, b) for a, b in itertools.permutations(points.tolist(), 2)]
    assert float(mean_distance(distances)) == pytest.approx(np.mean(pairs))


def test_neighboured_counts_every_sample_once() -> None:
    distances = torch.tensor([[0.1, 0.5, 0.9], [0.2, 0.6, 0.9], [0.9, 0.9, 0.1]])
    assert float(count_nearest(distances)) == 2


def test_samples_of_one_distribution_are_as_diverse_and_indistinguishable() -> None:
    real, held, fake = (torch.randn(256, 1, 8, 8, generator=random(seed)) for seed in range(3))
    metrics = {name: float(value) for name, value in diversity_metrics(real, held, fake).items()}
    assert metrics["diagnosis/diversity"] == pytest.approx(1, abs=0.05)
    assert metrics["diagnosis/neighbours"] == pytest.approx(1, abs=0.2)
    assert metrics["diagnosis/told_apart"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 32, 32)])
def test_a_single_output_has_no_diversity(shape: tuple[int, ...]) -> None:
    real, held = (torch.randn(64, *shape, generator=random(seed)) for seed in range(2))
    metrics = diversity_metrics(real, held, torch.full((64, *shape), 0.3))
    assert float(metrics["diagnosis/diversity"]) < 0.01
    assert float(metrics["diagnosis/neighbours"]) < 0.05


def test_nearest_neighbor_accuracy_is_1_for_disjoint_clouds() -> None:
    near = torch.randn(40, 2, generator=random())
    points = torch.cat([near, near + 100])
    assert float(nearest_neighbor_accuracy(torch.cdist(points, points))) == 1.0


@pytest.mark.parametrize("filled", [1, 2, 8])
def test_filled_modes_is_the_share_of_evenly_filled_ones(filled: int) -> None:
    angles = torch.arange(8) * math.pi / 4
    centres = torch.stack([angles.cos(), angles.sin()], 1)
    points = centres[:filled].repeat(16, 1) + 0.01
    assert float(effective_mode_share(points, centres)) == pytest.approx(filled / 8)


# ---- gradients


def critic() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)).double()


@pytest.mark.parametrize("objective", [NonSaturating(), Minimax(), Wasserstein(), Hinge(), Relativistic()])
def test_gradient_norms_are_those_of_each_sample_by_itself(objective: Objective) -> None:
    network = critic()
    fake = torch.randn(9, 3, 4, generator=random(), dtype=torch.float64)
    real_logits = torch.randn(9, generator=random(1), dtype=torch.float64)
    norms = []
    for sample, real in zip(fake, real_logits, strict=True):
        point = sample[None].clone().requires_grad_()
        objective.g_loss(real[None], network(point)).sum().backward()
        assert point.grad is not None
        norms.append(float(point.grad.norm()))
    network.zero_grad(set_to_none=True)
    input_norms, logits = input_gradient_norms(network, fake)
    metrics = gradient_metrics(objective, input_norms, logits, real_logits)
    assert float(metrics["diagnosis/gradient"]) == pytest.approx(np.mean(norms))
    assert float(metrics["diagnosis/gradient_deviation"]) == pytest.approx(np.std(norms))
    assert torch.equal(logits, network(fake))
    assert all(parameter.grad is None for parameter in network.parameters())


def test_saturating_and_non_saturating_gradients_are_in_the_ratio_of_the_theory() -> None:
    """sigmoid(l) to sigmoid(-l), from one pass through D; at l = -5 that is 1 to 148."""

    def confident(samples: Tensor) -> Tensor:
        return samples.sum(1) - 5.0

    metrics = gradient_metrics(Minimax(), *input_gradient_norms(confident, torch.zeros(4, 3)), torch.zeros(4))
    ratio = metrics["diagnosis/gradient_non_saturating"] / metrics["diagnosis/gradient_saturating"]
    assert float(ratio) == pytest.approx(math.exp(5))
    assert torch.equal(metrics["diagnosis/gradient"], metrics["diagnosis/gradient_saturating"])


def test_ceilings_are_what_divergences_of_separated_samples_come_to() -> None:
    far = torch.full((8,), 1e4)
    assert float(NonSaturating().divergence(far, -far)) == pytest.approx(NonSaturating.ceiling) == LOG_2
    assert float(Hinge().divergence(far, -far)) == pytest.approx(Hinge.ceiling)
    assert float(Relativistic().divergence(far, -far)) == pytest.approx(Relativistic.ceiling)
    assert Wasserstein.ceiling is None


# ---- reports have no side effects on training


def trained(*overrides: str, steps: int = 3, probed: bool) -> GANTrainer:
    register()
    algorithm = builder.assemble(planning.plan(compose([*SHORT, "diagnostics.samples=8", *overrides]).config))
    assert isinstance(algorithm, GANTrainer)
    for step in range(steps):
        algorithm.update(step)
        if probed:
            algorithm.report()
    return algorithm


def equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.mark.parametrize(
    "overrides",
    [
        (*TINY, "noise=linear", "loss=wgan_gp"),
        ("architecture=dcgan", "architecture.width=4", "augment=diffaugment", "train.batch_size=8"),
        ("architecture=dcgan", "architecture.width=4", "architecture.norm_d=none", "architecture.spectral_norm=true"),
        ("architecture=maxout", "conditional=true"),
        (*TINY, "loss=r3gan", "pac=2", "noise=adaptive"),
        (*TINY, "dataset=ring8", "loss=lsgan"),
    ],
)
def test_a_probed_run_is_bitwise_equal_to_one_that_is_not(overrides: tuple[str, ...]) -> None:
    unprobed, probed_run = (trained(*overrides, probed=probed).state_dict() for probed in (False, True))
    for state in (unprobed, probed_run):
        del state["windows"], state["gradient_norms"]  # a report empties them
    assert equal(unprobed, probed_run)


def test_the_probe_is_a_function_of_the_step() -> None:
    algorithm = trained(*TINY, probed=False)
    assert equal(algorithm._probe.metrics(5), algorithm._probe.metrics(5))
    assert not equal(algorithm._probe.metrics(5), algorithm._probe.metrics(6))


@pytest.mark.parametrize("nothing", ["diagnostics.every=0", "diagnostics.every=2"])
def test_nothing_is_probed_where_no_probe_is_due(nothing: str) -> None:
    scalars = trained(*TINY, nothing, steps=1, probed=False).report().scalars
    assert not any(tag.startswith("diagnosis/") for tag in scalars)
    assert "d/auc" in scalars


def test_held_out_gap_detects_a_d_that_memorizes_its_images() -> None:
    algorithm = trained(*TINY, "train.held_out=0.3", probed=False)
    probe_batches = algorithm.context.probe_batches
    assert probe_batches is not None
    known = probe_batches.train(8, 0).samples.flatten(1)

    def memorizing(packs: Tensor) -> Tensor:
        return torch.where(torch.cdist(packs.flatten(1), known).amin(1) < 1e-2, 5.0, -5.0) + 0 * packs.sum((1, 2, 3))

    algorithm.discriminator.forward = memorizing
    metrics = algorithm._probe.metrics(0)
    assert float(metrics["divergence/jsd_held_out"]) == 0.0  # clamped: D classifies them as generated
    assert float(metrics["diagnosis/held_out_gap"]) > 0.6


@pytest.mark.gpu
@pytest.mark.parametrize("graph", ["true", "false"])
def test_probing_has_no_side_effects_on_a_gpu(graph: str) -> None:
    exact = ("device.precision=fp32", "device.deterministic=true")
    overrides = ("device=cuda", f"device.graph={graph}", *exact, *TINY, "noise=adaptive")
    unprobed, probed_run = (trained(*overrides, steps=12, probed=probed).state_dict() for probed in (False, True))
    for state in (unprobed, probed_run):
        del state["windows"], state["gradient_norms"]
    assert equal(unprobed, probed_run)
