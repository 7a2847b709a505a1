"""Trackers with the libraries themselves, offline or on this machine: what is in their stores, and how they fail."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

# An alarm is raised at the first report.
ALARM = ("diagnostics.discriminator_too_weak.patience=1", "diagnostics.discriminator_too_weak.auc=1")
ALARM = (*ALARM, "diagnostics.discriminator_too_weak.neighbours=0")
EVERY = ("train.log_every=1", "train.sample_every=3", "train.checkpoint_every=2", "train.eval_every=3")
RUN = ("dataset=ring8", "device.threads=1", "optimizer/decay=none", "train.steps=6", "evaluation.samples=100")
RUN = (*RUN, *EVERY, *ALARM, "hydra.run.dir=run")
NAME = "discriminator_too_weak"


def needs(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"needs {package}: pip install 'gan-cli[{package}]'")


def gan_train(folder: Path, *overrides: str, **environment: str) -> str:
    """Run the command as a process of its own, without a login, and return its console."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_"))}
    own = {"PYTHONPATH": str(ROOT), "HOME": str(home), "TRACKIO_DIR": str(folder / "trackio")}
    done = subprocess.run(
        [sys.executable, "-m", "gan_cli", *overrides],
        cwd=folder,
        env={**kept, **own, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def forget_last_checkpoint(folder: Path) -> None:
    """Leave the run as a crash after step 6 would that has lost the checkpoint of that step."""
    for name in ("step_00000006.pt", "last.pt"):
        (folder / "run" / "checkpoints" / name).unlink()


def logged(folder: Path, tag: str) -> dict[int, float]:
    """Step -> value of a tag in metrics.jsonl."""
    found = map(json.loads, (folder / "run" / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line[tag] for line in found if tag in line}


# Weights & Biases


def wandb_records(folder: Path) -> Iterator[tuple[str, Any]]:
    """Kind and content of the records in the offline files of a run, in their order (records of LevelDB's log)."""
    from wandb.proto import wandb_internal_pb2

    for file in sorted((folder / "run" / "wandb").glob("offline-run-*/*.wandb")):
        content, at, record = file.read_bytes(), 7, b""
        while at + 7 <= len(content):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            _, length, kind = struct.unpack("<IHB", content[at : at + 7])
            record += content[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # whole, or its last part
                message = wandb_internal_pb2.Record.FromString(record)
                record = b""
                name = message.WhichOneof("record_type")
                yield name, getattr(message, name)


def wandb_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's history, by tag."""
    histories = (content for kind, content in wandb_records(folder) if kind == "history")
    return [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}
        for history in histories
    ]


def wandb_curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(row["_step"], row[tag]) for row in wandb_rows(folder) if tag in row]


def test_wandb_has_all_of_a_run_and_of_its_resume_once(tmp_path: Path) -> None:
    needs("wandb")
    offline = ("logger=wandb", "logger.wandb.mode=offline", "logger.wandb.tags=[a,b]")
    console = gan_train(tmp_path, *RUN, *offline)
    assert "wandb: wandb sync run/wandb/offline-run-" in console
    assert wandb_curve(tmp_path, "loss/d") == list(logged(tmp_path, "loss/d").items())
    forget_last_checkpoint(tmp_path)
    gan_train(tmp_path, "resume=run", "train.steps=8")
    assert wandb_curve(tmp_path, "loss/d") == list(logged(tmp_path, "loss/d").items())
    assert [step for step, _ in wandb_curve(tmp_path, "loss/d")] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert wandb_curve(tmp_path, "metrics/modes") == list(logged(tmp_path, "metrics/modes").items())
    pictures = [row["_step"] for row in wandb_rows(tmp_path) if row.get("samples/_type") == "image-file"]
    assert pictures == [0, 3, 6, 8]
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*/files/media/images/samples_*.png"))) == 4
    bins = [row["d_fake/histogram/values"] for row in wandb_rows(tmp_path) if "d_fake/histogram/values" in row]
    assert len(bins) == 8
    assert {sum(each) for each in bins} == {256}

    records = list(wandb_records(tmp_path))
    runs = [content for kind, content in records if kind == "run"]
    assert {run.run_id for run in runs} == {
        json.loads((tmp_path / "run/loggers.json").read_text())["wandb"]["identity"]
    }
    assert (runs[0].display_name, runs[0].project, list(runs[0].tags)) == ("run", "gan_cli", ["a", "b"])
    config = {
        item.key or ".".join(item.nested_key): json.loads(item.value_json)
        for kind, content in records
        if kind == "config"
        for item in content.update
    }
    assert (config["train.steps"], config["dataset.modes"]) == (8, 8)
    (alert,) = [content for kind, content in records if kind == "alert"]
    assert alert.title == f"{NAME} at step 1"
    assert "Try " in alert.text
    assert [content.exit_code for kind, content in records if kind == "exit"] == [0, 0]


def test_wandb_without_a_login_asks_for_none_and_costs_a_line(tmp_path: Path) -> None:
    needs("wandb")
    console = gan_train(tmp_path, *RUN, "logger=wandb")
    (line,) = [line for line in console.splitlines() if "wandb" in line]
    reason = "no login: `wandb login` stores one, logger.wandb.mode=offline takes none"
    assert line == f"logger=wandb: {reason}: the run goes on without it"


@pytest.mark.posix
def test_wandb_asks_for_no_login_in_a_terminal(tmp_path: Path) -> None:
    needs("wandb")
    import pty

    main, worker = pty.openpty()  # nothing is ever typed: a question would wait for good
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_cli", *RUN, "logger=wandb"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stdin=worker,
        stdout=worker,
        stderr=worker,
    )
    os.close(worker)
    shown = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:  # Linux: the process has closed it
            break
        if not part:
            break
        shown += part
    os.close(main)
    assert process.wait(120) == 0
    assert b"no login" in shown
    assert b"API key" not in shown


def test_wandb_without_a_network_costs_a_line(tmp_path: Path) -> None:
    needs("wandb")
    unreachable = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    console = gan_train(tmp_path, *RUN, "logger=[wandb,csv]", **unreachable)
    (line,) = [line for line in console.splitlines() if "logger=wandb" in line]
    assert line.startswith("logger=wandb: ")
    assert line.endswith(": the run goes on without it")
    assert "Traceback" not in console
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 9


# MLflow


@pytest.mark.parametrize("store", ["sqlite", "file"])
def test_mlflow_has_all_of_a_run_and_of_its_resume_once(store: str, tmp_path: Path) -> None:
    needs("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db" if store == "sqlite" else (tmp_path / "mlruns").as_uri()
    allowed = {"MLFLOW_ALLOW_FILE_STORE": "true"}
    tags = ("logger.mlflow.tags=[mine,who:me]",)
    gan_train(tmp_path, *RUN, "logger=mlflow", f"logger.mlflow.uri={uri}", *tags, **allowed)
    forget_last_checkpoint(tmp_path)
    console = gan_train(tmp_path, "resume=run", "train.steps=8", **allowed)
    assert "mlflow: run " in console

    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("gan_cli")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    identity = run.info.run_id
    assert json.loads((tmp_path / "run/loggers.json").read_text())["mlflow"]["identity"] == identity
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    for tag in ("loss/d", "metrics/modes"):
        history = client.get_metric_history(identity, tag)
        curve = [(metric.step, metric.value) for metric in sorted(history, key=lambda metric: metric.step)]
        assert curve == [(step, pytest.approx(value)) for step, value in logged(tmp_path, tag).items()]
    assert run.data.params["train.steps"] == "6"  # of the start: parameters are for good
    assert run.data.params["dataset.modes"] == "8"
    assert (run.data.tags["mine"], run.data.tags["who"], run.data.tags["status"]) == ("", "me", "completed")
    assert run.data.tags[f"alarm.{NAME}"].startswith("step 1: ")
    images = [item.path for item in client.list_artifacts(identity, "images") if item.path.endswith(".png")]
    assert sorted(int(path.split("+")[2]) for path in images) == [0, 3, 6, 8]
    assert [item.path for item in client.list_artifacts(identity, "alarms")] == [f"alarms/step_00000001_{NAME}.txt"]
    top = {item.path for item in client.list_artifacts(identity)}
    assert {"config.yaml", "summary.json"} <= top
    summary = json.loads(Path(client.download_artifacts(identity, "summary.json", str(tmp_path))).read_text())
    assert (summary["step"], summary["final"]) == (8, json.loads((tmp_path / "run/summary.json").read_text())["final"])


def test_mlflow_without_a_server_costs_a_line(tmp_path: Path) -> None:
    needs("mlflow")
    console = gan_train(tmp_path, *RUN, "logger=mlflow", "logger.mlflow.uri=http://127.0.0.1:9")
    (line,) = [line for line in console.splitlines() if "mlflow" in line]
    assert line.startswith("logger=mlflow: ")
    assert line.endswith(": the run goes on without it")


# Trackio


def test_trackio_has_all_of_a_run_and_of_its_resume_once(tmp_path: Path) -> None:
    needs("trackio")
    console = gan_train(tmp_path, *RUN, "logger=trackio", "logger.trackio.project=mine")
    assert 'trackio: trackio show --project "mine"' in console
    assert "Resumed" not in console
    forget_last_checkpoint(tmp_path)
    gan_train(tmp_path, "resume=run", "train.steps=8")

    code = (
        "import json\nfrom trackio.sqlite_storage import SQLiteStorage as store\n"
        "(name,) = store.get_runs('mine')\n"
        "print(json.dumps([name, store.get_logs('mine', name), store.get_run_config('mine', name),"
        " store.get_alerts('mine', name)], default=str))"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")}
    read = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    name, records, config, alerts = json.loads(read.stdout)
    assert json.loads((tmp_path / "run/loggers.json").read_text())["trackio"]["identity"] == name
    for tag in ("loss/d", "metrics/modes"):
        curve = [(record["step"], record[tag]) for record in records if tag in record]
        assert curve == list(logged(tmp_path, tag).items())
    pictures = [(record["step"], record["samples"]["_type"]) for record in records if "samples" in record]
    assert pictures == [(step, "trackio.image") for step in (0, 3, 6, 8)]
    assert len(list((tmp_path / "trackio" / "media").rglob("*.png"))) == 4
    assert len([record for record in records if "d_fake/histogram" in record]) == 8
    assert (config["dataset.modes"], config["seed"]) == (8, 0)
    assert [(alert["title"], alert["step"]) for alert in alerts] == [(NAME, 1)]


def test_trackio_without_a_folder_costs_a_line(tmp_path: Path) -> None:
    needs("trackio")
    (tmp_path / "file").touch()
    console = gan_train(tmp_path, *RUN, "logger=trackio", TRACKIO_DIR=str(tmp_path / "file" / "folder"))
    (line,) = [line for line in console.splitlines() if "trackio" in line]
    assert line.endswith(": the run goes on without it")
