"""Broken input for the commands as a user starts them: a known exit status, no traceback, bounded memory and time."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SHORT, TINY
from tests.fuzz.targets import huge_png

# Of addresses, most of which torch never touches.
MOST_BYTES = 16 * 2**30
TRAIN, SAMPLE, EVALUATE, EXPORT, REPORT = (
    ("gan_cli",),
    ("gan_cli.cli.sample", "run"),
    ("gan_cli.cli.evaluate", "run"),
    ("gan_cli.cli.export", "run", "--format", "torch"),
    ("gan_cli.cli.report", "run"),
)
RESUME = (*TRAIN, "resume=run", "train.steps=3")


def overwrite(name: str, content: bytes) -> Callable[[], None]:
    return lambda: [path.write_bytes(content) for path in Path("run").glob(name)] and None


def halve(name: str) -> Callable[[], None]:
    return lambda: (
        [path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) for path in Path("run").glob(name)] and None
    )


def bomb() -> None:
    Path("pictures").mkdir()
    Image.new("RGB", (8, 8)).save("pictures/a.png")
    Path("pictures/b.png").write_bytes(huge_png())
    Path("pictures/c.png").write_bytes(b"")
    Path("pictures/loop").symlink_to(".")


def nothing() -> None:
    pass


TARGET = b"architecture: {_target_: os.system, command: touch canary}\n"
FOLDER = ("dataset=image_folder", "dataset.path=pictures", "dataset.size=8", "dataset.root=cache")
CASES = {
    "checkpoints cut": (halve("checkpoints/*.pt"), RESUME),
    "checkpoints of zeros": (overwrite("checkpoints/*.pt", bytes(5000)), SAMPLE),
    "pickle that calls": (
        overwrite("checkpoints/*.pt", b"\x80\x02cposix\nmkdir\nX\x06\x00\x00\x00canary\x85R."),
        SAMPLE,
    ),
    "export of it": (overwrite("checkpoints/*.pt", b"\x80\x02cposix\nmkdir\nX\x06\x00\x00\x00canary\x85R."), EXPORT),
    "target that calls": (overwrite(".hydra/config.yaml", TARGET), RESUME),
    "target, sampled": (overwrite(".hydra/config.yaml", TARGET), SAMPLE),
    "config of a list": (overwrite(".hydra/config.yaml", b"- 1\n"), EVALUATE),
    "config not text": (overwrite(".hydra/config.yaml", bytes(range(256))), RESUME),
    "overrides of numbers": (overwrite(".hydra/overrides.yaml", b"[1, {a: b}]"), RESUME),
    "metrics cut": (halve("metrics.jsonl"), REPORT),
    "metrics of one long line": (overwrite("metrics.jsonl", b"[" * 10_000_000), REPORT),
    "metrics resumed": (overwrite("metrics.jsonl", b'{"step": "x"}\n\xff\xfe{"step": 1e999}\n{"st'), RESUME),
    "summary of a list": (overwrite("summary.json", b"[[]]"), REPORT),
    "summary cut": (halve("summary.json"), REPORT),
    "no run at all": (nothing, (*TRAIN, "resume=nowhere")),
    "picture bomb": (bomb, (*TRAIN, *SHORT, *TINY, *FOLDER)),
    "quotes": (nothing, (*TRAIN, "seed='")),
    "brackets": (nothing, (*TRAIN, "loss/penalty=" + "[" * 3000)),
    "interpolation of itself": (nothing, (*TRAIN, "seed=${seed}")),
    "target on the command line": (nothing, (*TRAIN, "dry_run=true", "architecture._target_=torch.load")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_broken_input_costs_a_message(name: str, workplace: Path) -> None:
    train = [sys.executable, "-m", *TRAIN, *SHORT, *TINY, "hydra.run.dir=run"]
    subprocess.run(train, check=True, capture_output=True, timeout=120)
    break_it, command = CASES[name]
    break_it()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES)),
    )
    assert done.returncode in (0, 2, 3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("canary").exists()
