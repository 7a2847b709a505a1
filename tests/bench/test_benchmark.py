"""gan-bench: its count of a step's work against one by hand, and what it says of a run."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from gan_cli.bench import benchmark, hardware, limit, overhead, profiling, recording, results, trial
from gan_cli.bench.trial import StepBenchmark
from gan_cli.runtime import cuda_graphs
from tests.conftest import SHORT, TINY, Command, Finished
from tests.helpers.trials import on_trial, products

QUICK = ("--seconds", "0.05", *SHORT)
RING = (*TINY, "dataset=ring8")
PARTS = ("data", "G", "D", "optimizer", "rest")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products, few steps and a compiler that does nothing."""
    monkeypatch.setattr(hardware, "SIZES", {"cpu": (64, 128)})
    monkeypatch.setattr(overhead, "BETWEEN", 0.01)
    monkeypatch.setattr(limit, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(limit, "TURNS", 2)
    monkeypatch.setattr(torch, "compile", lambda network: network)


def measured(done: Finished) -> dict[str, Any]:
    """The JSON of a command that was asked for it on stdout."""
    assert done.status == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def rows(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["way"]: row for row in result["ways"]}


@pytest.mark.parametrize("d_steps", [1, 3])
def test_work_of_a_step_is_that_counted_by_hand(d_steps: int) -> None:
    batch, g, d = 8, [5, 7, 11, 64], [64, 13, 3, 1]
    found = recording.record(
        on_trial(
            *("dataset=digits", "architecture=mlp", "architecture.latent_dim=5", "loss=jsd"),
            *("architecture.generator_hidden=[7,11]", "architecture.discriminator_hidden=[13,3]"),
            *(f"train.batch_size={batch}", f"loss.d_steps={d_steps}"),
        )
    ).work
    first_g, first_d = products(g[:2]), products(d[:2])
    # D judges a real and a generated batch: forward, gradient of weights, and of inputs but for the first layer's.
    update_d = batch * products(g) + 2 * batch * (3 * products(d) - first_d)
    # The gradient of all of D's inputs but of none of its weights; latents have none either.
    update_g = batch * 2 * products(d) + batch * (3 * products(g) - first_g)
    assert found.flops_per_step == d_steps * update_d + update_g
    assert found.images_per_step == d_steps * batch
    assert found.flops_per_image == found.flops_per_step / (d_steps * batch)


def test_second_derivatives_are_work_too() -> None:
    plain, penalised = (
        recording.record(on_trial(*RING, *SHORT, f"loss/penalty={penalty}")).work.flops_per_step
        for penalty in ("none", "r1")
    )
    batch, d = 4, [2, 8, 1]
    # The slope goes back through all of D; its own gradient is that of all weights, and of what came to the first.
    assert penalised == plain + batch * (products(d) + products(d) + products(d[:2]))


def test_work_is_the_mean_over_steps_that_differ() -> None:
    lazy = (*RING, *SHORT, "loss/penalty=r1", "loss.penalty.r1.every=4")
    assert [on_trial(*lazy, f"loss.d_steps={steps}").period for steps in (1, 2, 3)] == [4, 2, 4]
    plain, always = (
        recording.record(on_trial(*RING, *SHORT, f"loss/penalty={penalty}")).work.flops_per_step
        for penalty in ("none", "r1")
    )
    assert recording.record(on_trial(*lazy)).work.flops_per_step == plain + (always - plain) / 4


def test_peak_memory_is_counted_or_called_unknown(monkeypatch: pytest.MonkeyPatch, gan_bench: Command) -> None:
    monkeypatch.setattr(hardware, "_peak_resident", lambda: None)
    done = gan_bench(*QUICK, *RING)
    assert done.status == 0
    assert "unknown on this system" in done.out
    assert rows(measured(gan_bench(*QUICK, *RING, "--json", "-")))["eager"]["speed"]["peak_memory"] is None
    monkeypatch.setattr(hardware, "_peak_resident", lambda: 12_300_000)
    assert "12.3 MB" in gan_bench(*QUICK, *RING).out


def test_result_is_complete_and_consistent(gan_bench: Command, workplace: Path) -> None:
    result = measured(gan_bench(*QUICK, *RING, "loss.d_steps=2", "--json", "-"))
    assert result.keys() == results.Result.__dataclass_fields__.keys()
    setting, work, peak = result["setting"], result["work"], result["peak"]
    assert setting["device"]["kind"] in ("cpu", "cuda", "mps")
    assert setting["networks"].keys() == {"generator", "discriminator"}
    assert setting["networks"]["discriminator"]["parameters"] == 2 * 8 + 8 + 8 + 1
    assert (setting["batch_size"], setting["d_steps"], work["images_per_step"]) == (4, 2, 8)
    eager = rows(result)["eager"]["speed"]
    assert eager.keys() == results.Speed.__dataclass_fields__.keys()
    rates = eager["steps_per_second"]
    assert 0 < rates["least"] <= rates["median"] <= rates["most"]
    assert eager["images_per_second"] == pytest.approx(8 * rates["median"])
    assert eager["flops_per_second"] == pytest.approx(work["flops_per_step"] * rates["median"])
    assert eager["share_of_peak"] == pytest.approx(eager["flops_per_second"] / peak["flops_per_second"])
    assert min(eager["setup_seconds"], eager["steps"], peak["flops_per_second"]) > 0
    counted = hardware.peak_memory(torch.device("cpu"))
    assert eager["peak_memory"] is None if counted is None else 0 < eager["peak_memory"] <= counted
    share = result["limit"]["share"]
    assert 0 < share["lower"] <= share["median"] <= share["upper"]
    assert result["limit"]["products"] == 2 + 2 * 5 + 9  # as counted in test_limit.py
    assert tuple(result["parts"]) == PARTS
    assert sum(part["share"] for part in result["parts"].values()) == pytest.approx(1)
    assert all(part["milliseconds"] > 0 for part in result["parts"].values())
    assert result["telemetry"].keys() == {"report", "picture", "checkpoint"}
    assert all(cost["milliseconds"] > 0 for cost in result["telemetry"].values())
    assert result["telemetry_share"] == pytest.approx(sum(cost["share"] for cost in result["telemetry"].values()))
    assert list(workplace.iterdir()) == []


def test_table_names_what_was_measured(gan_bench: Command, workplace: Path) -> None:
    done = gan_bench(*QUICK, *RING, "device.precision=fp32", "train.sample_every=0")
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines() if line]
    heads = [line[0] for line in lines]
    assert {"device", "work", "peak", "limit", "eager", "compiled", "graphed", *PARTS, "report", "checkpoint"} <= set(
        heads
    )
    assert "picture" not in heads
    assert next(line for line in lines if line[0] == "generator")[1:3] == ["ConditionalGenerator,", "826"]
    assert "measuring" in done.err
    assert list(workplace.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_graphs_are_for_cuda_only(gan_bench: Command) -> None:
    found = rows(measured(gan_bench(*QUICK, *RING, "--json", "-")))
    assert found["graphed"] == {"way": "graphed", "chosen": False, "speed": None, "reason": "CUDA only"}
    assert found["eager"]["chosen"]


def test_compiler_that_fails_is_a_row(gan_bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(network: torch.nn.Module) -> NoReturn:
        raise OSError("no compiler here\nand much more")

    monkeypatch.setattr(torch, "compile", fail)
    done = gan_bench(*QUICK, *RING, "--json", "-")
    assert rows(measured(done))["compiled"]["reason"] == "no compiler here"
    assert "compiled  no compiler here" in done.err


def test_way_that_a_run_cannot_go_is_a_row(gan_bench: Command) -> None:
    found = rows(measured(gan_bench(*QUICK, *RING, "loss/penalty=r1", "--json", "-")))
    assert found["compiled"]["speed"] is None
    assert found["compiled"]["reason"].startswith("device.compile: expected false with penalties (r1)")


def test_steps_that_could_not_be_recorded_are_no_figure() -> None:
    with (
        pytest.raises(benchmark._GraphFallbackError, match="not recorded: because"),
        benchmark._raise_on_graph_fallback(),
    ):
        cuda_graphs.logger.warning("steps run as they are, not recorded: %s", "because")


def test_waiting_for_data_is_reported(gan_bench: Command) -> None:
    streamed = measured(gan_bench(*QUICK, *TINY, "dataset=digits", "device.data=streamed", "--json", "-"))
    assert 0 <= rows(streamed)["eager"]["speed"]["data_wait"] <= 1


def test_warm_up_is_left_out(gan_bench: Command) -> None:
    result = measured(gan_bench(*QUICK, *RING, "loss=wgan", "loss.warmup.enabled=true", "--json", "-"))
    assert result["setting"]["without_warmup"]
    assert result["work"]["images_per_step"] == 5 * 4


def test_files_that_were_asked_for(gan_bench: Command, workplace: Path) -> None:
    done = gan_bench(*QUICK, *RING, "--json", "out/result.json", "--profile", "out/trace.json.gz")
    assert done.status == 0, done.err
    files = {path for path in workplace.rglob("*") if path.is_file()}
    assert files == {workplace / "out" / "result.json", workplace / "out" / "trace.json.gz"}
    assert json.loads(Path("out/result.json").read_text())["parts"].keys() == set(PARTS)
    events = json.loads(gzip.decompress(Path("out/trace.json.gz").read_bytes()))["traceEvents"]
    assert {"step", *PARTS} - {"rest"} <= {event.get("name") for event in events}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss=wgna"], "loss=wgna: no such option. Did you mean loss=wgan?"),
        (["loss/penalty=r1", "device.compile=true"], "device.compile: expected false with penalties (r1)"),
        (["train.replicas=2"], "train.replicas: expected 1, got 2"),
        (["resume=run"], "resume: expected null"),
        (["--seconds", "0"], "--seconds: expected a number > 0 and <= 86400, got 0"),
        (["--profile", "trace.txt"], "--profile: expected a name that ends in .json"),
        (["--config-dir", "nowhere"], "--config-dir: there is no folder 'nowhere'"),
    ],
)
def test_mistake_costs_one_line(arguments: list[str], message: str, gan_bench: Command, workplace: Path) -> None:
    done = gan_bench(*RING, *SHORT, *arguments)
    assert done.status == 2
    lines = [line for line in done.err.splitlines() if line.startswith("gan-bench: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in done.err
    assert list(workplace.iterdir()) == []


def test_unknown_flag_is_reported_by_the_parser(gan_bench: Command) -> None:
    done = gan_bench("--multirun", "seed=0,1")
    assert done.status == 2
    assert "'--multirun': gan-bench takes no such argument" in done.err


def test_options_of_ones_own_are_measured_too(gan_bench: Command, workplace: Path) -> None:
    (workplace / "mine" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\ndefaults:\n  - override /dataset: ring8\nloss:\n  d_steps: 3\n"
    (workplace / "mine" / "experiment" / "three.yaml").write_text(recipe)
    result = measured(gan_bench(*QUICK, "--config-dir", "mine", "experiment=three", "--json", "-"))
    assert result["work"]["images_per_step"] == 3 * 4
    done = gan_bench(*QUICK, "experiment=three")
    assert done.status == 2
    assert "experiment=three: no such option." in done.err


def test_dry_run_measures_nothing(gan_bench: Command) -> None:
    done = gan_bench(*RING, *SHORT, "dry_run=true")
    assert done.status == 0
    assert "parameters" in done.out
    assert "eager" not in done.out


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_answers_without_importing_torch(flag: str) -> None:
    code = "import sys; sys.modules['torch'] = None; from gan_cli.cli.bench import main; main()"
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_stopwatch_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0])
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: next(clock))
    stopwatch = profiling.PartTimer(lambda: None)
    with stopwatch("D"), stopwatch("G"):
        pass
    with stopwatch("G"):
        pass
    # rest: 0-1, 10-15; D: 1-3, 6-10; G: 3-6, 15-21
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: 21.5)
    found = stopwatch.read()
    assert found == {"D": 6.0, "G": 9.0, "rest": 6.5}
    assert tuple(found)[-1] == "rest"


def test_costs_are_shares_of_what_goes_by() -> None:
    found = results.costs({"report": 0.5, "picture": 9.0}, {"report": 10, "picture": 0}, step_seconds=0.95)
    assert found == {"report": results.Cost(500.0, 10, pytest.approx(0.05))}


def test_steps_are_timed_in_whole_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    on = on_trial(*RING, *SHORT, "loss/penalty=r1", "loss.penalty.r1.every=3")
    assert on.step == on.setup_steps == 9
    timed: list[int] = []
    original: Callable[[StepBenchmark, int], float] = StepBenchmark.time_steps
    monkeypatch.setattr(StepBenchmark, "time_steps", lambda self, steps: timed.append(steps) or original(self, steps))
    pace = on.measure(0.02)
    assert pace.steps == sum(timed[-trial.BLOCKS :])
    assert all(steps % 3 == 0 for steps in timed)


@pytest.mark.gpu
def test_recorded_steps_have_figures(gan_bench: Command) -> None:
    found = rows(measured(gan_bench(*QUICK, *RING, "device=cuda", "--json", "-")))
    assert found["graphed"]["chosen"]
    assert found["graphed"]["speed"]["steps_per_second"]["median"] > 0
    assert found["graphed"]["speed"]["peak_memory"] > 0
