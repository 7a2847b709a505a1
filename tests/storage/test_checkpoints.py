"""Checkpoints: whole or not there, the latest whole one is found, and nothing in one is executed."""

from __future__ import annotations

import errno
import io
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.errors import ConfigError, OutputError
from gan_cli.storage import checkpoint_archive, checkpoints


def state(step: int) -> dict[str, Any]:
    return {"step": step, "weights": torch.full((100,), float(step)), "plain": [1, 2.5, "x", None, {"a": True}]}


def save(folder: Path, *steps: int, keep: int = 3) -> None:
    for step in steps:
        checkpoints.save(folder, step, state(step), keep)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def truncate(path: Path, share: float) -> None:
    """As after a power cut: under its name, but not whole. Its other name, if it has one, keeps the whole content."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: int(len(content) * share)])


# ---- saving


def test_saved_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "new" / "checkpoints", 7)
    loaded = checkpoints.load_latest(tmp_path / "new" / "checkpoints")
    assert torch.equal(loaded.pop("weights"), state(7)["weights"])
    assert loaded == {key: value for key, value in state(7).items() if key != "weights"}


def test_latest_few_are_kept_and_last_is_the_latest(tmp_path: Path) -> None:
    save(tmp_path, 9, 10, 99_999_999, 100_000_000, keep=2)
    assert names(tmp_path) == ["last.pt", "step_100000000.pt", "step_99999999.pt"]
    assert checkpoint_archive.load(tmp_path / "last.pt")["step"] == 100_000_000


def test_best_one_stays_and_what_was_the_best_of_each_that_stays(tmp_path: Path) -> None:
    """Records at steps 1, 3 and 6: after the latest three, the best ones of their times are 3, 3 and 6."""
    records: list[int] = []
    for step in range(1, 9):
        checkpoints.save(tmp_path, step, state(step), 3, records)
        if step in (1, 3, 6):
            records.append(step)
            assert checkpoints.make_best(tmp_path, step)
    assert names(tmp_path) == ["best.pt", "last.pt", *(f"step_{step:08d}.pt" for step in (3, 6, 7, 8))]
    assert checkpoint_archive.load(tmp_path / "best.pt")["step"] == 6
    checkpoints.save(tmp_path, 9, state(9), 3, records)
    assert names(tmp_path) == ["best.pt", "last.pt", *(f"step_{step:08d}.pt" for step in (6, 7, 8, 9))]


def test_best_is_the_file_of_its_step_or_stays_where_it_is_that_step(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3)
    assert checkpoints.make_best(tmp_path, 2)
    assert (tmp_path / "best.pt").samefile(tmp_path / "step_00000002.pt")
    assert checkpoints.make_best(tmp_path, 1)
    (tmp_path / "step_00000001.pt").unlink()
    assert checkpoints.make_best(tmp_path, 1)
    assert not checkpoints.make_best(tmp_path, 5)
    assert checkpoint_archive.load(tmp_path / "best.pt")["step"] == 1
    truncate(tmp_path / "best.pt", 0.5)
    assert not checkpoints.make_best(tmp_path, 1)
    checkpoints.delete_best(tmp_path)
    checkpoints.delete_best(tmp_path)
    assert "best.pt" not in names(tmp_path)


def test_best_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def refuse(*names: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=r"cannot write checkpoint .*best\.pt: No space left on device"):
        checkpoints.make_best(tmp_path, 1)


def test_last_is_written_where_the_file_system_knows_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 1, 2)
    assert checkpoint_archive.load(tmp_path / "last.pt")["step"] == 2
    assert names(tmp_path) == ["last.pt", "step_00000001.pt", "step_00000002.pt"]


def test_write_that_fails_midway_leaves_what_was_there_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1, 2, keep=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fill_the_disk(saved: Any, file: io.BufferedWriter) -> None:
        file.write(b"PK\x03\x04 the beginning of an archive")
        file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", fill_the_disk)
    for step in (2, 3):  # over an older file, and beside it
        with pytest.raises(OutputError, match=f"step_0000000{step}.pt: No space left on device"):
            save(tmp_path, step, keep=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_file_has_its_name_only_once_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed runs no clean-up: whatever is visible at any moment must be whole."""
    save(tmp_path, 1)
    real_save, seen = torch.save, []

    def look(saved: Any, file: io.BufferedWriter) -> None:
        file.write(b"")
        seen.append({path.name for path in tmp_path.glob("*.pt") if not path.name.startswith(".")})
        real_save(saved, file)

    monkeypatch.setattr(torch, "save", look)
    (tmp_path / ".step_00000002.pt.tmp").write_bytes(b"left behind by a process that was killed")
    save(tmp_path, 2)
    assert seen == [{"step_00000001.pt", "last.pt"}]
    assert names(tmp_path) == ["last.pt", "step_00000001.pt", "step_00000002.pt"]


# ---- loading


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file_is_passed_over_with_a_warning(
    share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1, 2, 3)
    for name in ("last.pt", "step_00000003.pt"):
        truncate(tmp_path / name, share)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load_latest(tmp_path)["step"] == 2
    for name in ("last.pt", "step_00000003.pt"):
        assert f"{name} is damaged" in caplog.text
    assert "step_00000002.pt" not in caplog.text


def test_latest_by_number_is_taken_where_last_is_missing(tmp_path: Path) -> None:
    save(tmp_path, 99_999_999, 100_000_000)  # sorted by name, the earlier one would be the latest
    (tmp_path / "last.pt").unlink()
    assert checkpoints.load_latest(tmp_path)["step"] == 100_000_000


def test_archive_of_something_else_is_passed_over(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    for name in ("last.pt", "step_00000002.pt"):
        (tmp_path / name).unlink()
        torch.save(torch.zeros(3), tmp_path / name)
    assert checkpoints.load_latest(tmp_path)["step"] == 1


def test_only_damaged_checkpoints_are_reported(tmp_path: Path) -> None:
    save(tmp_path, 1)
    for path in list(tmp_path.iterdir()):
        truncate(path, 0.5)
    with pytest.raises(ConfigError, match=r"every checkpoint in .* is damaged"):
        checkpoints.load_latest(tmp_path)


def test_empty_and_absent_folders_are_reported(tmp_path: Path) -> None:
    (tmp_path / "step_1.pt.bak").touch()
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match=f"no checkpoint in {folder}"):
            checkpoints.load_latest(folder)


class Payload:
    """Unpickled the usual way, it creates a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._file,)


def as_archive(content: Any, path: Path) -> None:
    torch.save(content, path)


def as_legacy_archive(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def as_raw_pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [as_archive, as_legacy_archive, as_raw_pickle])
def test_checkpoint_that_refers_to_code_is_rejected_and_not_executed(write: Any, tmp_path: Path) -> None:
    folder, traces = tmp_path / "checkpoints", tmp_path / "executed"
    save(folder, 1)
    (folder / "last.pt").unlink()
    write({**state(2), "weights": Payload(traces)}, folder / "last.pt")
    with pytest.raises(ConfigError, match=r"last\.pt rejected: .* code"):
        checkpoints.load_latest(folder)
    assert not traces.exists()
    if write is not as_archive:
        return
    torch.load(folder / "last.pt", weights_only=False)
    assert traces.exists()  # the payload was a real one


def test_flipped_bit_is_found_and_the_file_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / "last.pt").unlink()
    file = tmp_path / "step_00000002.pt"
    content = bytearray(file.read_bytes())
    content[content.index(b"data/0") + 300] ^= 1  # inside a tensor: torch itself would load it
    file.write_bytes(content)
    assert checkpoints.load_latest(tmp_path)["step"] == 1
    assert "damaged" in caplog.text
