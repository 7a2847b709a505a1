"""Goals of the command for a GPU, its summary, and the section of docs/performance.md that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.formatting import Spread
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import findings, goals, page, steps, summary
from benchmarks.gpu.findings import Finding, Findings
from benchmarks.gpu.goals import GOALS, NOT_MEASURED
from gan_cli.errors import ConfigError
from tests.helpers.paths import ROOT

DOCS = (ROOT / "docs" / "performance.md").read_text()


def found(*all_findings: Finding) -> dict[tuple[str, str], Finding]:
    return {(finding.step, finding.name): finding for finding in all_findings}


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
