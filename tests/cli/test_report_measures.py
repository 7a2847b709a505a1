"""``gan-report``: what was measured, how, and which of it can be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_cli.report.loading import read_run
from tests.conftest import Command
from tests.helpers.report_tables import records, table
from tests.helpers.run_directories import write_run


def write_evaluation(run: Path, value: float, generated: int, **more: object) -> None:
    figures = {"frechet/pixels": {"value": value, "floor": 0.1, "better": "lower", "what": "a distance"}}
    provenance = {"samples": {"generated": generated}, "seed": 0, "generator": {"step": 30, "ema": True}, **more}
    (run / "evaluation.json").write_text(json.dumps({"figures": figures, **provenance}))


def test_only_measured_metrics_have_a_best(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "run", figures={"divergence/jsd": (0.001, 0.3), "metrics/recall": (0.5, 0.2)})
    (row,) = table(gan_report("run"))
    assert row["best metrics/recall"] == "0.5"
    assert "best divergence/jsd" not in row
    (record,) = records(gan_report("--csv", "run"))
    assert "metrics/recall best" in record
    assert "divergence/jsd best" not in record


def test_conditions_of_measurement_are_stated(gan_report: Command, workplace: Path) -> None:
    for number in range(2):
        write_evaluation(write_run(workplace / str(number), lr=10.0**-number), 1.0 + number, 500)
    out = gan_report(".").out
    assert "frechet/pixels: measured by gan-eval with 500 samples, seed 0, moving average." in out
    assert "Not measured alike" not in out


def test_runs_measured_with_different_options_are_not_compared_silently(gan_report: Command, workplace: Path) -> None:
    for number, generated in enumerate((500, 500, 1000)):
        write_evaluation(write_run(workplace / str(number), lr=10.0**-number), 1.0 + number, generated)
    expected = "Not measured alike, and so not to be compared: samples 500 (2 runs), 1,000 (1 run)."
    assert expected in gan_report(".").out
    assert gan_report("--html", "page.html", ".").status == 0
    assert expected in (workplace / "page.html").read_text()


def test_a_run_trained_on_since_it_was_measured_is_named(gan_report: Command, workplace: Path) -> None:
    write_evaluation(write_run(workplace / "run"), 1.0, 500, generator={"step": 20, "ema": True})
    assert "Measured before the last step: run at step 20 of 30." in gan_report("run").out


def test_a_doubtful_backbone_is_named(gan_report: Command, workplace: Path) -> None:
    backbones = {"pixels": {"caution": "knows nothing"}}
    write_evaluation(write_run(workplace / "run"), 1.0, 500, backbones=backbones)
    assert "Metrics of the backbone pixels say little here: pixels knows nothing." in gan_report("run").out


@pytest.mark.parametrize("provenance", [{"samples": 3}, {"generator": {"step": "x", "ema": [1]}}, {"backbones": [1]}])
def test_damaged_provenance_costs_what_it_held(
    provenance: dict[str, object], gan_report: Command, workplace: Path
) -> None:
    write_evaluation(write_run(workplace / "run"), 1.0, 500, **provenance)
    assert table(gan_report("run"))[0]["frechet/pixels"] == "1"


def test_a_metric_that_was_not_measured_names_the_command_that_measures_it(
    gan_report: Command, workplace: Path
) -> None:
    write_run(workplace / "run")
    done = gan_report("run", "--metric", "frechet/pixels")
    assert done.err == "gan-report: --metric frechet/pixels: no run has such a metric. gan-eval PATH... measures it.\n"


@pytest.mark.parametrize(("loss", "name"), [("hinge", "total_variation"), ("r3gan", "relativistic")])
def test_divergence_is_not_mistaken_for_its_ceiling_or_its_held_out_value(
    loss: str, name: str, workplace: Path
) -> None:
    tags = {"divergence/ceiling": (1.0,), f"divergence/{name}_held_out": (0.1,), f"divergence/{name}": (0.2,)}
    write_run(workplace / "run", figures=tags, overrides=(f"loss={loss}",))
    assert read_run(workplace / "run", "run").divergence == name
