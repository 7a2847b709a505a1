"""What tests share: running the commands, in this process where that is enough and as real ones where it is not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from gan_cli.cli import bench, evaluate, export, report, sample, train
from gan_cli.data.cache import Store
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.oracle import Oracle
from gan_cli.evaluation.backbones.classifier import load_or_train_classifier
from tests.helpers import oracles
from tests.helpers.composition import composing_once
from tests.helpers.fake_hub import TOKEN, FakeHub, fake_hub
from tests.helpers.preloaded import PreloadedProcess

# Overrides that make any run small and quick.
TINY = ("architecture=mlp", "architecture.generator_hidden=[8]", "architecture.discriminator_hidden=[8]")
SHORT = ("train.steps=2", "train.batch_size=4", "train.log_every=1", "train.sample_count=4")

REAL_DATA = os.environ.get("GAN_DATA")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Finished]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is tested of Unix itself where there is none."""
    if item.get_closest_marker("posix") and os.name != "posix":
        pytest.skip("needs signals, FIFOs, rights or processes of Unix")


@pytest.fixture(scope="session", autouse=True)
def composed_once() -> Iterator[None]:
    """Let Hydra compose equal command lines once."""
    with composing_once():
        yield


@pytest.fixture(autouse=True)
def quick_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a dry run in this process estimate from a single step."""
    monkeypatch.setattr("gan_cli.training.estimate.MEASURING_SECONDS", 0.0)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the data root is another."""
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "data"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def real_data_root() -> Path:
    """The data root that this test run was given; skips the test where there is none."""
    if REAL_DATA is None:
        pytest.skip("needs real data: set GAN_DATA to a data root")
    return Path(REAL_DATA)


@pytest.fixture
def real_data() -> Path:
    """The data root that this test run was given."""
    return real_data_root()


def _in_process(main: Callable[[], Any], name: str, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Command:
    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Finished(left.value.code, out, err)

    return run


def _command(name: str, main: Callable[[], Any]) -> Any:
    """A fixture: the command in this process, in an empty working directory."""

    @pytest.fixture
    def command(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
        return _in_process(main, name, monkeypatch, capfd)

    return command


gan_train = _command("gan-train", train.main)
gan_sample = _command("gan-sample", sample.main)
gan_export = _command("gan-export", export.main)
gan_eval = _command("gan-eval", evaluate.main)
gan_bench = _command("gan-bench", bench.main)
gan_report = _command("gan-report", report.main)


@pytest.fixture
def hub(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """An empty Hugging Face Hub that huggingface_hub asks in this process, with a login and a cache of its own."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with fake_hub() as served:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # Read from the environment when huggingface_hub is imported, which was before.
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(workplace / "hub_cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(workplace / "no_token"))
        # The fake has the older way to store large files alone.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield served


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file's lock inside: other workers wait."""
    with FileLock(file):
        yield


def _copy_with_links(source: str, target: str, copied: dict[int, str]) -> None:
    """Copy a file, or link it where another name of it was copied: the last checkpoint is a link."""
    number = Path(source).stat().st_ino
    if number in copied:
        os.link(copied[number], target)
    else:
        shutil.copy2(source, target)
        copied[number] = target


FinishedRun = Callable[..., Path]


@pytest.fixture
def finished_run(gan_train: Command, shared_folder: Path) -> FinishedRun:
    """``finished_run(DIRECTORY, *OVERRIDES)``: a copy of the run of these overrides, trained once for all tests."""

    def copy(directory: str | Path, *overrides: str) -> Path:
        name = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:16]
        source = shared_folder / f"run_{name}"
        with locked(shared_folder / f"run_{name}.lock"):
            if not source.exists():
                unfinished = shared_folder / f"unfinished_{name}"
                done = gan_train(*overrides, f"hydra.run.dir={unfinished}")
                assert done.status == 0, done.err
                unfinished.rename(source)
        copied: dict[int, str] = {}
        shutil.copytree(source, directory, copy_function=lambda *paths: _copy_with_links(*paths, copied))
        return Path(directory)

    return copy


@pytest.fixture
def remembered_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entropy of an oracle without a file is estimated once for each length: longer than a tiny run takes."""
    monkeypatch.setattr(Oracle, "entropy", property(oracles.remembered_entropy))


@pytest.fixture(scope="session")
def digits_root(shared_folder: Path) -> Path:
    """A data root with the classifier of the digits, trained once for all tests; to be copied where one writes."""
    root = shared_folder / "digits_root"
    with locked(shared_folder / "digits_root.lock"):
        load_or_train_classifier("digits", Digits().load(), None, Store(root))
    return root


def log_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, each record once: pytest hears loggers that do not propagate twice where they do after all."""
    return list({id(record): record.getMessage() for record in caplog.records}.values())


def start_gan_train(*arguments: object) -> PreloadedProcess:
    """Start ``gan-train`` as a process of its own, in the present working directory."""
    return PreloadedProcess("gan_cli", arguments)
