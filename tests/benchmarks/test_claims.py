"""The claims: their recipes compose, their verdicts follow the numbers, their references are right, and one runs."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from benchmarks.claims import charts, page
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.claim import Bound, Claim, Result
from benchmarks.claims.harness import Job, is_completed
from benchmarks.claims.jsd_saturates import THETAS, summary
from benchmarks.claims.optimal_discriminator import Mesh, gaussian, mesh
from benchmarks.claims.wgan_loss_means_something import WINDOW, smoothed, spearman
from benchmarks.recipes import EXPERIMENT_DIR
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.runs import planning
from tests.helpers.paths import ROOT
from tests.helpers.preloaded import PreloadedProcess

RECIPES = sorted({arm.recipe for claim in CLAIMS.values() for arm in claim.arms})
NAMES = (
    "optimal_discriminator",
    "jsd_saturates",
    "vanishing_gradient",
    "non_saturating_start",
    "noise_gives_overlap",
    "mode_collapse",
    "wgan_covers",
    "wgan_loss_means_something",
    "wgan_without_batchnorm",
)


# ---- Recipes


def test_every_claim_is_there_and_every_recipe_of_a_claim_belongs_to_one() -> None:
    assert tuple(CLAIMS) == NAMES
    assert sorted(file.stem for file in EXPERIMENT_DIR.glob("claim_*.yaml")) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_plan(recipe: str) -> None:
    (arm, *_) = (arm for claim in CLAIMS.values() for arm in claim.arms if arm.recipe == recipe)
    plan = planning.plan(Job(arm, 0).composition().config)
    assert plan.config.device.threads == 1
    # Figures that are looked at are those of the network, or of the last checkpoint.
    assert plan.config.train.steps % plan.config.train.checkpoint_every == 0
    assert plan.config.train.eval_every % plan.config.train.log_every == 0


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if "mode_collapse" in recipe or "covers" in recipe])
def test_rings_are_those_of_the_claim(recipe: str) -> None:
    text = (EXPERIMENT_DIR / f"{recipe}.yaml").read_text()
    wanted = (
        "radius: 2.0",
        "std: 0.02",
        "unit: 1.0",
        "latent_dim: 256",
        "generator_hidden: [128, 128]",
        "half_life: 0",
    )
    for setting in (*wanted, "discriminator_hidden: [128, 128]"):
        assert setting in text


def test_runs_are_distinguished_by_their_whole_configuration_but_the_place_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = CLAIMS["non_saturating_start"].arms[0]
    jobs = [Job(arm, 0), Job(arm, 1), Job(arm, 0, ("train.steps=3",)), Job(CLAIMS["non_saturating_start"].arms[1], 0)]
    run_dirs = [job.run_dir(tmp_path) for job in jobs]
    assert len(set(run_dirs)) == len(jobs)
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "elsewhere"))
    assert [job.run_dir(tmp_path) for job in jobs] == run_dirs


@pytest.mark.parametrize(("content", "done"), [("completed", True), ("interrupted", False), (None, False)])
def test_only_a_completed_run_is_kept(content: str | None, done: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(json.dumps({"status": content}))
    assert is_completed(tmp_path) == done


# ---- Verdicts


@pytest.mark.parametrize(
    ("bound", "values", "holds"),
    [
        (Bound("x", maximum=2.0), [0, 1, 2], True),
        (Bound("x", maximum=2.0), [0, 1, 2.01], False),
        (Bound("x", minimum=8.0), [8, 8], True),
        (Bound("x", minimum=8.0), [8, 7], False),
        (Bound("x", minimum=1.0, share=0.8), [1, 2, 3, 4, 0], True),
        (Bound("x", minimum=1.0, share=0.8), [1, 2, 3, 0, 0], False),
        (Bound("x", minimum=1.0, share=0.8), [0], False),
        (Bound("x", minimum=-0.3, maximum=0.3), [-0.31], False),
        (Bound("x", maximum=1.0), [math.nan], False),
        (Bound("x", maximum=1000.0), [math.inf], False),
        (Bound("x", maximum=1.0), [], False),
    ],
)
def test_bound_holds_when_enough_seeds_keep_it(bound: Bound, values: list[float], holds: bool) -> None:
    assert bound.holds(values) == holds


def passing(claim: Claim) -> dict[str, float]:
    """Figures at the edge of every bound of a claim."""
    return {bound.metric: bound.maximum if bound.maximum < math.inf else bound.minimum for bound in claim.bounds}


@pytest.mark.parametrize("name", NAMES)
def test_verdict_follows_the_bounds_and_names_what_breaks_them(name: str) -> None:
    claim = CLAIMS[name]
    good = passing(claim)
    seeds = dict.fromkeys(range(5), good)
    assert page.verdict(claim, Result(seeds, 1.0, "here")) == "holds"
    for bound in claim.bounds:
        step = math.inf if bound.maximum < math.inf else -math.inf
        bad = {**good, bound.metric: math.nextafter(good[bound.metric], step)}
        broken = {**seeds, 3: bad, 4: bad}
        assert page.verdict(claim, Result(broken, 1.0, "here")) == f"does not hold ({bound.metric})"


@pytest.mark.parametrize(
    ("name", "metric", "minimum", "maximum"),
    [
        ("optimal_discriminator", "mean abs. error of D", -math.inf, 0.02),
        ("optimal_discriminator", "|V(D) - V(D*)|", -math.inf, 0.02),
        ("jsd_saturates", "JSD: largest |estimate - log 2|, theta not 0", -math.inf, 0.02),
        ("jsd_saturates", "W: correlation with abs(theta)", 0.99, math.inf),
        ("vanishing_gradient", "log(1 - D): decades lost", 3.0, math.inf),
        ("noise_gives_overlap", "annealed: D's accuracy, first tenth", -math.inf, 0.95),
        ("mode_collapse", "minimax: modes", -math.inf, 2.0),
        ("mode_collapse", "jsd: alarm mode_collapse at step", -math.inf, 1000.0),
        ("mode_collapse", "unrolled protocol: modes", 8.0, math.inf),
        ("wgan_covers", "gp: modes", 8.0, math.inf),
        ("wgan_covers", "gp: alarms", -math.inf, 0.0),
    ],
)
def test_bounds_are_those_that_were_claimed(name: str, metric: str, minimum: float, maximum: float) -> None:
    (bound,) = (bound for bound in CLAIMS[name].bounds if bound.metric == metric)
    assert (bound.minimum, bound.maximum, bound.share) == (minimum, maximum, 1.0)


# ---- References


def along(x: np.ndarray, mean: float) -> Mesh:
    """Two Gaussians of deviation 1 on a line, one at 0 and one at ``mean``."""
    points = x[:, None]
    return Mesh(points, float(x[1] - x[0]), gaussian(points, (0.0,), (1.0,)), gaussian(points, (mean,), (1.0,)))


@pytest.mark.parametrize("mean", [0.0, 0.5, 3.0])
def test_divergence_of_two_gaussians_is_that_of_an_adaptive_quadrature(mean: float) -> None:
    def integrand(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x, mean)
        return float(0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q))))

    expected, _ = quad(integrand, -12, 12 + mean, epsabs=1e-12, limit=200)
    found = along(np.linspace(-15, 18, 4001), mean)
    assert found.divergence() == pytest.approx(expected, abs=1e-10)
    # Theorem 1, and that no other D does better.
    assert found.value(found.optimal_d) == pytest.approx(-2 * math.log(2) + 2 * expected, abs=1e-9)
    assert found.value(0.9 * found.optimal_d + 0.05) < found.value(found.optimal_d) + 1e-12
    assert found.error(found.optimal_d) == 0


def test_separate_gaussians_have_a_divergence_of_log_2() -> None:
    assert along(np.linspace(-10, 50, 8001), 40.0).divergence() == pytest.approx(math.log(2), abs=1e-12)


def test_error_of_a_constant_discriminator_is_its_mean_distance_from_the_best() -> None:
    same = along(np.linspace(-12, 12, 2001), 0.0)
    assert same.error(np.full(2001, 0.75)) == pytest.approx(0.25, abs=1e-9)


def test_mesh_holds_all_of_both_densities() -> None:
    class Wide:
        mean, std = (0.0, 0.0), (0.8, 0.8)

    field = mesh(Ring(modes=3, radius=1.0, std=0.3, unit=1.0), Wide(), side=200)
    assert field.integral(field.p) == pytest.approx(1, abs=1e-6)
    assert field.integral(field.q) == pytest.approx(1, abs=1e-6)


def test_estimates_of_lines_are_compared_with_what_they_should_be() -> None:
    ideal = [math.log(2) if theta else 0.0 for theta in THETAS]
    metrics = summary(ideal, np.abs(THETAS).tolist())
    assert list(metrics.values()) == pytest.approx([0.0, 0.0, 1.0, 0.0])
    ideal[0] -= 0.03
    assert summary(ideal, [1.0 - abs(theta) for theta in THETAS]) == pytest.approx(
        dict(zip(metrics, [0.03, 0.0, -1.0, 1.0], strict=True))
    )


def test_rank_correlation_is_that_of_scipy_and_0_where_nothing_changes() -> None:
    first, second = np.random.default_rng(0).integers(0, 5, (2, 30)).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert spearman(first, np.exp(first)) == pytest.approx(1)
    assert spearman(first, np.ones(30)) == 0


def test_smoothing_is_the_median_of_what_has_come_so_far() -> None:
    values = np.array([1.0, 100.0, 3.0, 2.0, 4.0, 5.0])
    assert WINDOW == 5
    assert smoothed(values).tolist() == [1.0, 50.5, 3.0, 2.5, 3.0, 4.0]


# ---- Page and pictures


def test_page_tells_every_seed_and_how_to_run_it() -> None:
    claim = CLAIMS["jsd_saturates"]
    good = passing(claim)
    result = Result({0: {**good, "beside": 0.5}, 1: {**good, "beside": 1234.5}}, 12.3, "a machine")
    text = page.page(CLAIMS, {claim.name: result}, "images/claims")
    assert "| beside |  | 0.5 | 1,234 | 618 | 0.5 | 1,234 |  |" in text
    assert "| JSD at theta = 0 | <= 0.02 | 0.02 | 0.02 | 0.02 | 0.02 | 0.02 | holds |" in text
    assert (
        "gan-train -m --config-dir benchmarks/conf experiment=claim_jsd_saturates_jsd"
        " dataset.theta=-1,-0.5,-0.25,-0.1,0,0.1,0.25,0.5,1 seed=0,1"
    ) in text
    assert "python -m benchmarks.claims --only jsd_saturates" in text
    assert "(images/claims/jsd_saturates.png)" in text
    assert "optimal_discriminator" not in text
    # A result of an earlier protocol, without a figure that is judged now, is left out.
    assert "## jsd_saturates" not in page.page(
        CLAIMS, {claim.name: Result({0: {"beside": 1.0}}, 1.0, "here")}, "images"
    )


def test_results_survive_being_stored(tmp_path: Path) -> None:
    result = Result({0: {"a": math.inf}, 1: {"a": 0.1}}, 3.5, "here")
    (tmp_path / "some.json").write_text(page.to_json(result))
    assert page.read_results(tmp_path) == {"some": result}


@pytest.mark.parametrize(
    ("value", "text"), [(8.0, "8"), (0.69314, "0.693"), (math.inf, "never"), (1721.3, "1,721"), (1e-9, "1e-09")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert page.number(value) == text


def rendered(figure: Figure, path: Path) -> np.ndarray:
    charts.save(figure, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_chart_draws_a_line_where_its_values_are(tmp_path: Path) -> None:
    figure, panels = charts.figure(curves=2)
    for panel in panels:
        panel.plot([0.0, 1.0], [1.0, 1.0], "red")
        charts.reference_line(panel, 0.0, "")
        panel.set_ylim(0.0, 2.0)
    pixels = rendered(figure, tmp_path / "chart.png")
    red = (pixels[:, :, 0] - pixels[:, :, 2] > 120).nonzero()
    assert pixels.shape[:2] == (310, 2 * 460)
    assert red[0].max() - red[0].min() <= 3  # one height,
    assert red[0].mean() == pytest.approx(310 / 2, abs=15)  # half way up,
    assert len(set(red[1])) > 700  # and all along both panels


def test_legend_has_an_entry_for_each_label_not_for_each_seed() -> None:
    figure, (panel, image) = charts.figure(curves=1, images=1)
    for value in range(5):
        panel.plot([0, 1], [value, value], label="every seed")
        panel.plot([0, 1], [value, 0], label="other")
    charts.legend(panel)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["every seed", "other"]
    assert figure.axes == [panel, image]


def test_images_keep_black_and_white_and_stand_upright(tmp_path: Path) -> None:
    figure, (panel,) = charts.figure(images=1)
    charts.show_image(panel, np.array([[0.0, 1.0], [0.5, 0.5]]), "")
    pixels = rendered(figure, tmp_path / "image.png")[:, :, 0]
    height, width = pixels.shape
    assert pixels[height // 4, width // 4] == 0
    assert pixels[height // 4, 3 * width // 4] == 255
    assert pixels[3 * height // 4, width // 4] == pytest.approx(128, abs=2)


# ---- The command


def claims(*arguments: object) -> subprocess.CompletedProcess[str]:
    process = PreloadedProcess("benchmarks.claims", arguments, folder=ROOT)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


@pytest.mark.slow
def test_quickest_claim_runs_and_is_not_trained_twice(tmp_path: Path) -> None:
    arguments = ["--only", "optimal_discriminator", "--seeds", 2, "--folder", tmp_path, "--override", "train.steps=5"]
    arguments += ["--override", "train.checkpoint_every=5", "--override", "train.log_every=5"]
    done = claims(*arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(r"optimal_discriminator: does not hold \(.*mean abs\. error of D", done.stdout)
    text = (tmp_path / "claims.md").read_text()
    assert "| seed 0 | seed 1 |" in text
    assert (tmp_path / "images/claims/optimal_discriminator.png").stat().st_size < 100_000
    logs = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")}
    assert len(logs) == 2
    again = claims(*arguments)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")} == logs


def test_mistakes_cost_a_line(tmp_path: Path) -> None:
    done = claims("--only", "optimal_discriminator", "--folder", tmp_path, "--override", "train.steps=0", "--seeds", 1)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["train.steps: expected an integer from 1 to 1,000,000,000, got 0"]
    assert claims("--only", "nothing").returncode == 2
