"""The commands as a user meets them first: help, version, and what they print of the configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import __version__
from tests.conftest import Command

# Fails on any import of torch; -X importtime would only tell afterwards.
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from gan_cli.cli.{command} import main; main()"


@pytest.mark.parametrize("command", ["train", "sample", "export", "report"])
@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_answers_without_importing_torch(command: str, flag: str, workplace: Path) -> None:
    code = WITHOUT_TORCH.format(command=command)
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        f"gan_cli {__version__}" if flag == "--version" else {"report": "PATH"}.get(command, "RUN_DIR")
    ) in done.stdout
    assert list(workplace.iterdir()) == []


def test_mistake_is_reported_without_importing_torch(workplace: Path) -> None:
    code = WITHOUT_TORCH.format(command="train")
    done = subprocess.run([sys.executable, "-c", code, "loss=wgna"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("gan-train: loss=wgna: no such option. Did you mean loss=wgan?")


def test_configuration_can_be_shown(gan_train: Command, workplace: Path) -> None:
    done = gan_train("--cfg", "job", "loss=wgan")
    assert done.status == 0
    assert "gan_cli.components.losses.Wasserstein" in done.out
    assert list(workplace.iterdir()) == []


def test_options_of_ones_own(gan_train: Command, workplace: Path) -> None:
    (workplace / "mine" / "loss").mkdir(parents=True)
    (workplace / "mine" / "loss" / "soft.yaml").write_text(
        "objective:\n  _target_: gan_cli.components.losses.Minimax\nd_steps: 2\n"
    )
    done = gan_train("--config-dir", "mine", "loss=soft", "dry_run=true")
    assert done.status == 0, done.err
    assert "Minimax, D steps per G step: 2" in done.out


def test_dry_run_says_what_would_run(gan_train: Command, workplace: Path) -> None:
    done = gan_train("dry_run=true", "loss=wgan", "dataset=mnist", "noise=cosine")
    assert done.status == 0, done.err
    for words in ("Wasserstein", "Cosine", "RMSprop", "(1, 28, 28)", "parameters"):
        assert words in done.out
    assert list(workplace.iterdir()) == []


def test_output_into_a_closed_pipe_is_no_bug(workplace: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m gan_cli --help | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_closed_stream_is_no_bug(closed: str, workplace: Path) -> None:
    redirection = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    command = f"{sys.executable} -m gan_cli dry_run=true {redirection}"
    assert subprocess.run(command, shell=True, check=False, capture_output=True).returncode == 0


def test_run_outlives_the_reader_of_its_console(workplace: Path) -> None:
    small = "train.steps=40 train.log_every=1 train.batch_size=4 dataset=ring8 hydra.run.dir=run"
    subprocess.run(f"{sys.executable} -m gan_cli {small} 2>&1 | head -2", shell=True, check=False, capture_output=True)
    assert '"completed"' in Path("run/summary.json").read_text()
