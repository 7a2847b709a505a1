"""docs/extending.md works as it is written: its files are written out, its commands run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.protocols.algorithm import Report
from tests.conftest import SHORT, TINY, Command
from tests.helpers.paths import ROOT

TEXT = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`(my_\S+)`\n\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL | re.MULTILINE))
# Thresholds that D is below at every report: the alarm is raised at the first one.
ALARMED = (
    "diagnostics.discriminator_too_weak.patience=1",
    "diagnostics.discriminator_too_weak.auc=1",
    "diagnostics.discriminator_too_weak.neighbours=0",
)
ALARMED_TOO = (
    "diagnostics.vanishing_gradient.patience=1",
    "diagnostics.vanishing_gradient.share=1",
    "diagnostics.vanishing_gradient.auc=0",
)
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("gan-train") and "eval_every" not in line
]
(MEASURED,) = re.findall(r"^gan-train (.*eval_every.*)$", TEXT, flags=re.MULTILINE)
PLUGINS = ",".join(re.findall(r"GAN_PLUGINS=(\S+)", TEXT))


@pytest.fixture
def written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The document's files, and the module where Python finds it."""
    assert set(FILES) == {
        "my_metrics.py",
        "my_losses.py",
        "my_conf/loss/mine.yaml",
        "my_callbacks.py",
        "my_conf/callback/webhook.yaml",
        "my_family.py",
        "my_conf/algorithm/energy.yaml",
    }
    for name, content in FILES.items():
        (workplace / name).parent.mkdir(parents=True, exist_ok=True)
        (workplace / name).write_text(content)
    monkeypatch.syspath_prepend(str(workplace))
    return workplace


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands(
    arguments: list[str], gan_train: Command, gan_report: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    done = gan_train(*arguments, *SHORT, *TINY)
    assert done.status == 0, done.err
    summaries = list(written.rglob("summary.json"))
    assert len(summaries) == (4 if "-m" in arguments else 1)
    if "loss=mine" in arguments:
        assert "divergence/margin" in json.loads(summaries[0].read_text())["final"]
        tags = json.loads((summaries[0].parent / "tags.json").read_text())
        assert tags["divergence/margin"] == {
            "unit": "nats",
            "better": "lower",
            "ceiling": None,
            "what": "Return the divergence that D's loss estimates; one number.",
        }
        done = gan_report(summaries[0].parent, "--html", "report.html")
        assert done.status == 0, done.err
        page = re.sub(r"<.*?>", " ", Path("report.html").read_text())
        assert re.search(r"divergence/margin\s+nats", page)
        assert re.search(r"d_real/mean\s+probability", page)


def test_metric_of_ones_own_is_trained_for_evaluated_and_reported(
    gan_train: Command, gan_eval: Command, gan_report: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    done = gan_train(*shlex.split(MEASURED), "dataset=ring8", *SHORT, *TINY, "evaluation.samples=40")
    assert done.status == 0, done.err
    summary = json.loads(Path("my_run/summary.json").read_text())
    assert summary["final"]["metrics/mean_shift/pixels"] > 0
    assert summary["best"]["metrics/mean_shift/pixels"]["value"] <= summary["final"]["metrics/mean_shift/pixels"]
    done = gan_eval("my_run", "--n", 40)
    assert done.status == 0, done.err
    (line,) = [line for line in done.out.splitlines() if line.startswith("mean_shift/pixels")]
    assert line.split(maxsplit=4)[3:] == ["lower", "Distance between the mean features of real and generated samples"]
    done = gan_report("my_run")
    assert done.status == 0, done.err
    header = [cell.strip() for cell in done.out.splitlines()[0].split("|")]
    assert header.index("frechet/pixels") < header.index("mean_shift/pixels")
    monkeypatch.delenv("GAN_PLUGINS")
    refused = gan_train("sweep.metric=metrics/mean_shift", "train.eval_every=500")
    assert refused.status == 2
    assert "sweep.metric: expected a metric of which less or more is better" in refused.err


def test_run_with_a_module_of_ones_own_is_sampled_from_where_it_is_named(
    gan_train: Command, gan_sample: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", "elsewhere, my_losses")
    run = ("--config-dir", "my_conf", "loss=mine", "hydra.run.dir=run")
    assert gan_train(*run, *SHORT, *TINY).status == 0
    monkeypatch.delenv("GAN_PLUGINS")
    refused = gan_train("resume=run", "--config-dir", "my_conf", "train.steps=3")
    assert refused.status == 2
    assert "my_losses.Margin" in refused.err
    assert gan_sample("run").status == 0  # the generator alone needs no loss


def test_family_of_ones_own_learns_is_resumed_and_sampled(
    gan_train: Command, gan_sample: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    # A decay would stretch with the number of steps.
    fixed = ("dataset=ring8", "optimizer/decay=none")
    run = ("--config-dir", "my_conf", "algorithm=energy", *fixed, *SHORT, *TINY)
    for directory, steps in (("whole", 4), ("parts", 2)):
        done = gan_train(*run, f"hydra.run.dir={directory}", f"train.steps={steps}")
        assert done.status == 0, done.err
    done = gan_train("resume=parts", "--config-dir", "my_conf", "train.steps=4")
    assert done.status == 0, done.err
    whole, parts = (json.loads(Path(name, "summary.json").read_text())["final"] for name in ("whole", "parts"))
    assert whole["loss/total"] == parts["loss/total"] > 0
    assert gan_sample("whole").status == 0


def test_module_is_refused_until_it_is_named(gan_train: Command, written: Path) -> None:
    done = gan_train("--config-dir", "my_conf", "loss=mine", *SHORT, *TINY)
    assert done.status == 2
    assert "GAN_PLUGINS" in done.err
    assert "docs/extending.md" in done.err
    assert not (written / "outputs").exists()


def test_mistakes_in_it_cost_one_line(gan_train: Command, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PLUGINS", "my_losses,nowhere")
    base = ("--config-dir", "my_conf", "loss=mine", *SHORT, *TINY)
    for override, words in (
        ("+loss.objective.margni=1", "Did you mean 'margin'?"),
        ("loss.objective.margin=wide", "loss.objective.margin: expected float, got 'wide'"),
        ("loss.objective._target_=my_losses.Nothing", "there is no class 'my_losses.Nothing'"),
        ("loss.objective._target_=nowhere.Loss", "nowhere cannot be imported"),
    ):
        done = gan_train(*base, override)
        assert done.status == 2
        assert words in done.err
        assert "Traceback" not in done.err


class Receiver(BaseHTTPRequestHandler):
    """Webhook that keeps what is posted to it."""

    received: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Write nothing to stderr."""


@pytest.fixture
def webhook(written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server on this machine."""
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    monkeypatch.setenv("no_proxy", "*")
    Receiver.received.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/alarms"
        server.shutdown()
        thread.join()


def posting(url: str) -> tuple[str, ...]:
    return ("--config-dir", "my_conf", "callback=webhook", f"callback.webhook.url={url}")


def test_webhook_receives_each_alarm_once_and_counts_on_when_resumed(gan_train: Command, webhook: str) -> None:
    run = (*SHORT, *TINY, *ALARMED, "hydra.run.dir=run")
    done = gan_train(*posting(webhook), *run)
    assert done.status == 0, done.err
    (alarm,) = json.loads(Path("run/summary.json").read_text())["alarms"]
    assert [post["number"] for post in Receiver.received] == [1]
    posted = Receiver.received[0]
    assert (posted["name"], posted["step"]) == ("discriminator_too_weak", 1)
    assert (posted["message"], posted["try"]) == (alarm["message"], alarm["try"])
    # Another alarm, in a run that continues: the count is part of the checkpoint.
    resumed = gan_train("resume=run", "--config-dir", "my_conf", "train.steps=4", *ALARMED_TOO)
    assert resumed.status == 0, resumed.err
    assert [post["number"] for post in Receiver.received] == [1, 2]
    assert Receiver.received[1]["name"] == "vanishing_gradient"


def test_webhook_knows_of_the_alarm_that_ends_the_run(
    gan_train: Command, webhook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = GANTrainer.report

    def broken(self: GANTrainer) -> Report:
        return replace(report(self), scalars={"loss/d": float("nan")})

    monkeypatch.setattr(GANTrainer, "report", broken)
    done = gan_train(*posting(webhook), *SHORT, *TINY)
    assert done.status == 4, done.err
    assert [post["name"] for post in Receiver.received] == ["non_finite"]


def test_webhook_that_does_not_answer_costs_one_warning(
    gan_train: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        done = gan_train(*posting(url), *SHORT, *TINY, *ALARMED, *ALARMED_TOO, "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert len(json.loads(Path("run/summary.json").read_text())["alarms"]) == 2
    assert done.err.count(f"cannot post to {url}") == 1
    assert Path("run/train.log").read_text().count(f"cannot post to {url}") == 1


def test_each_of_many_seeds_has_a_callback_of_its_own(gan_train: Command, webhook: str) -> None:
    done = gan_train(*posting(webhook), *SHORT, *TINY, *ALARMED, "dataset=ring8", "train.replicas=2")
    assert done.status == 0, done.err
    assert [post["number"] for post in Receiver.received] == [1, 1]


def test_callback_may_be_left_out_and_added_when_a_run_is_resumed(gan_train: Command, webhook: str) -> None:
    assert gan_train(*posting(webhook), *SHORT, *TINY, "hydra.run.dir=run").status == 0
    without = gan_train("resume=run", "--config-dir", "my_conf", "callback=none", "train.steps=3")
    assert without.status == 0, without.err
    again = gan_train("resume=run", *posting(webhook), "train.steps=4", *ALARMED)
    assert again.status == 0, again.err
    assert len(Receiver.received) == 1


def test_mistakes_in_a_callback_cost_one_line(
    gan_train: Command, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", PLUGINS)
    for override, words in (
        ("+callback.webhook.ulr=x", "callback.webhook.ulr: Webhook has no such key. Did you mean 'url'?"),
        ("callback.webhook.timeout=long", "callback.webhook.timeout: expected float, got 'long'"),
        ("callback.webhook.url=localhost", "callback.webhook.url: expected a URL that begins with http://"),
        ("+callback.mine._target_=my_losses.Margin", "callback.mine._target_: expected Callback"),
        ("callback.webhook._target_=os.system", "callback.webhook._target_: only gan_cli.*"),
    ):
        done = gan_train("--config-dir", "my_conf", "callback=webhook", override, *SHORT, *TINY)
        assert done.status == 2
        assert words in done.err
        assert "Traceback" not in done.err
        assert not (written / "outputs").exists()
    done = gan_train("callback=webhook", *SHORT, *TINY)
    assert (done.status, "callback=webhook: no such option" in done.err) == (2, True)


def test_every_interface_of_the_table_exists() -> None:
    interfaces = re.findall(r"^\| .*? \| `([\w.]+)\.(\w+)`(?: \||; of another)", TEXT, flags=re.MULTILINE)
    assert len(interfaces) == TEXT.count("\n| a") + TEXT.count("\n| data") + TEXT.count("\n| networks")
    for module, name in interfaces:
        assert hasattr(importlib.import_module(f"gan_cli.{module}"), name)
    for group in re.findall(r"`(conf/[\w/]+)/`", TEXT):
        assert (ROOT / group).is_dir()
