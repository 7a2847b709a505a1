"""Files of a run that are none, or far too long: one line or none, never a wait, a traceback or gigabytes."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gan_cli.report.samples import embed_image
from gan_cli.storage import checkpoint_archive, thread_record
from gan_cli.storage.checkpoint_archive import DamagedCheckpointError
from gan_cli.storage.files import AppendOnlyFile
from gan_cli.telemetry import images
from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.run_directories import read_metrics, read_summary

RUN = ("dataset=ring8", *TINY, *SHORT, "train.checkpoint_every=1", "train.sample_every=1", "device.threads=1")


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *RUN)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Whatever waits for the other end of a FIFO fails after a minute."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError("waited")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def sparse(path: Path, beginning: bytes = b"") -> None:
    path.write_bytes(beginning)
    os.truncate(path, 8 * 2**30)


FIFO = ("fifo", os.mkfifo)
FOLDER = ("folder", os.mkdir)
DEVICE = ("device", lambda path: Path(path).symlink_to("/dev/zero"))
SPARSE = ("sparse", sparse)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink(missing_ok=True)
    make(path)


@pytest.mark.parametrize(
    "make", [make for _, make in (FIFO, FOLDER, DEVICE, SPARSE)], ids=["fifo", "folder", "device", "sparse"]
)
@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "summary.json", "evaluation.json", "tags.json", ".hydra/config.yaml"]
)
def test_report_names_the_file(name: str, make: Any, run: Path, gan_report: Command) -> None:
    replace(run / name, make)
    done = gan_report("run")
    assert done.status == 2
    assert f"left out: run/{name}" in done.err


@pytest.mark.parametrize(
    "make", [make for _, make in (FIFO, FOLDER, DEVICE, SPARSE)], ids=["fifo", "folder", "device", "sparse"]
)
def test_report_takes_an_earlier_picture(make: Any, run: Path, gan_report: Command) -> None:
    make(run / "samples" / "step_00000009.png")
    assert gan_report("run", "--html", "page.html").status == 0
    assert "step 2" in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("metrics.jsonl", os.mkfifo, "cannot write run/metrics.jsonl: not a regular file"),
        ("metrics.jsonl", os.mkdir, "cannot write run/metrics.jsonl: Is a directory"),
        ("metrics.jsonl", sparse, "cannot write run/metrics.jsonl: has a line of more than"),
        ("train.log", os.mkfifo, "cannot write run/train.log: not a regular file"),
        ("train.log", DEVICE[1], "cannot write run/train.log: not a regular file"),
        ("tags.json", os.mkdir, "cannot write run/tags.json: Is a directory"),
        ("samples", Path.touch, "cannot write run/samples: File exists"),
        ("samples", os.mkfifo, "cannot write run/samples: File exists"),
        ("checkpoints", os.mkfifo, "no checkpoint in run/checkpoints"),
        (".hydra/lock", os.mkfifo, "cannot write run/.hydra/lock: not a regular file"),
        (".hydra/config.yaml", os.mkfifo, "run/.hydra/config.yaml cannot be read: not a regular file"),
        (".hydra/overrides.yaml", os.mkfifo, "run/.hydra/overrides.yaml cannot be read: not a regular file"),
    ],
)  # fmt: skip
def test_resume_ends_with_the_reason(name: str, make: Any, reason: str, run: Path, gan_train: Command) -> None:
    if (run / name).is_dir():
        (run / name).rename("elsewhere")
    replace(run / name, make)
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 2
    assert reason in done.err.splitlines()[-1]


def test_resume_drops_lines_that_are_no_reports(run: Path, gan_train: Command) -> None:
    lines = [b"[" * 100_000, b'{"step": ' + b"9" * 5000 + b"}", b'{"step": 1e999}', b'{"step": 1' + b"0" * 400 + b"}"]
    with (run / "metrics.jsonl").open("ab") as file:
        file.writelines(line + b"\n" for line in lines)
    assert gan_train("resume=run", "train.steps=3").status == 0
    assert [record["step"] for record in read_metrics()] == [1, 2, 3]
    assert read_summary()["status"] == "completed"


@pytest.mark.parametrize(
    "make", [make for _, make in (FIFO, FOLDER, DEVICE, SPARSE)], ids=["fifo", "folder", "device", "sparse"]
)
@pytest.mark.parametrize("command", ["sample", "resume"])
def test_earlier_checkpoint_is_taken(
    command: str, make: Any, run: Path, gan_sample: Command, gan_train: Command
) -> None:
    replace(run / "checkpoints" / "last.pt", make)
    if command == "resume":
        done = gan_train("resume=run", "train.steps=2")
        assert "checkpoint run/checkpoints/last.pt is damaged" in done.err
    else:
        done = gan_sample("run", "--out", "samples.npy")
    assert done.status == 0, done.err


def test_pickle_of_gigabytes_is_rejected_by_its_first_byte(run: Path, gan_sample: Command) -> None:
    (run / "checkpoints" / "last.pt").unlink()
    sparse(run / "checkpoints" / "last.pt", b"\x80\x02")
    done = gan_sample("run", "--out", "samples.npy")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "could run code of its author's choice" in done.err


# ---- checkpoints


def test_overlapping_parts_are_damage(tmp_path: Path) -> None:
    torch.save({"step": 1, "a": torch.zeros(1000)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt", "a") as archive:
        archive.filelist += archive.infolist() * 1000
        archive.writestr("a/more", b"")
    with pytest.raises(DamagedCheckpointError, match="overlap"):
        checkpoint_archive.load(tmp_path / "a.pt")


def test_list_of_parts_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    torch.save({"step": 1}, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    end = content.rfind(b"PK\x05\x06")
    length = 2**30
    content[end + 12 : end + 20] = length.to_bytes(4, "little") + (0).to_bytes(4, "little")
    with (tmp_path / "a.pt").open("wb") as file:
        file.truncate(length)
        file.seek(length)
        file.write(content[end:])
    with pytest.raises(DamagedCheckpointError):
        checkpoint_archive.load(tmp_path / "a.pt")


@pytest.mark.parametrize("step", [-1, 10**13, 10**400, 1.5, "1", None, torch.zeros(())])
def test_step_is_a_number_of_updates(step: object, tmp_path: Path) -> None:
    torch.save({"step": step}, tmp_path / "a.pt")
    with pytest.raises(DamagedCheckpointError, match="step"):
        checkpoint_archive.load(tmp_path / "a.pt")


def shared(depth: int) -> list[Any]:
    node: list[Any] = [0] * 10
    for _ in range(depth):
        node = [node] * 10
    return node


@pytest.mark.parametrize(
    "value", [shared(12), torch.zeros(1).expand(10**12), torch.zeros(3).to_sparse(), torch.empty(10**12, device="meta")]
)
def test_small_state_that_grows_is_damage(value: object, tmp_path: Path) -> None:
    torch.save({"step": 1, "algorithm": value}, tmp_path / "a.pt")
    with pytest.raises(DamagedCheckpointError):
        checkpoint_archive.load(tmp_path / "a.pt")


# ---- pictures, records


def test_sample_pictures_are_bounded_and_of_one_format(tmp_path: Path) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "large.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png", "GIF")
    Image.new("RGB", (8, 8)).save(tmp_path / "whole.png")
    assert [embed_image(tmp_path / f"{name}.png") is None for name in ("large", "other", "whole")] == [
        True,
        True,
        False,
    ]


def test_animation_leaves_out_what_does_not_fit(tmp_path: Path) -> None:
    """Of another size are the grids from before train.sample_count was changed."""
    sizes = [(9, 9), (20_000, 4), (20_000, 4), (9000, 9000)]
    files = [tmp_path / f"step_{step:08d}.png" for step in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        Image.new("1", size, len(file.name) % 2).save(file)
    os.mkfifo(tmp_path / "step_00000009.png")
    images.write_progress_animation([*files, tmp_path / "step_00000009.png"], tmp_path / "progress.webp")
    with Image.open(tmp_path / "progress.webp") as animation:
        assert animation.size[0] == 16_383


def test_appended_file_is_a_regular_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            AppendOnlyFile(path)


def test_thread_record_of_impossible_numbers_is_none(tmp_path: Path) -> None:
    (tmp_path / "threads.jsonl").write_text('{"step": 1e999, "before": 1, "threads": 2}\n')
    assert thread_record.read(tmp_path / "threads.jsonl") == []
