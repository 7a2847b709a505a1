"""The benchmark of speed: what it compares is the same, and its statistics are those that it says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from benchmarks.recipes import CONF_DIR
from gan_cli.config.compose import compose, register
from gan_cli.training import planning
from tests.helpers.paths import ROOT


def script(name: str) -> ModuleType:
    """A file of benchmarks/, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


reference, speed = script("reference"), script("speed")


def plan_of(recipe: str) -> planning.Plan:
    register()
    return planning.plan(compose([f"experiment={recipe}", "device=cpu"], CONF_DIR).config)


# ---- What is compared


def layers(*networks: nn.Module) -> list[str]:
    """Every layer with all it was made with: shapes, strides, slopes, epsilon. Reshapings and sigmoids do not count.

    D ends in logits here, in a sigmoid there; the losses make up for that.
    """
    leaves = [layer for network in networks for layer in network.modules() if not list(layer.children())]
    return [repr(layer) for layer in leaves if not isinstance(layer, (nn.Flatten, nn.Unflatten, nn.Sigmoid))]


@pytest.mark.parametrize(
    ("recipe", "generator", "discriminator"),
    [
        ("bench_mlp_wgan", reference.mlp_generator, lambda: nn.Sequential(*reference.mlp_discriminator())),
        ("bench_mlp_gan", reference.mlp_generator, lambda: nn.Sequential(*reference.mlp_discriminator())),
        ("bench_dcgan64", reference.dcgan_generator, reference.dcgan_discriminator),
    ],
)
def test_recipes_have_the_layers_of_the_reference(recipe: str, generator: object, discriminator: object) -> None:
    plan = plan_of(recipe)
    assert callable(generator)
    assert callable(discriminator)
    with torch.device("meta"):
        pairs = [
            (plan.architecture.generator(plan.dataset.shape, 0), generator()),
            (plan.architecture.discriminator(plan.dataset.shape, 0), discriminator()),
        ]
    for ours, theirs in pairs:
        assert layers(ours) == layers(theirs)
        assert [weight.shape for weight in ours.parameters()] == [weight.shape for weight in theirs.parameters()]


def test_the_epsilon_of_the_scripts_is_0_8() -> None:
    generator = plan_of("bench_mlp_wgan").architecture.generator((1, 28, 28), 0)
    assert {layer.eps for layer in generator.modules() if isinstance(layer, nn.BatchNorm1d)} == {0.8}


@pytest.mark.parametrize("name", speed.ROWS)
def test_recipes_do_the_work_of_the_reference(name: str) -> None:
    row = speed.ROWS[name]
    config = plan_of(row.experiment).config
    assert config.train.batch_size == reference.BATCH_SIZE
    assert config.loss.d_steps == (reference.CRITIC_STEPS if name == "mlp_wgan" else 1)
    assert config.train.batch_size * config.loss.d_steps == row.images_per_step
    assert name in reference.ROWS


# ---- Statistics


def pair(reference_speed: float, auto: float) -> object:
    return speed.Pair(speed.Speed(round(10 * reference_speed), 10.0), {"auto": speed.Speed(round(4 * auto), 4.0)})


def test_ratios_are_those_of_the_pairs_and_not_of_the_medians() -> None:
    # A machine that slows down to a tenth in the last pair, and in the middle for the reference alone.
    pairs = [pair(100, 200), pair(50, 250), pair(10, 30)]
    found = speed.Comparison.of("mlp_wgan", "auto", pairs)
    assert (found.reference, found.ours) == (speed.Spread(50, 10, 100), speed.Spread(200, 30, 250))
    assert found.ratio == speed.Spread(3.0, 2.0, 5.0)  # of the medians: 4


def test_spread_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert speed.Spread.of([4.0, 1.0, 3.0, 10.0]) == speed.Spread(3.5, 1.0, 10.0)


@pytest.mark.parametrize(
    ("bf16", "auto", "end"),
    [(True, 230, "2.3 | yes |"), (True, 229, "2.3 | no |"), (False, 200, "2 | yes |"), (False, 199, "2 | no |")],
)
def test_line_says_whether_the_median_reaches_the_goal_of_the_processor(
    bf16: bool, auto: float, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "supports_bf16_matmul", lambda: bf16)
    line = speed.Comparison.of("mlp_gan", "auto", [pair(100, auto)]).line()
    assert line.startswith("| mlp_gan | auto | 100 (100 to 100) |")
    assert line.endswith(end)


def test_line_of_a_variant_without_a_goal_leaves_it_open() -> None:
    runs = speed.Pair(speed.Speed(1000, 1.0), {"fp32": speed.Speed(1_234_567, 1.0)})
    line = speed.Comparison.of("mlp_gan", "fp32", [runs]).line()
    assert "| 1,234,567 (1,234,567 to 1,234,567) | 1,234.57 " in line
    assert line.endswith("|  |  |")
    assert line.count("|") == speed.heading(speed.SPEEDS).splitlines()[1].count("|")


def test_steps_fill_the_time() -> None:
    row = speed.ROWS["mlp_wgan"]
    assert row.steps(16_000, 10) == 500
    assert row.steps(1.0, 0.1) == 1


def test_pairs_alternate_and_follow_the_warm_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[str] = []

    def theirs(self: object, name: str, seconds: float) -> object:
        called.append(f"reference {seconds:g} s")
        return speed.Speed(round(6400 * seconds), seconds)

    def ours(self: object, row: object, variant: str, steps: int) -> object:
        called.append(f"{variant} {steps}")
        return speed.Speed(64 * steps, 1 + steps / 200)  # twice as fast, after a second

    monkeypatch.setattr(speed.Bench, "reference", theirs)
    monkeypatch.setattr(speed.Bench, "ours", ours)
    pairs = list(speed.Bench(tmp_path, 2, 8.0).row("mlp_gan"))
    assert called[:3] == ["reference 2 s", "auto 200", "fp32 200"]
    assert called[3:6] == ["reference 8 s", "auto 800", "fp32 800"]
    assert called[6:] == ["fp32 1280", "auto 1280", "reference 8 s"]
    assert [pair.ratio("auto") for pair in pairs] == pytest.approx([800 / 5 / 100, 1280 / 7.4 / 100])


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (2.0, True)])
def test_figures_of_a_busy_machine_say_so(load: float, warned: bool) -> None:
    current = speed.Machine.current()
    there = replace(current, load=load)
    assert ("not to be quoted" in there.text()) == warned
    assert current.cpu
    assert set(current.flags) == {"avx512_bf16", "amx_bf16"}


# ---- The command


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "speed.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_missing_data_cost_one_line(tmp_path: Path) -> None:
    done = bench("--rows", "mlp_wgan", "--data", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert str(tmp_path / "mnist") in line
    assert "--data DIR" in line


def test_a_run_that_fails_is_reported_and_not_measured() -> None:
    with pytest.raises(SystemExit, match=r"exit status 1 of .*\n(.*\n)*ZeroDivisionError"):
        speed.run_python("-c", "1 / 0")


@pytest.mark.slow
def test_one_short_pair(real_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--rows", "mlp_wgan", "--pairs", 1, "--seconds", 0.2, "--data", real_data, "--json", file)
    assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout.splitlines()[0]
    lines = [line for line in done.stdout.splitlines() if line.startswith("| mlp_wgan |")]
    assert [line.split(" | ")[1] for line in lines] == ["auto", "fp32"]
    figures = json.loads(file.read_text())
    (only,) = figures["speeds"]["mlp_wgan"]["pairs"]
    assert only["reference"]["seconds"] >= 0.2
    assert only["ours"]["auto"]["images"] % 320 == 0
    assert figures["machine"]["cores"] >= 1
