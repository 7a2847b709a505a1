"""The claims: their recipes compose, their verdicts follow the numbers, their references are right, and one runs."""

from __future__ import annotations

import io
import json
import math
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from benchmarks.claims import charts, page, progress
from benchmarks.claims.__main__ import times
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.claim import Bound, Claim, Result
from benchmarks.claims.harness import PROCESSOR_SECONDS, Job, is_completed
from benchmarks.claims.jsd_saturates import THETAS, summary
from benchmarks.claims.optimal_discriminator import Mesh, mesh
from benchmarks.claims.wgan_loss_means_something import WINDOW, smoothed, spearman
from benchmarks.recipes import EXPERIMENT_DIR
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.runs import planning
from gan_cli.telemetry.quantities import format_duration
from gan_cli.theory import gaussian_density
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
    whole = page.verdict(claim, Result(seeds, 1.0, "here"))
    assert len(whole) == len({bound.statement for bound in claim.bounds})
    assert all(line.removeprefix(f"{bound.statement}: ") for line, bound in zip(whole, claim.bounds, strict=False))
    assert all(line.endswith("holds") for line in whole)
    for bound in claim.bounds:
        step = math.inf if bound.maximum < math.inf else -math.inf
        bad = {**good, bound.metric: math.nextafter(good[bound.metric], step)}
        broken = page.verdict(claim, Result({**seeds, 3: bad, 4: bad}, 1.0, "here"))
        (changed,) = set(broken) - set(whole)
        end = "holds; side condition not met: " if bound.side_condition else "does not hold ("
        assert changed == f"{bound.statement}: {end}{bound.metric}{'' if bound.side_condition else ')'}".removeprefix(
            ": "
        )


def test_a_side_condition_does_not_save_a_claim_and_cannot_break_one() -> None:
    claim = CLAIMS["wgan_covers"]
    alarms = {**passing(claim), "gp: alarms": 1.0}
    assert page.verdict(claim, Result({0: alarms}, 1.0, "here"))[0].endswith(
        "holds; side condition not met: gp: alarms"
    )
    collapsed = {**alarms, "gp: modes": 7.0}
    assert page.verdict(claim, Result({0: collapsed}, 1.0, "here"))[0].endswith(
        "does not hold (gp: modes); side condition not met: gp: alarms"
    )


def test_side_conditions_are_those_that_the_literature_does_not_claim_and_each_says_why() -> None:
    beside = {(claim.name, each.metric) for claim in CLAIMS.values() for each in claim.bounds if each.side_condition}
    assert beside == {("wgan_covers", "gp: alarms")}
    for claim in CLAIMS.values():
        text = page.section(claim, Result({0: passing(claim)}, 1.0, "here"), "images")
        for bound in claim.bounds:
            assert bound.side_condition in text


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
    return Mesh(points, float(x[1] - x[0]), gaussian_density(points, 0.0, 1.0), gaussian_density(points, mean, 1.0))


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
    assert field.p.sum() * field.cell == pytest.approx(1, abs=1e-6)
    assert field.q.sum() * field.cell == pytest.approx(1, abs=1e-6)


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
    assert "optimal_discriminator" not in text
    # A result of an earlier protocol, without a metric that is judged now, is left out.
    assert "## jsd_saturates" not in page.page(
        CLAIMS, {claim.name: Result({0: {"beside": 1.0}}, 1.0, "here")}, "images"
    )


@pytest.mark.parametrize("name", NAMES)
def test_section_begins_with_what_one_should_see_and_its_picture(name: str) -> None:
    claim = CLAIMS[name]
    lines = page.section(claim, Result({0: passing(claim)}, 1.0, "here"), "images/claims").split("\n\n")
    assert lines[0].strip() == f"## {name}"
    assert lines[1] == f"What you should see: {claim.look_for}"
    assert lines[2] == f"![{claim.caption}](images/claims/{name}.png)"
    assert claim.look_for.count(". ") <= 3
    verdict = next(index for index, line in enumerate(lines) if line.startswith("Verdict: "))
    assert verdict > 2


def test_a_page_keeps_the_sections_of_claims_that_were_not_run_again() -> None:
    def result(name: str, seeds: int, seconds: float) -> Result:
        return Result(dict.fromkeys(range(seeds), passing(CLAIMS[name])), seconds, "here")

    afternoon = {name: result(name, 1, 7.0) for name in ("jsd_saturates", "wgan_covers")}
    before = page.page(CLAIMS, afternoon, "images/claims")
    after = page.page(CLAIMS, {"mode_collapse": result("mode_collapse", 2, 9.0)}, "images/claims", before)
    names = re.findall(r"^## (.*)$", after, re.MULTILINE)
    assert names == ["jsd_saturates", "mode_collapse", "wgan_covers"], "in the order of the page"
    kept, now = page.read_entries(before), page.read_entries(after)
    assert {name: now[name] for name in afternoon} == kept
    # The new result replaces the old one, and writing a page twice changes nothing.
    again = page.page(CLAIMS, {"wgan_covers": result("wgan_covers", 3, 1.0)}, "images/claims", after)
    assert "| seed 2 |" in page.read_entries(again)["wgan_covers"].section
    assert page.page(CLAIMS, {}, "images/claims", again) == again


def test_times_are_those_of_the_page() -> None:
    result = Result(dict.fromkeys(range(2), passing(CLAIMS["jsd_saturates"])), 3000.4, "here")
    text = page.page(CLAIMS, {"jsd_saturates": result}, "images/claims")
    assert page.processor_seconds(text) == {"jsd_saturates": 1500.0}


def test_help_sums_the_page_s_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one = page.processor_seconds(Path("docs/claims.md").read_text())
    assert set(one) == set(CLAIMS)
    assert f"all claims {format_duration(sum(one.values()) * 5)} with 5 seeds" in times()
    for name, seconds in one.items():
        assert f"{name} {format_duration(seconds)}" in times()


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
    grey = np.array([[0, 255], [128, 128]], np.uint8)
    charts.show_image(panel, Image.fromarray(grey).convert("RGB"), "")
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


def test_maps_have_axes_and_one_bar_and_stand_upright() -> None:
    figure, panels = charts.figure(images=2)
    charts.show_maps(panels, {"p": np.tri(4), "D": np.zeros((4, 4))}, 2.2)
    assert [axes.get_ylabel() for axes in figure.axes] == ["", "", "D(x)"]
    (image,) = panels[0].get_images()
    assert (image.origin, list(image.get_extent()), image.get_clim()) == ("lower", [-2.2, 2.2, -2.2, 2.2], (0, 1))


# ---- Progress


def test_progress_says_steps_and_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 45.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream, metrics = io.StringIO(), tmp_path / "metrics.jsonl"
    display = progress.ProgressDisplay(stream)
    running = {metrics: ("claim_x seed 0", 1000)}
    display.show(running, 0, 3)
    metrics.write_text('{"step": 100, "a": 1}\n{"step": 2')
    display.show(running, 1, 3)  # at once: a run is done
    metrics.write_text('{"step": 100}\n{"step": 450}\n')
    display.show(running, 1, 3)  # after half a minute
    assert stream.getvalue().splitlines() == [
        "0 of 3 runs done; claim_x seed 0 starting",
        "1 of 3 runs done; claim_x seed 0 step 100 of 1,000",
        "1 of 3 runs done; claim_x seed 0 step 450 of 1,000, 55 s left",
    ]


def test_progress_without_a_terminal_is_quiet_and_in_one_redraws_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file, terminal = io.StringIO(), Terminal()
    for stream in (file, terminal):
        display = progress.ProgressDisplay(stream)
        for _ in range(3):
            display.show({}, 1, 3)
        display.clear()
    assert file.getvalue() == "1 of 3 runs done\n"
    assert terminal.getvalue() == 3 * "\r\033[K1 of 3 runs done" + "\r\033[K"


def test_durations_are_in_seconds_or_minutes() -> None:
    positions = [progress.Position("a", 1, 2, seconds) for seconds in (0.4, 59.4, 60, 150, 1500)]
    durations = ["0 s", "59 s", "1 min", "2 min 30 s", "25 min"]
    assert [*map(str, positions)] == [f"a step 1 of 2, {duration} left" for duration in durations]


@pytest.mark.slow
def test_quickest_claim_runs_and_is_not_trained_twice(tmp_path: Path) -> None:
    arguments = ["--only", "optimal_discriminator", "--seeds", 2, "--folder", tmp_path, "--override", "train.steps=5"]
    arguments += ["--override", "train.checkpoint_every=5", "--override", "train.log_every=5"]
    done = claims(*arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(r"optimal_discriminator: does not hold \(.*mean abs\. error of D", done.stdout)
    assert str(tmp_path / "images/claims/optimal_discriminator.png") in done.stdout
    assert "what you should see: " in done.stdout
    assert re.search(r"\d of 2 runs done", done.stderr)
    text = (tmp_path / "claims_changed.md").read_text()
    assert "| seed 0 | seed 1 |" in text
    assert (tmp_path / "images/claims/optimal_discriminator.png").stat().st_size < 100_000
    logs = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")}
    assert len(logs) == 2
    again = claims(*arguments)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")} == logs


@pytest.mark.slow
def test_an_interrupted_run_continues_to_the_same_numbers(tmp_path: Path) -> None:
    # In processes of their own: a signal ends them.
    short = ("train.steps=400", "train.checkpoint_every=400", "train.log_every=5", "train.sample_every=0")
    arm = replace(CLAIMS["optimal_discriminator"].arms[0], overrides=short)
    whole, stopped = (Job(arm, 0).run_dir(tmp_path / name) for name in ("whole", "stopped"))
    script = (
        "import sys; from pathlib import Path; from benchmarks.claims.claim import Arm;"
        " from benchmarks.claims.harness import Job, train_run;"
        f" train_run(Job(Arm({arm.name!r}, {arm.recipe!r}, {short!r}), 0), Path(sys.argv[1]))"
    )

    def start(folder: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )

    first = start("stopped")
    while (progress.last_step(stopped / "metrics.jsonl") or 0) < 50:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, message = first.communicate(timeout=120)
    assert "interrupted; the same command continues from its checkpoint" in message
    assert not is_completed(stopped)
    before = float((stopped / PROCESSOR_SECONDS).read_text())
    for folder in ("stopped", "whole"):
        assert start(folder).wait(timeout=300) == 0
    assert is_completed(stopped)
    assert "continuing from step" in (stopped / "train.log").read_text()
    assert float((stopped / PROCESSOR_SECONDS).read_text()) > before

    def numbers(run: Path) -> list[dict[str, float]]:
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return [{tag: value for tag, value in line.items() if not tag.startswith(("time", "speed/"))} for line in lines]

    assert numbers(stopped) == numbers(whole)


def test_mistakes_cost_a_line(tmp_path: Path) -> None:
    done = claims("--only", "optimal_discriminator", "--folder", tmp_path, "--override", "train.steps=0", "--seeds", 1)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["train.steps: expected an integer from 1 to 1,000,000,000, got 0"]
    assert claims("--only", "nothing").returncode == 2
