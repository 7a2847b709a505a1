"""docs/extending.md works as it is written: its files are written out, its commands run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY, Command
from tests.helpers.paths import ROOT

TEXT = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`(my_\S+)`\n\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL | re.MULTILINE))
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("gan-train") and "eval_every" not in line
]
(MEASURED,) = re.findall(r"^gan-train (.*eval_every.*)$", TEXT, flags=re.MULTILINE)
(PLUGINS,) = re.findall(r"GAN_PLUGINS=(my_losses,\S+)", TEXT)


@pytest.fixture
def written(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The document's files, and the module where Python finds it."""
    assert set(FILES) == {"my_losses.py", "my_conf/loss/mine.yaml", "my_metrics.py"}
    for name, content in FILES.items():
        (workplace / name).parent.mkdir(parents=True, exist_ok=True)
        (workplace / name).write_text(content)
    monkeypatch.syspath_prepend(str(workplace))
    return workplace


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands(arguments: list[str], gan_train: Command, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PLUGINS", "my_losses")
    done = gan_train(*arguments, *SHORT, *TINY)
    assert done.status == 0, done.err
    summaries = list(written.rglob("summary.json"))
    assert len(summaries) == (4 if "-m" in arguments else 1)
    if "-m" not in arguments:
        assert "divergence/margin" in json.loads(summaries[0].read_text())["final"]


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


def test_every_interface_of_the_table_exists() -> None:
    interfaces = re.findall(r"^\| .*? \| `([\w.]+)\.(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert len(interfaces) == TEXT.count("\n| a") + TEXT.count("\n| data") + TEXT.count("\n| networks")
    for module, name in interfaces:
        assert hasattr(importlib.import_module(f"gan_cli.{module}"), name)
    for group in re.findall(r"`(conf/[\w/]+)/`", TEXT):
        assert (ROOT / group).is_dir()
