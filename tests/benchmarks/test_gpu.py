"""The command for a GPU: steps within a budget, steps that are killed, findings, wheels, and a dry run."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import device_tests, findings, memory, parity, processes, runs, steps, wheels
from benchmarks.gpu.findings import Finding, Findings
from benchmarks.gpu.goals import GOALS, NOT_MEASURED
from benchmarks.gpu.probes import numerics
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.speed.workloads import WORKLOADS
from gan_cli.errors import ConfigError
from tests.helpers.paths import ROOT
from tests.pretended_gpu import library


@pytest.fixture
def dry(tmp_path: Path) -> Setting:
    """The setting of a dry run that writes into the test's folder."""
    return Setting(tmp_path, "cpu", tiny=True)


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
