"""The objectives against the identities of Goodfellow et al. 2014, section 4, on distributions over a few outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_cli.algorithms.gan.statistics import logit_metrics, margins
from gan_cli.algorithms.objective_tags import objective_infos
from gan_cli.components.losses import (
    DiscriminatorSteps,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    SigmoidCritic,
    WarmUp,
    Wasserstein,
    divergence_names,
)
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.adversarial import Objective, ZeroSumObjective

LOG_2 = math.log(2.0)
JSD_FAMILY = [NonSaturating(), Minimax()]
ALL = [*JSD_FAMILY, Wasserstein(), LeastSquares(), LeastSquares(-1.0, 1.0, 0.0), Hinge(), Relativistic()]

# How often each outcome occurs among as many real samples as generated ones.
COUNTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=6)


class Game:
    """Real and generated samples over the same outcomes, in exactly the proportions of p and q."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        counts = np.array(pairs)
        total = np.lcm(*counts.sum(axis=0))
        counts = counts * (total // counts.sum(axis=0))
        self.p, self.q = counts.T / total
        self._real, self._fake = (torch.arange(len(counts)).repeat_interleave(torch.tensor(c)) for c in counts.T)

    def d_loss(self, objective: Objective, table: Tensor) -> Tensor:
        """The mean loss of a D that gives outcome x the logit ``table[x]``."""
        return objective.d_loss(table[self._real], table[self._fake]).mean()

    def divergence(self, objective: Objective, table: Tensor) -> float:
        return float(objective.divergence(table[self._real], table[self._fake]))

    def value(self, objective: ZeroSumObjective, table: Tensor) -> float:
        return float(objective.value(table[self._real], table[self._fake]))

    def best_logits(self) -> Tensor:
        return torch.tensor(np.log(self.p / self.q))


def entropy(p: np.ndarray) -> float:
    return float(-sum(x * math.log(x) for x in p if x > 0))


def cross_entropy(p: np.ndarray, q: np.ndarray) -> float:
    return float(-sum(x * math.log(y) for x, y in zip(p, q, strict=True) if x > 0))


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x > 0))


def jsd(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2
    return 0.5 * kl(p, middle) + 0.5 * kl(q, middle)


# ---- the references that the tests below stand on


@given(COUNTS)
@settings(deadline=None, max_examples=25)
def test_reference_divergences_keep_their_identities(pairs: list[tuple[int, int]]) -> None:
    p, q = Game(pairs).p, Game(pairs).q
    assert cross_entropy(p, q) == pytest.approx(entropy(p) + kl(p, q), abs=1e-12)
    assert kl(p, q) >= -1e-12
    assert jsd(p, q) == pytest.approx(jsd(q, p), abs=1e-12)
    assert jsd(p, q) == pytest.approx(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2, abs=1e-12)
    assert -1e-12 <= jsd(p, q) <= LOG_2


def test_jsd_without_overlap_is_log_2_and_not_0() -> None:
    p, q = np.array([0.25, 0.75, 0.0]), np.array([0.0, 0.0, 1.0])
    assert jsd(p, q) == pytest.approx(LOG_2, abs=1e-15)
    real, fake = torch.full((8,), 50.0, dtype=torch.float64), torch.full((8,), -50.0, dtype=torch.float64)
    assert float(NonSaturating().divergence(real, fake)) == pytest.approx(LOG_2, abs=1e-12)


# ---- D's side of the game


@pytest.mark.parametrize("pairs", [[(1, 4), (3, 3), (6, 1)], [(1, 9), (9, 1), (5, 5), (5, 5)]])
def test_d_that_minimises_its_loss_is_p_over_p_plus_q(pairs: list[tuple[int, int]]) -> None:
    game = Game(pairs)
    table = torch.zeros(len(game.p), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([table], max_iter=100, tolerance_change=0.0, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = game.d_loss(NonSaturating(), table)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(table.detach().sigmoid(), game.p / (game.p + game.q), atol=1e-6)


@given(COUNTS)
@settings(deadline=None, max_examples=25)
def test_value_at_the_best_d_is_2_jsd_minus_2_log_2(pairs: list[tuple[int, int]]) -> None:
    game = Game(pairs)
    value = game.value(Minimax(), game.best_logits())
    assert value == pytest.approx(-2 * LOG_2 + 2 * jsd(game.p, game.q), abs=1e-12)
    assert game.divergence(NonSaturating(), game.best_logits()) == pytest.approx(jsd(game.p, game.q), abs=1e-12)


@pytest.mark.parametrize("objective", JSD_FAMILY)
def test_value_runs_from_that_of_a_d_of_one_half_to_0_and_is_below_where_d_is_wrong(
    objective: ZeroSumObjective,
) -> None:
    zeros, sure = torch.zeros(8, dtype=torch.float64), torch.full((8,), 50.0, dtype=torch.float64)
    assert float(objective.value(zeros, zeros)) == pytest.approx(-2 * LOG_2, abs=1e-15)
    assert float(objective.value(sure, -sure)) == pytest.approx(0.0, abs=1e-12)
    assert float(objective.value(-sure, sure)) == pytest.approx(-100.0, abs=1e-9)


@given(COUNTS, st.lists(st.floats(-30, 30), min_size=6, max_size=6))
@settings(deadline=None, max_examples=25)
def test_no_d_reaches_more_than_the_value_of_the_best_one(pairs: list[tuple[int, int]], logits: list[float]) -> None:
    game = Game(pairs)
    table = torch.tensor(logits[: len(pairs)], dtype=torch.float64)
    assert game.value(Minimax(), table) <= game.value(Minimax(), game.best_logits()) + 1e-12


def test_value_is_reported_for_the_jsd_family_alone() -> None:
    values = {name: torch.randn(16, dtype=torch.float64) for name in ("real", "fake", "game_real", "game_fake")}
    values["penalty"] = torch.ones(4)
    for objective in ALL:
        metrics = logit_metrics(objective, values)
        assert ("game/value" in metrics) == (objective in JSD_FAMILY) == ("game/value" in objective_infos(objective))
        if objective in JSD_FAMILY:
            assert metrics["game/value"] == -metrics["loss/d"]
    info = objective_infos(Minimax())["game/value"]
    assert (info.unit, info.better, info.ceiling) == ("nats", "-", 0.0)


@given(COUNTS, st.lists(st.floats(-30, 30), min_size=6, max_size=6))
@settings(deadline=None, max_examples=25)
def test_divergence_of_any_other_d_is_a_lower_bound_within_0_and_log_2(
    pairs: list[tuple[int, int]], logits: list[float]
) -> None:
    game = Game(pairs)
    table = torch.tensor(logits[: len(pairs)], dtype=torch.float64)
    bound = game.divergence(NonSaturating(), table)
    assert 0.0 <= bound <= min(jsd(game.p, game.q) + 1e-12, LOG_2)


@given(COUNTS)
@settings(deadline=None, max_examples=25)
def test_best_d_of_least_squares_gives_le_cams_distance(pairs: list[tuple[int, int]]) -> None:
    game = Game(pairs)
    le_cam = 0.5 * float(np.sum((game.p - game.q) ** 2 / (game.p + game.q)))
    for objective in (LeastSquares(), LeastSquares(-1.0, 1.0, 0.0), LeastSquares(0.1, 0.9, 0.5)):
        best = torch.tensor((objective.b * game.p + objective.a * game.q) / (game.p + game.q))
        assert game.divergence(objective, best) == pytest.approx(le_cam, abs=1e-12)
        for other in (best + 0.1, best * 0.5, torch.zeros_like(best)):
            assert game.divergence(objective, other) <= le_cam + 1e-12


@given(COUNTS)
@settings(deadline=None, max_examples=25)
def test_best_d_of_the_hinge_loss_gives_the_total_variation(pairs: list[tuple[int, int]]) -> None:
    game = Game(pairs)
    variation = 0.5 * float(np.abs(game.p - game.q).sum())
    best = torch.tensor(np.sign(game.p - game.q))
    assert game.divergence(Hinge(), best) == pytest.approx(variation, abs=1e-12)
    for other in (best * 0.5, best * 3, best + 0.3):
        assert game.divergence(Hinge(), other) <= variation + 1e-12


@given(COUNTS)
@settings(deadline=None, max_examples=25)
def test_no_critic_finds_a_relativistic_divergence_between_equal_distributions(pairs: list[tuple[int, int]]) -> None:
    values = torch.tensor([pair[0] for pair in pairs], dtype=torch.float64)
    real, fake = torch.cartesian_prod(values, values).unbind(1)  # every real sample against every generated one
    assert float(Relativistic().divergence(real, fake)) == 0.0
    apart = torch.full_like(real, 60.0)
    assert float(Relativistic().divergence(apart, -apart)) == pytest.approx(LOG_2, abs=1e-12)


def test_relativistic_losses_know_differences_alone() -> None:
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    torch.testing.assert_close(Relativistic().d_loss(real + 5, fake + 5), Relativistic().d_loss(real, fake))
    torch.testing.assert_close(Relativistic().g_loss(real, fake), Relativistic().d_loss(fake, real))


def test_margins_are_measured_from_the_boundary_where_there_is_one_and_between_pairs_where_there_is_none() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.4, -3.0])
    for objective in (NonSaturating(), Hinge()):
        above, below = margins(objective, real, fake)
        assert (above.tolist(), below.tolist()) == (real.tolist(), (-fake).tolist())
    above, below = margins(LeastSquares(), real, fake)
    assert above.tolist() == [1.5, -1.5]
    torch.testing.assert_close(below, torch.tensor([0.1, 3.5]))
    for objective in (Wasserstein(), Relativistic()):
        above, below = margins(objective, real, fake)
        torch.testing.assert_close(above, torch.tensor([1.6, 2.0]))
        assert torch.equal(above, below)


def test_least_squares_refuses_targets_the_wrong_way_round() -> None:
    with pytest.raises(InvalidValueError) as refused:
        LeastSquares(a=1.0, b=0.0)
    assert refused.value.key == "a"


def test_untrained_d_has_loss_2_log_2() -> None:
    assert float(NonSaturating().d_loss(torch.zeros(3), torch.zeros(3)).mean()) == pytest.approx(2 * LOG_2)


def test_minimax_and_non_saturating_share_the_discriminator() -> None:
    real, fake = torch.linspace(-5, 5, 11), torch.linspace(3, -7, 11)
    assert torch.equal(Minimax().d_loss(real, fake), NonSaturating().d_loss(real, fake))


# ---- each loss against its definition in probabilities, and its gradient by hand

REAL = np.array([-6.0, -1.5, 0.0, 0.7, 4.0])
FAKE = np.array([3.0, -0.2, 0.0, -5.0, 1.1])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize(
    ("objective", "d_loss", "g_loss"),
    [
        (NonSaturating(), -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)), -np.log(sigmoid(FAKE))),
        (Minimax(), -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)), np.log(1 - sigmoid(FAKE))),
        (Wasserstein(), FAKE - REAL, -FAKE),
        (LeastSquares(), ((REAL - 1) ** 2 + FAKE**2) / 2, (FAKE - 1) ** 2 / 2),
        (LeastSquares(-1.0, 1.0, 0.0), ((REAL - 1) ** 2 + (FAKE + 1) ** 2) / 2, FAKE**2 / 2),
        (Hinge(), np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
        (Relativistic(), -np.log(sigmoid(REAL - FAKE)), -np.log(sigmoid(FAKE - REAL))),
    ],
    ids=["non-saturating", "minimax", "wasserstein", "lsgan", "lsgan-pearson", "hinge", "relativistic"],
)
def test_per_sample_losses_follow_their_definition(
    objective: Objective, d_loss: np.ndarray, g_loss: np.ndarray
) -> None:
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    np.testing.assert_allclose(objective.d_loss(real, fake), d_loss, rtol=1e-12)
    np.testing.assert_allclose(objective.g_loss(real, fake), g_loss, rtol=1e-12)


def g_gradient(objective: Objective, logits: np.ndarray) -> np.ndarray:
    fake = torch.tensor(logits, requires_grad=True)
    objective.g_loss(torch.zeros_like(fake), fake).sum().backward()
    assert fake.grad is not None
    return fake.grad.numpy()


def test_gradients_are_those_derived_by_hand() -> None:
    real, fake = torch.tensor(REAL, requires_grad=True), torch.tensor(FAKE, requires_grad=True)
    NonSaturating().d_loss(real, fake).sum().backward()
    np.testing.assert_allclose(real.grad, sigmoid(REAL) - 1, rtol=1e-12)
    np.testing.assert_allclose(fake.grad, sigmoid(FAKE), rtol=1e-12)
    np.testing.assert_allclose(g_gradient(NonSaturating(), FAKE), sigmoid(FAKE) - 1, rtol=1e-12)
    np.testing.assert_allclose(g_gradient(Minimax(), FAKE), -sigmoid(FAKE), rtol=1e-12)
    np.testing.assert_array_equal(g_gradient(Wasserstein(), FAKE), -1.0)


def test_minimax_starves_the_generator_where_d_is_confident_and_non_saturating_does_not() -> None:
    confident = np.array([-20.0])
    assert abs(g_gradient(Minimax(), confident)[0]) < 1e-8
    assert abs(g_gradient(NonSaturating(), confident)[0]) > 0.99


@pytest.mark.parametrize("objective", ALL, ids=lambda objective: type(objective).__name__)
def test_huge_logits_give_finite_losses_and_gradients_in_float32(objective: Objective) -> None:
    real = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    fake = torch.tensor([1e4, -1e4, -1e4, 1e4], requires_grad=True)
    losses = objective.d_loss(real, fake) + objective.g_loss(real, fake)
    losses.sum().backward()
    assert real.grad is not None
    assert fake.grad is not None
    for values in (losses, real.grad, fake.grad, objective.divergence(real, fake)):
        assert values.isfinite().all()


def test_huge_logits_on_the_wrong_side_still_move_g_and_d() -> None:
    """A clamp of logits or probabilities would be finite as well, but its gradient is 0."""
    np.testing.assert_allclose(g_gradient(NonSaturating(), np.array([-1e4])), -1.0)
    real = torch.tensor([-1e4], requires_grad=True)
    NonSaturating().d_loss(real, torch.zeros(1)).sum().backward()
    assert real.grad is not None
    assert real.grad.item() == -1.0


def test_wasserstein_estimate_is_positive_where_the_critic_prefers_real_samples() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([-1.0, 0.0])
    assert float(Wasserstein().divergence(real, fake)) == 4.5
    assert float(Wasserstein().d_loss(real, fake).mean()) == -4.5


def test_scores_are_probabilities_for_jsd_and_critic_values_for_wasserstein() -> None:
    logits = torch.tensor([-2.0, 0.0, 30.0])
    np.testing.assert_allclose(NonSaturating().score(logits), sigmoid(logits.numpy()), rtol=1e-6)
    assert torch.equal(Wasserstein().score(logits), logits)


def test_limits_are_those_of_the_scores() -> None:
    logits = torch.tensor([-1e4, 1e4])
    for objective in (NonSaturating(), Minimax(), SigmoidCritic()):
        assert objective.score(logits).tolist() == list(objective.score_limits)


# ---- how often D is updated


def test_d_makes_as_many_updates_before_each_step_as_without_a_warm_up() -> None:
    d_steps = DiscriminatorSteps(5)
    assert [d_steps(step) for step in range(4)] == [5] * 4
    assert d_steps.largest == 5


@pytest.mark.parametrize(
    ("warm_up", "expected"),
    [(WarmUp(9, first=2, every=4), [9, 9, 2, 2, 9, 2, 2, 2, 9]), (WarmUp(1, first=0, every=3), [1, 2, 2, 1, 2, 2, 1])],
)
def test_warm_up_replaces_the_first_steps_and_every_nth(warm_up: WarmUp, expected: list[int]) -> None:
    d_steps = DiscriminatorSteps(2, warm_up)
    assert [d_steps(step) for step in range(len(expected))] == expected
    assert d_steps.largest == max(expected)


def test_divergences_of_all_losses_are_found() -> None:
    assert divergence_names() == ("jsd", "wasserstein", "le_cam", "total_variation", "relativistic")


@pytest.mark.parametrize(
    "objective", [NonSaturating(), Minimax(), Wasserstein(), LeastSquares(), Hinge(), Relativistic()]
)
def test_divergence_is_described_by_the_loss_alone(objective: Objective) -> None:
    name = f"divergence/{objective.divergence_name}"
    infos = objective_infos(objective)
    assert set(infos) - {"game/value"} == {name, f"{name}_held_out", "d_real", "d_fake"}
    assert infos[name].ceiling == objective.ceiling
    assert infos[name].unit == ("nats" if objective.ceiling == math.log(2) else "")
    assert infos[name].description.startswith(("Compute a lower bound", "Estimate"))
    assert "Returns" not in infos[name].description
    assert infos["d_real"].unit == objective.score_name
