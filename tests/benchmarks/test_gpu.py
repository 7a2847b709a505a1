"""The command for a GPU: steps within a budget, steps that are killed, findings, goals, the page, and a dry run."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.formatting import Spread
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import device_tests, findings, goals, memory, page, parity, processes, runs, steps, summary, wheels
from benchmarks.gpu.findings import Finding, Findings
from benchmarks.gpu.goals import GOALS, NOT_MEASURED
from benchmarks.gpu.probes import numerics
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.speed import rates
from benchmarks.gpu.speed.plain_loop import PlainLoop
from benchmarks.gpu.speed.ways import load
from benchmarks.gpu.speed.workloads import WORKLOADS
from gan_cli.errors import ConfigError
from tests.helpers.paths import ROOT
from tests.pretended_gpu import library

DOCS = (ROOT / "docs" / "performance.md").read_text()


@pytest.fixture
def dry(tmp_path: Path) -> Setting:
    """The setting of a dry run that writes into the test's folder."""
    return Setting(tmp_path, "cpu", tiny=True)


def found(*all_findings: Finding) -> dict[tuple[str, str], Finding]:
    return {(finding.step, finding.name): finding for finding in all_findings}


# ---- Steps and their budget


def test_steps_are_chosen_by_name_in_the_order_of_their_value() -> None:
    assert [step.name for step in steps.choose(["speed_mlp", "facts"])] == ["facts", "speed_mlp"]
    assert steps.choose(None) == list(steps.STEPS)
    assert len(set(steps.NAMES)) == len(steps.STEPS)
    names = [step.name for step in steps.STEPS]
    assert max(map(names.index, ("tests", "probes", "parity"))) < names.index("speed_dcgan"), "right before fast"


def test_budget_cuts_off_what_a_step_may_take_and_leaves_out_what_has_no_time() -> None:
    budget, step = steps.Budget(100.0), steps.Step("", "", 60, "")
    assert budget.limit(step, 0.0) == 60
    assert budget.limit(step, 70.0) == 30 - steps.RESERVE
    assert budget.limit(step, 100 - steps.RESERVE - steps.SHORTEST) == steps.SHORTEST
    assert budget.limit(step, 100 - steps.RESERVE - steps.SHORTEST + 0.1) is None
    assert steps.Budget(1000.0, patience=4.0).limit(step, 0.0) == 240


def test_every_step_is_a_module() -> None:
    for step in steps.STEPS:
        place = ROOT / "benchmarks" / "gpu" / step.module
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()
        assert step.command("python", ["--tiny"])[1:4] == ["-m", f"benchmarks.gpu.{step.module}", "--tiny"]
    speeds = [name for step in steps.STEPS if step.module == "speed" for name in step.arguments if name[0] != "-"]
    assert set(speeds) == set(WORKLOADS)


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "gpu").rglob("*.py")), ids=lambda file: file.stem)
def test_every_module_can_be_imported(file: Path) -> None:
    importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def test_steps_see_this_checkout_and_nothing_of_a_test_run_around_them() -> None:
    inherited = {"PYTEST_XDIST_WORKER": "gw0", "PYTHONPATH": "elsewhere", "HOME": "home"}
    made = steps.environment(inherited, "data", "checkout")
    assert made["PYTHONPATH"] == "checkout:elsewhere"
    assert (made["GAN_DATA"], made["HOME"]) == ("data", "home")
    assert "PYTEST_XDIST_WORKER" not in made


# ---- Processes


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_process_is_killed_at_its_limit_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"echo said before; sleep 60 & echo $! > {tmp_path}/pid; wait"
    ended = processes.run(["sh", "-c", script], 0.5, tmp_path / "log")
    assert ended.status == processes.AT_LIMIT
    assert ended.text == "ended at its limit"
    assert 0.5 <= ended.seconds < 10
    assert (tmp_path / "log").read_text() == "said before\n"
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(child)


def test_process_that_ends_by_itself_has_its_status(tmp_path: Path) -> None:
    assert processes.run(["true"], 10, tmp_path / "log").text == "done"
    assert processes.run(["sh", "-c", "exit 7"], 10, tmp_path / "log", own_group=False).text == "exit status 7"


def test_steps_that_fail_or_have_no_time_are_findings(dry: Setting) -> None:
    missing = steps.Step("missing", "", 30, "no_such_step")
    command.run_step(missing, steps.Budget(100.0), time.monotonic(), dry)
    command.run_step(missing, steps.Budget(100.0), time.monotonic() - 99, dry)
    first, second = (dry.out / findings.RESULTS).read_text().splitlines()
    assert json.loads(first)["values"]["status"] == "exit status 1"
    assert json.loads(second)["values"]["status"] == "left out for want of time"
    assert "no_such_step" in (dry.out / "missing.log").read_text()


# ---- Findings


def test_findings_are_on_disk_at_once_and_the_latest_of_a_name_counts(tmp_path: Path) -> None:
    of_probes = Findings(tmp_path, "probes")
    of_probes.add("first", False, {"share": 0.5})
    of_probes.add("first", True, {"share": 0.25})
    of_probes.add("second", error="RuntimeError: no")
    with (tmp_path / findings.RESULTS).open("a") as file:
        file.write('{"step": "probes", "name": "killed in the mid')
    read = findings.read(tmp_path)
    assert list(read) == [("probes", "first"), ("probes", "second")]
    assert read["probes", "first"] == Finding("probes", "first", True, {"share": 0.25})
    assert findings.read(tmp_path / "elsewhere") == {}


def test_error_is_a_finding_and_what_follows_runs(tmp_path: Path) -> None:
    of_probes = Findings(tmp_path, "probes")
    with of_probes.keep_error("broken"):
        raise RuntimeError("CUDA error: no\nmore lines")
    of_probes.add("next", True)
    broken, following = findings.read(tmp_path).values()
    assert (broken.right, broken.error) == (False, "RuntimeError: CUDA error: no")
    assert following.right


# ---- Goals, summary, page


def cells(goal: goals.Goal, *all_findings: Finding) -> str:
    return goal.measured(found(*all_findings))


def goal_named(beginning: str) -> goals.Goal:
    (goal,) = (goal for goal in GOALS if goal.work.startswith(beginning))
    return goal


def test_every_goal_is_not_measured_at_first_and_has_a_command_of_existing_steps() -> None:
    for goal in GOALS:
        assert cells(goal) == NOT_MEASURED
        assert set(goal.steps) <= set(steps.NAMES)
        assert goal.command == f'make gpu ARGS="--only {" ".join(goal.steps)}"'


def test_verdicts_count_what_is_right_and_name_what_is_wrong() -> None:
    right, unknown = Finding("probes", "a", True), Finding("probes", "b", None)
    assert cells(goal_named("probes"), right, unknown) == "1 of 1 right"
    wrong = Finding("probes", "c", False)
    assert cells(goal_named("probes"), right, unknown, wrong) == "1 of 2 right; wrong: c"
    killed = Finding("steps", "probes", False, {"status": "ended at its limit"})
    assert cells(goal_named("probes"), right, killed) == "1 of 1 right; ended at its limit"
    elsewhere = Finding("probes", "resumed_elsewhere: points", True)
    assert cells(goal_named("resumed"), right, wrong, elsewhere) == "1 of 1 right"
    passed, skipped, end = (Finding("tests", name, right) for name, right in (("x", True), ("y", None), ("end", True)))
    assert cells(goal_named("`pytest"), passed, skipped, end) == "1 of 1 pass, 1 skipped"


@pytest.mark.parametrize(
    ("middle", "verdict"), [(60e3, "misses 65,000"), (65e3, "reaches 65,000"), (9e4, "reaches 80,000")]
)
def test_rates_are_compared_with_the_thresholds_and_the_limit_of_the_card(middle: float, verdict: str) -> None:
    rate = {"median": middle, "low": middle - 1, "high": middle + 1}
    measured = Finding("speed", "dcgan64_b128: recorded", None, {"rate": rate, "unit": "images/s", "step_ms": 1.0})
    limit = Finding("speed", "dcgan64_b128: limit", None, {"share": 0.5})
    text = cells(goal_named("DCGAN-64, batch 128"), measured, limit)
    assert text == f"{Spread(**rate).text(0)} images/s, 50% of the limit: {verdict}"


def test_ratios_and_waiting_are_taken_from_their_ways() -> None:
    spread = {"median": 5.0, "low": 4.0, "high": 6.0}
    recorded = Finding("speed", "mlp_wgan: recorded", None, {"to_plain": spread})
    assert cells(goal_named("the same"), recorded) == "5.0 (4.0 to 6.0) times: reaches 4"
    streamed = Finding("speed", "dcgan64_b128: recorded, streamed", None, {"data_wait": 0.03})
    assert cells(goal_named("waiting"), streamed) == "3.00%: missed"


def measured_everything() -> dict[tuple[str, str], Finding]:
    rate = {"median": 1234.5, "low": 1000.0, "high": 2000.0}
    values = {"rate": rate, "unit": "images/s", "step_ms": 0.5, "to_plain": rate, "kernels": 200.0, "precision": "bf16"}
    return found(
        Finding(
            "invocation", "machine", None, {"command": "python -m benchmarks.gpu", "day": "2026-01-31", "tiny": False}
        ),
        Finding("facts", "card", None, {"name": "H200", "driver_version": "580"}),
        Finding("facts", "versions", None, {"torch": "2.11", "cuda": "13.0", "python": "3.12"}),
        Finding("facts", "products_bf16", None, {"tflops": 780.0}),
        Finding("steps", "facts", True, {"status": "done", "seconds": 3.0}),
        Finding("speed", "mlp_wgan: recorded", None, values),
        Finding("probes", "streamed", False, {}, "RuntimeError: no"),
    )


def test_summary_has_goals_speeds_machine_steps_and_what_is_wrong() -> None:
    text = summary.summary(measured_everything())
    assert "| mlp_wgan | recorded | 1,234 (1,000 to 2,000) images/s | 0.500 |" in text
    assert "H200 (driver 580), torch 2.11 for CUDA 13.0, Python 3.12; 2026-01-31, `python -m benchmarks.gpu`." in text
    assert "780 TFLOP/s in bf16" in text
    assert "| facts | done | 3.0 |" in text
    assert "- probes: streamed: RuntimeError: no" in text
    assert "done" not in summary.section(measured_everything()), "the page has no use for it"


def test_section_of_the_page_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(DOCS)
    with (tmp_path / findings.RESULTS).open("w") as file:
        for each in measured_everything().values():
            file.write(json.dumps(vars(each)) + "\n")
    command.write_page(tmp_path, tmp_path / "page.md")
    written = (tmp_path / "page.md").read_text()
    assert page.section_of(written) == summary.section(measured_everything())
    assert page.with_section(written, page.section_of(DOCS)) == DOCS


def test_page_without_its_markers_is_rejected() -> None:
    for text in ("", page.BEGIN, f"{page.END}\n{page.BEGIN}", DOCS + page.BEGIN):
        with pytest.raises(ConfigError, match="the page has to have the lines"):
            page.with_section(text, "")


def test_docs_have_the_goals_as_they_are() -> None:
    lines = page.section_of(DOCS).split("\n\n")[0].splitlines()[2:]
    listed = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [(row[0], row[1], row[3]) for row in listed] == [
        (goal.work, goal.goal, f"`{goal.command}`") for goal in GOALS
    ]


def test_results_of_tiny_sizes_never_get_into_the_page(tmp_path: Path) -> None:
    Findings(tmp_path, "invocation").add("machine", values={"tiny": True})
    with pytest.raises(ConfigError, match="tiny sizes"):
        command.write_page(tmp_path, tmp_path / "page.md")
    with pytest.raises(ConfigError, match=r"no results\.jsonl"):
        command.write_page(tmp_path / "elsewhere", tmp_path / "page.md")


# ---- The command line

Refuse = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """``refused(*ARGUMENTS)``: the one line that the command prints before it exits with status 2."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
        with pytest.raises(SystemExit) as left:
            command.main()
        assert left.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("python -m benchmarks.gpu: ")

    return run


def test_mistakes_cost_one_line(
    refused: Refuse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert refused("--only", "spead_mlp").startswith("--only: no step 'spead_mlp'. Did you mean 'speed_mlp'?")
    assert refused("--dry", "--budget", "0") == "--budget: expected a number > 0, got 0"
    Findings(tmp_path, "invocation").add("machine", values={"tiny": False})
    capsys.readouterr()
    assert (
        refused("--dry", "--out", str(tmp_path))
        == f"--out: {tmp_path} has results of full sizes; choose another folder"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "sees no CUDA device here; --dry tries everything on the CPU" in refused()
    monkeypatch.setattr(command, "NEEDED", ("torch", "no_such_package"))
    assert f"{sys.executable} has no no_such_package; " in refused("--dry")


def test_dry_runs_are_tiny_and_patient(tmp_path: Path) -> None:
    arguments = argparse.Namespace(out=tmp_path, dry=True, tiny=False, patience=None)
    assert command.setting_of(arguments) == Setting(tmp_path, "cpu", True, command.PATIENCE_OF_A_CPU)
    arguments = argparse.Namespace(out=tmp_path, dry=False, tiny=True, patience=None)
    setting = command.setting_of(arguments)
    assert setting == Setting(tmp_path, "cuda", True, 1.0)
    parser = argparse.ArgumentParser()
    Setting.add_options(parser)
    assert Setting.of(parser.parse_args(setting.arguments)) == setting


# ---- What the steps run, in full sizes: a dry run has tiny ones

CONFIGURATIONS: Mapping[str, tuple[str, ...]] = {
    **{f"parity {name}": overrides for name, overrides in parity.CONFIGURATIONS.items()},
    **{f"against the CPU {name}": overrides for name, overrides in numerics.AGAINST_CPU.items()},
    **{f"memory {name}": overrides for name, overrides in memory.ROWS.items()},
    **{f"speed {name}": workload.overrides for name, workload in WORKLOADS.items()},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_are_valid(name: str, tmp_path: Path) -> None:
    assert runs.plan(Setting(tmp_path, "cpu"), CONFIGURATIONS[name]).config.train.batch_size > 0


def test_as_many_configurations_as_the_page_says() -> None:
    assert len(parity.CONFIGURATIONS) == 12
    assert len(parity.RESUMED) == 4
    assert set(parity.RESUMED) <= set(parity.CONFIGURATIONS)


def test_tests_for_a_gpu_are_found_by_their_marker() -> None:
    listed = device_tests.files()
    assert "tests/runtime/test_cuda_graphs.py" in listed
    assert all("mark.gpu" in (ROOT / file).read_text() for file in listed)
    others = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")} - set(listed)
    assert not [file for file in others if "marks=pytest.mark.gpu" in (ROOT / file).read_text()]


# ---- What the steps compute


def test_metrics_of_two_runs_are_compared_by_their_size() -> None:
    def compared(first: float, second: float) -> parity.Difference:
        return parity.compare_metrics({("run", 5, "loss/d"): first}, {("run", 5, "loss/d"): second})

    assert compared(1.0, 1.0) == parity.Difference(0.0, "", 1)
    assert compared(math.nan, math.nan).worst == 0
    assert compared(math.inf, 1.0).worst == math.inf
    assert compared(1.0, 1.1).worst == pytest.approx(0.1 / 1.1)
    assert compared(1.0, 1.1).place == "loss/d at step 5"
    assert compared(0.0, 1e-4).worst == pytest.approx(1e-2), "small metrics count by the floor"
    lone = parity.compare_metrics({("run", 5, "a"): 1.0}, {("run", 5, "b"): 1.0})
    assert lone.worst == math.inf


def test_metrics_are_read_without_times(tmp_path: Path) -> None:
    (tmp_path / "seed_0").mkdir()
    line = {"step": 5, "time": 1.5, "loss/d": 0.5, "speed/steps_per_second": 3.0, "metrics/frechet": 1.0}
    (tmp_path / "seed_0" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert parity.read_metrics(tmp_path) == {("seed_0", 5, "loss/d"): 0.5}


def test_growth_is_that_of_a_line_through_the_readings_after_the_first_fifth() -> None:
    def readings(held: Callable[[int], float]) -> list[memory.Reading]:
        return [memory.Reading(step, held(step), 7.0, 7.0) for step in range(100, 1100, 100)]

    assert memory.growth(readings(lambda step: 50.0 if step > 150 else 0.0), "resident") == pytest.approx(0)
    assert memory.growth(readings(lambda step: step / 100), "resident") == pytest.approx(8)
    assert memory.growth(readings(float), "reserved") == pytest.approx(0)


class Clocked:
    """A way whose steps take a time on a clock that no real one is needed for."""

    def __init__(self, clock: list[float], log: list[str], name: str, seconds: float, units: float) -> None:
        self.clock, self.log, self.name, self.seconds, self.units_per_step = clock, log, name, seconds, units

    def advance(self, count: int) -> None:
        self.clock[0] += count * self.seconds
        self.log.append(self.name)


def test_ways_are_timed_in_turns_and_compared_round_by_round() -> None:
    clock, log = [0.0], list[str]()
    ways = {"a": Clocked(clock, log, "a", 0.5, 10.0), "b": Clocked(clock, log, "b", 0.25, 1.0)}

    def timed(act: Callable[[], object]) -> float:
        start = clock[0]
        act()
        return clock[0] - start

    measured = rates.measure(ways, timed, rates.Protocol(rounds=3, block=2.0))
    assert log[-6:] == ["a", "b", "b", "a", "a", "b"]
    assert measured.per_second("a") == Spread(20.0, 20.0, 20.0)
    assert measured.step_ms("b") == 250
    assert measured.ratio("a", "b").median == 5


@pytest.mark.parametrize("name", ["mlp_wgan", "ring8"])
def test_plain_loop_trains_both_networks(name: str, dry: Setting) -> None:
    workload = WORKLOADS[name]
    plan = runs.plan(dry, (*workload.options(dry), "train.batch_size=4"))
    loop = PlainLoop(plan, workload, load(workload, dry), reads_losses=True)
    before = [runs.weights(network) for network in (loop.generator, loop.discriminator)]
    loop.advance(2)
    for start, network in zip(before, (loop.generator, loop.discriminator), strict=True):
        assert not torch.equal(runs.weights(network), start)
    if name == "mlp_wgan":
        assert max(float(value.detach().abs().max()) for value in loop.discriminator.parameters()) <= 0.01 + 1e-6
        assert loop.units_per_step == 4 * 5


def test_numbers_drawn_on_the_host_are_those_of_the_stream(dry: Setting) -> None:
    def first_weights() -> torch.Tensor:
        algorithm = runs.assemble(dry, *CONFIGURATIONS["against the CPU mlp"])
        runs.advance(algorithm, range(2))
        return runs.weights(*numerics.networks(algorithm))

    plain = first_weights()
    with numerics.drawing_on_the_host():
        assert torch.equal(first_weights(), plain)
    assert torch.equal(first_weights(), plain)


# ---- Wheels


def test_wheels_are_of_pinned_versions_for_the_other_machine(tmp_path: Path) -> None:
    download, build = wheels.commands(["hydra-core", "antlr4-python3-runtime==4.9.3"], "3.12", tmp_path)
    assert download[-1] == "hydra-core"
    assert download[download.index("--python-version") + 1] == "3.12"
    assert build[-1] == "antlr4-python3-runtime==4.9.3"
    for line in (download, build):
        assert line[line.index("-c") + 1] == str(ROOT / "constraints.txt")
        assert "--no-deps" in line


def test_wheels_that_are_not_for_every_machine_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old-1-py3-none-any.whl").touch()

    def pip(line: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        for name in ("pure-1-py3-none-any.whl", "native-1-cp312-cp312-linux_x86_64.whl"):
            (tmp_path / name).touch()
        return subprocess.CompletedProcess(line, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(ConfigError, match=r"not pure Python.*: native-1"):
        wheels.collect(["pure"], "3.12", tmp_path)
    assert not (tmp_path / "old-1-py3-none-any.whl").exists()


# ---- Everything at once


def run_command(folder: Path, *arguments: str, path: str = "") -> Mapping[tuple[str, str], Finding]:
    """Run the command; its findings."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)]))}
    line = [sys.executable, "-m", "benchmarks.gpu", "--out", str(folder), "--budget", "1500", *arguments]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith((folder / "summary.md").read_text() + "\n")
    return findings.read(folder)


def wrong(all_findings: Mapping[tuple[str, str], Finding]) -> Iterator[str]:
    for finding in all_findings.values():
        if finding.right is False or finding.error:
            yield f"{finding.step}: {finding.name}: {finding.error or finding.values}"


@pytest.mark.slow
def test_dry_run_tries_every_step(tmp_path: Path) -> None:
    everything = run_command(tmp_path, "--dry")
    assert not list(wrong(everything))
    assert {name for step, name in everything if step == "steps"} == set(steps.NAMES)
    assert not [goal.work for goal in GOALS if goal.measured(everything) == NOT_MEASURED]


@pytest.mark.slow
def test_every_loss_and_family_is_compared_with_the_cpu(tmp_path: Path) -> None:
    answers = list(numerics.against_cpu(Setting(tmp_path, "cpu")))
    assert len(answers) == len(numerics.AGAINST_CPU)
    assert [answer.name for answer in answers if not answer.right or answer.values["off"] > 0] == []


PRETENDED = """
import sys
sys.path.insert(0, {root!r})
from tests.pretended_gpu.device import PretendedDevice
from tests.pretended_gpu.library import compiled
PretendedDevice(compiled())
import torch
torch.cuda.memory_allocated = torch.cuda.memory_reserved = lambda *_: 0
"""


@pytest.mark.slow
@pytest.mark.skipif(library.why_not() is not None, reason=str(library.why_not()))
def test_steps_run_on_a_pretended_gpu(tmp_path: Path) -> None:
    """Not the dry ways: steps are captured and replayed, and kernels counted."""
    (tmp_path / "sitecustomize.py").write_text(PRETENDED.format(root=str(ROOT)))
    chosen = ("facts", "parity", "speed_mlp", "memory")
    everything = run_command(tmp_path, "--tiny", "--patience", "8", "--only", *chosen, path=str(tmp_path))
    assert not list(wrong(everything))
    assert everything["facts", "card"].values["name"] == "pretended"
    assert everything["speed", "mlp_wgan: recorded"].values["replay_ms"] is not None, "no step was captured"
