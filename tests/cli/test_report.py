"""``gan-report``: tables over runs, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, TINY, Command
from tests.helpers.report_tables import records, table
from tests.helpers.run_directories import write_run, write_sweep


def test_seeds_are_one_row(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    rows = table(gan_report("sweep"))
    assert [(row["loss"], row["optimizer.lr"], row["seeds"]) for row in rows] == [
        ("jsd", "0.0002", "3"),
        ("jsd", "0.001", "3"),
        ("wgan", "0.0002", "3"),
        ("wgan", "0.001", "3"),
    ]
    assert rows[0]["state"] == "3 completed"
    assert rows[0]["step"] == "30"
    assert rows[0]["seconds"] == "7.5 ± 0"
    assert rows[0]["divergence/wasserstein"] == "-"


def test_mean_and_deviation_are_those_of_numpy(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    values = np.array([1.2, 1.3, 1.6])
    first = records(gan_report("--csv", "sweep"))[0]
    assert float(first["frechet/pixels"]) == pytest.approx(values.mean(), rel=1e-12)
    assert float(first["frechet/pixels std"]) == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert first["frechet/pixels n"] == "3"
    assert first["seeds"] == "0 1 2"


def test_single_run_has_no_deviation(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "run")
    (row,) = table(gan_report("run"))
    assert (row["loss"], row["dataset"]) == ("jsd", "ring8")
    assert row["divergence/jsd"] == "0.3"
    (record,) = records(gan_report("--csv", "run"))
    assert record["divergence/jsd std"] == ""


def test_each_run_a_row(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    rows = table(gan_report("--each", "sweep"))
    assert len(rows) == 12
    assert [row["seed"] for row in rows[:4]] == ["0", "1", "2", "0"]


def test_sorted_by_a_figure_the_best_first(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    done = gan_report("--sort", "frechet/pixels", "--metric", "frechet/pixels", "sweep")
    rows = table(done)
    assert [float(row["frechet/pixels"].split()[0]) for row in rows] == sorted([1.37, 2.17, 3.37, 4.17])
    assert "divergence/jsd" not in rows[0]
    assert "Lowest frechet/pixels at the end: loss=jsd, lr=0.0002, 1.37 ± 0.21; next is loss=jsd, lr=0.001" in done.out
    assert "The gap is 3.8 times the deviation over seeds." in done.out  # 0.8 / 0.2082


def test_a_figure_that_is_better_when_higher_is_sorted_so(gan_report: Command, workplace: Path) -> None:
    for number, (loss, recall) in enumerate([("jsd", 0.2), ("wgan", 0.9)]):
        write_run(workplace / "sweep" / str(number), loss=loss, figures={"metrics/recall": (0.1, recall)})
    assert [row["loss"] for row in table(gan_report("--sort", "metrics/recall", "sweep"))] == ["wgan", "jsd"]


def test_divergence_alone_calls_nothing_the_best(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", lr=1e-3)
    write_run(workplace / "b", lr=1e-4, figures={"divergence/jsd": (0.5, 0.1)})
    out = gan_report(".").out
    assert "no configuration is called the best" in out
    assert "divergence/jsd at the end: from 0.1 (lr=0.0001) to 0.3 (lr=0.001)." in out
    assert "Lowest" not in out


def test_alarms_are_listed_with_their_share_step_and_suggestion(gan_report: Command, workplace: Path) -> None:
    alarm = {"name": "mode_collapse", "step": 20, "message": "Samples look alike.", "try": "loss=wgan_gp"}
    write_run(workplace / "a", seed=0, alarms=[{**alarm, "step": 30}])
    write_run(workplace / "b", seed=1, alarms=[alarm])
    write_run(workplace / "c", seed=2)
    done = gan_report(".")
    assert table(done)[0]["alarms"] == "mode_collapse 2 of 3, step 20"
    assert "mode_collapse in 2 of 3 of loss=jsd, dataset=ring8 (from step 20). Samples look alike." in done.out
    assert "Try loss=wgan_gp." in done.out


def test_alarms_are_quoted_by_their_short_texts(gan_report: Command, workplace: Path) -> None:
    alarm = {"name": "mode_collapse", "step": 20, "message": "Long.", "try": "pac=4: D scores packs"}
    write_run(workplace / "a", alarms=[{**alarm, "evidence": "samples cover 12% of the modes", "overrides": "pac=4"}])
    out = gan_report(".").out
    assert "Samples cover 12% of the modes. Try pac=4." in out
    assert "Long" not in out


@pytest.mark.locks
def test_alarms_of_a_running_run_are_read_from_its_tags(gan_report: Command, workplace: Path) -> None:
    tags = {"divergence/jsd": (0.1, 0.6, 0.69), "diagnosis/oscillation": (0.0, 1.0, 0.0), "diagnosis/gap": (1.0, 1, 1)}
    run = write_run(workplace / "run", figures=tags, status=None)
    with RunDirectory(run).locked():
        (row,) = table(gan_report("run"))
        assert row["state"] == "running"
    (row,) = table(gan_report("run"))
    assert row["state"] == "died"
    assert row["divergence/jsd"] == "0.69"
    assert row["alarms"] == "oscillation, step 20"
    assert row["seconds"] == "6"  # 30 steps, 5 a second


def test_resumed_run_does_not_pass_for_the_completed_one_it_was(gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "run")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "divergence/jsd": 0.11}\n')
    (row,) = table(gan_report("run"))
    assert (row["state"], row["step"], row["divergence/jsd"]) == ("died", "40", "0.11")


def test_stopped_run_is_named_as_stopped(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "run", status="stopped")
    done = gan_report("run")
    (row,) = table(done)
    assert row["state"] == "stopped"
    assert "stopped by an alarm or a callback: loss=jsd, dataset=ring8, seed 0 at step 30." in done.out


def test_runs_that_did_not_complete_do_not_count_beside_those_that_did(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", seed=0)
    write_run(workplace / "b", seed=1, figures={"divergence/jsd": (0.9,)}, status=None)
    done = gan_report(".")
    (row,) = table(done)
    assert row["divergence/jsd"] == "0.3 (n=1)"
    assert row["state"] == "1 completed, 1 died"
    assert "1 run died without a summary: loss=jsd, dataset=ring8, seed 1 at step 10." in done.out


def test_real_runs_are_read(gan_train: Command, gan_report: Command) -> None:
    assert gan_train("-m", *SHORT, *TINY, "loss=jsd,wgan", "seed=0,1", "hydra.sweep.dir=sweep").status == 0
    rows = table(gan_report("sweep"))
    assert [(row["loss"], row["state"], row["step"]) for row in rows] == [
        ("jsd", "2 completed", "2"),
        ("wgan", "2 completed", "2"),
    ]
    summaries = [json.loads(file.read_text()) for file in Path("sweep").glob("*loss=wgan*/summary.json")]
    expected = np.mean([summary["final"]["divergence/wasserstein"] for summary in summaries])
    record = records(gan_report("--csv", "sweep"))[1]
    assert float(record["divergence/wasserstein"]) == pytest.approx(expected, rel=1e-12)


def test_a_seed_that_occurs_twice_is_reported(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", seed=4)
    write_run(workplace / "b", seed=4)
    assert "1 seed (4) more than once" in gan_report(".").err


def test_run_named_twice_counts_once(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a")
    assert table(gan_report(".", "a", workplace / "a"))[0]["seeds"] == "1"


@pytest.mark.parametrize("lost", ["metrics.jsonl", "samples", ".hydra/overrides.yaml", ".hydra/hydra.yaml"])
def test_any_part_but_the_configuration_may_be_missing(lost: str, gan_report: Command, workplace: Path) -> None:
    for number in range(2):
        place = write_run(workplace / str(number), lr=10.0**-number, status=None) / lost
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    done = gan_report(".")
    assert [row["optimizer.lr"] for row in table(done)] == ["0.1", "1"]
    assert done.err == ""
    assert gan_report("--html", "page.html", ".").status == 0


@pytest.mark.parametrize("name", ["summary.json", "evaluation.json", "metrics.jsonl", ".hydra/hydra.yaml"])
@pytest.mark.parametrize("left", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"status": 3, "alarms": {}, "best": [0]}'])
def test_garbled_files_cost_what_they_held(name: str, left: bytes, gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "run")
    (run / name).write_bytes(left)
    done = gan_report("run")
    assert len(table(done)) == 1
    damaged = name in ("summary.json", "evaluation.json") and not left.startswith(b'{"')
    note = f"gan-report: run/{name} is damaged: it is no JSON object; the run is shown without it\n"
    assert done.err == (note if damaged else "")


def test_foreign_folders_are_reported_in_a_line_each(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "good")
    write_run(workplace / "broken")
    (workplace / "broken" / ".hydra" / "config.yaml").write_text("a: [")
    (workplace / "foreign" / ".hydra").mkdir(parents=True)
    (workplace / "foreign" / ".hydra" / "config.yaml").write_text("db: {driver: mysql}")
    (workplace / "begun" / ".hydra").mkdir(parents=True)
    done = gan_report(".")
    assert len(table(done)) == 1
    output = done.err.splitlines()
    assert len(output) == 3
    assert any("foreign is no run of gan_cli: its configuration has no algorithm" in line for line in output)
    assert any("broken/.hydra/config.yaml cannot be read" in line for line in output)
    assert any("begun: left out" in line for line in output)


def test_mistakes_cost_one_line(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "outputs" / "run")
    (workplace / "empty").mkdir()
    (workplace / "file").touch()
    mistakes = {
        ("outptus",): "there is no folder 'outptus'. Did you mean 'outputs'?",
        ("outptus/run",): "there is no folder 'outptus/run'. Did you mean 'outputs'?",
        ("empty",): "no run in 'empty': a run directory has a .hydra/config.yaml",
        ("file",): "file: expected a folder",
        ("outputs", "--metric", "divergence/jds"): "--metric divergence/jds: no run has such a metric."
        " Did you mean 'divergence/jsd'?",
        ("outputs", "--sort", "divergence/js"): "--sort divergence/js: no run has such a metric.",
        ("outputs", "--html", "file/page.html"): "cannot write file/page.html",
    }
    for arguments, message in mistakes.items():
        done = gan_report(*arguments)
        assert done.status == 2, arguments
        assert done.err.startswith(f"gan-report: {message}")
        assert len(done.err.splitlines()) == 1
        assert done.out == ""


def test_markdown_holds_hostile_names(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", config={"name": "x|y\n| <b> `c`"})
    write_run(workplace / "b", config={"name": "z"}, figures={"metrics/recall/|\ud800": (1.0,)})
    done = gan_report(".")
    row = done.out.splitlines()[2]
    assert "x\\|y\\\\n\\| \\<b> \\`c\\`" in row
    assert "metrics/recall/\\|\\\\ud800" in done.out


def test_reading_changes_nothing(gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    gan_report("run")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_each_run_has_its_directory(gan_report: Command, workplace: Path) -> None:
    write_sweep(workplace / "sweep")
    assert [row["directory"] for row in table(gan_report("--each", "sweep"))][:3] == ["sweep/0", "sweep/1", "sweep/2"]
    assert "directory" not in table(gan_report("sweep"))[0]


def test_columns_that_few_rows_fill_are_left_out_and_named(gan_report: Command, workplace: Path) -> None:
    for number in range(4):
        figures = {f"divergence/{'jsd' if number == 3 else 'wasserstein'}": (0.5, 0.3)}
        write_run(workplace / "sweep" / str(number), lr=10.0**-number, figures=figures)
    done = gan_report("sweep")
    assert "divergence/wasserstein" in table(done)[0]
    assert "divergence/jsd" not in table(done)[0]
    assert "Left out, or in few of the rows: divergence/jsd (--all-columns shows them)." in done.out
    every = gan_report("sweep", "--all-columns")
    assert table(every)[0]["divergence/jsd"] == "0.3"
    assert "Left out" not in every.out
    assert "divergence/jsd" in table(gan_report("sweep", "--metric", "divergence/jsd"))[0]
