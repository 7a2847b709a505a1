"""The wheel carries its configuration and runs from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.config.schema import conf_dir
from tests.conftest import SHORT, TINY
from tests.helpers.paths import ROOT

CHECKOUT = ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked by pip into a folder of its own; its dependencies are those of this environment."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(CHECKOUT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = place.glob("*.whl")
    target = place / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True)
    return target


def test_wheel_carries_every_option(installed: Path) -> None:
    packaged = {str(file.relative_to(installed / "gan_cli" / "conf")) for file in installed.rglob("conf/**/*.yaml")}
    assert packaged == {str(file.relative_to(conf_dir())) for file in conf_dir().rglob("*.yaml")}
    assert not (installed / "benchmarks").exists()
    assert (installed / "gan_cli" / "py.typed").exists()
    assert (installed / "gan_cli" / "report" / "templates" / "page.html").exists()


def test_wheel_trains_from_an_empty_directory(installed: Path, workplace: Path) -> None:
    # -S -I: neither this checkout's editable install nor the working directory may help out.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    code = f"import sys; sys.path[:0] = [{str(installed)!r}, {site!r}]; from gan_cli.cli.train import main; main()"
    command = [sys.executable, "-S", "-I", "-c", code, *SHORT, *TINY, "hydra.run.dir=run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("run/summary.json").read_text())["status"] == "completed"
    which = [
        sys.executable,
        "-S",
        "-I",
        "-c",
        code.replace("from gan_cli.cli.train import main; main()", "import gan_cli; print(gan_cli.__file__)"),
    ]
    assert str(installed) in subprocess.run(which, capture_output=True, text=True, check=True).stdout


def test_commands_are_installed(installed: Path) -> None:
    assert {"gan-train", "gan-sample", "gan-export", "gan-bench", "gan-report", "gan-tour"} <= {
        path.name for path in (installed / "bin").iterdir()
    }
