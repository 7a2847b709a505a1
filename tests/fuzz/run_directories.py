"""A run directory from a stranger: files of another kind, size or content in every place, over the commands that read it."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from PIL import Image

from gan_cli.cli import export, report, sample
from gan_cli.cli import train as train_command
from tests.fuzz.commands import command
from tests.fuzz.strategies import SCALARS, VALUES, damaged, json_text

TINY = ("dataset=ring8", "architecture.generator_hidden=[4]", "architecture.discriminator_hidden=[4]", "device.threads=1",
        "train.batch_size=4", "train.sample_count=1", "train.steps=2", "train.checkpoint_every=1", "train.log_every=1",
        "train.sample_every=1", "train.held_out=0", "diagnostics.every=0", "logger=[tensorboard,csv]")  # fmt: skip
COMMANDS: Mapping[str, tuple[Callable[[], Any], list[str]]] = {
    "report": (report.main, ["run"]),
    "page": (report.main, ["run", "--html", "page.html"]),
    "sample": (sample.main, ["run", "--n", "2", "--out", "samples.npy"]),
    "export": (export.main, ["run", "--format", "torch", "--out", "exported"]),
    "resume": (train_command.main, ["resume=run", "train.steps=3", "device.threads=1"]),
}
PLACES = (
    *("metrics.jsonl", "train.log", "summary.json", "evaluation.json", "tags.json", "threads.jsonl", "samples", "checkpoints"),
    *("metrics.csv", ".metrics.csv.tmp"),
    *(".hydra/lock", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", ".hydra"),
    *("checkpoints/last.pt", "checkpoints/step_00000002.pt", "checkpoints/step_00000009.pt", ".summary.json.tmp"),
    *("samples/step_00000000.png", "samples/step_00000007.png", "samples/step_00000002.txt", "samples/progress.webp"),
    *("events.out.tfevents.9999999999.x", "events.out.tfevents.99999999999999999999999.x.0", "events.out.tfevents"),
    *(".metrics.jsonl.tmp", "checkpoints/.last.pt.tmp", "samples/.step_00000003.png.tmp", "not_finite"),
)  # fmt: skip


def _picture(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


PICTURES = [
    _picture(3, 2),
    _picture(20_000, 2),
    _picture(9000, 9000),
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
]
TEXTS = [b"", b"\0" * 99, b"[" * 100_000, b'{"a":' * 5000, b'{"step": ' + b"9" * 5000 + b"}\n", b"\xff\xfe\n" * 3, b"\n" * 9999,
         b'{"step": 1, "x": 1e999}\n{"step": -1e300, "a\\u001b[31m": 2}\n', b"a\x1b[31m\r\nb\x9b\n", b"x" * 5_000_000]  # fmt: skip
# What stands in the place of a file.
MAKERS: Mapping[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "full folder": lambda path: (path / "deeper").mkdir(parents=True),
    "nothing": lambda path: None,
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "full": lambda path: path.symlink_to("/dev/full"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path.name),
    "sparse": lambda path: _sparse(path, 8 * 2**30),
    "half a gigabyte": lambda path: _sparse(path, 2**29),
    "sparse pickle": lambda path: _sparse(path, 8 * 2**30, b"\x80\x02"),
    "sparse archive": lambda path: _sparse(path, 8 * 2**30, b"PK\x03\x04"),
    "sparse picture": lambda path: _sparse(path, 8 * 2**30, _picture(3, 2)[:40]),
}


def _sparse(path: Path, length: int, beginning: bytes = b"") -> None:
    path.write_bytes(beginning)
    os.truncate(path, length)


CONTENTS = (
    st.sampled_from([*PICTURES, *TEXTS])
    | st.sampled_from(PICTURES).flatmap(damaged)
    | VALUES.map(lambda value: json_text(value).encode())
    | st.lists(VALUES, max_size=3).map(lambda values: "\n".join(map(json_text, values)).encode())
)


def _fresh_run() -> Path:
    """The directory of a run that has ended, the same each time."""
    if not Path("base").exists():
        command(train_command.main, [*TINY, "hydra.run.dir=base"])
    run = Path("run")
    for path in (run, Path("exported")):
        shutil.rmtree(path, ignore_errors=True)
    return Path(shutil.copytree("base", run))


def _replace(path: Path, made: str | bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        MAKERS[made](path)


def _spoiled(drawn: tuple[str, list[tuple[str, str | bytes]]]) -> None:
    name, spoiled = drawn
    run = _fresh_run()
    for place, made in sorted(spoiled, key=lambda each: len(each[0]), reverse=True):
        _replace(run / place, made)
    command(*COMMANDS[name])


# ---- checkpoints


def _parts() -> dict[str, bytes]:
    with zipfile.ZipFile("base/checkpoints/last.pt") as archive:
        return {part: archive.read(part) for part in archive.namelist()}


def _archive(parts: Mapping[str, bytes], drawn: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", drawn["compression"]) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        for _ in range(drawn["twice"]):
            archive.writestr("last/data/0", bytes(9))
        archive.writestr("last/" + drawn["name"] * drawn["length"], b"x")
        if drawn["overlapping"]:
            (info,) = [each for each in archive.infolist() if each.filename.endswith("data.pkl")]
            archive.filelist += [info] * drawn["overlapping"]
    content = bytearray(stream.getvalue())
    if drawn["encrypted"]:
        place = content.find(b"PK\x01\x02")
        content[place + 8] |= 1
    if drawn["claimed"]:
        place = content.rfind(b"PK\x05\x06")
        content[place + 12 : place + 16] = b"\xf0\xff\xff\x7f"
    return bytes(content)


def _checkpoint_archive(drawn: tuple[str, Mapping[str, Any]]) -> None:
    name, shape = drawn
    run = _fresh_run()
    content = _archive(_parts(), shape)
    for place in (run / "checkpoints").iterdir():
        _replace(place, content)
    command(*COMMANDS[name])


SHAPES = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(
            [zipfile.ZIP_STORED] * 5 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
        ),
        "twice": st.sampled_from([0, 0, 0, 1, 5]),
        "name": st.sampled_from(["a", "\x1b[31m", "../", "\n", "/"]),
        "length": st.sampled_from([0, 1, 1, 50_000 // 8]),
        "overlapping": st.sampled_from([0, 0, 1, 10_000]),
        "encrypted": st.booleans(),
        "claimed": st.booleans(),
    }
)


def _nested() -> Any:
    shared: Any = [0] * 10
    for _ in range(30):
        shared = [shared] * 10
    return shared


def _deep() -> Any:
    nested: Any = 0
    for _ in range(400):
        nested = [nested]
    return nested


def _cyclic() -> Any:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


TENSORS = st.sampled_from(
    [torch.zeros(1).expand(10**12), torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to_sparse(), torch.zeros(0), torch.zeros(3, 3),
     torch.tensor(float("nan")), torch.zeros((2, 2), dtype=torch.uint8), torch.empty(10**9, device="meta")]
)  # fmt: skip
ANYTHING = (
    SCALARS | TENSORS | VALUES
    | st.sampled_from([_nested(), _deep(), _cyclic(), {"a\x1b[31m": 1}, (1, 2), {1, 2}, b"x", bytearray(9), 1j, 10**30, "x" * 9999])
)  # fmt: skip


def _paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(node, dict):
        inner = [deeper for key, value in node.items() for deeper in _paths(value, (*path, key))]
    elif isinstance(node, list):
        inner = [deeper for key, value in enumerate(node) for deeper in _paths(value, (*path, key))]
    return [path, *inner] if path else inner


def _checkpoint_values(drawn: tuple[str, list[tuple[int, Any, str]]]) -> None:
    """A state in which some values are others, or have other names, or are missing."""
    name, changes = drawn
    run = _fresh_run()
    state = torch.load("base/checkpoints/last.pt", weights_only=True)
    paths = sorted(_paths(state), key=len)
    for place, value, way in changes:
        *above, last = paths[place % (len(paths) if place % 2 else 40)]  # the first levels as often as all others
        node = state
        try:
            for key in above:
                node = node[key]
            node[last]
        except (LookupError, TypeError):
            continue  # gone with an earlier change
        if way == "renamed" and isinstance(node, dict):
            node[f"{last}\x1b[31m\n"] = node.pop(last)
        elif way == "removed":
            del node[last]
        else:
            node[last] = value
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    try:
        torch.save(state, run / "checkpoints" / "last.pt")
    except (RecursionError, pickle.PicklingError, OverflowError, RuntimeError):
        return  # nothing that can be stored
    command(*COMMANDS[name])


# Name -> inputs, and what they are handed to.
KINDS: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "run directory": (
        st.tuples(
            st.sampled_from(list(COMMANDS)),
            st.lists(
                st.tuples(st.sampled_from(PLACES), st.sampled_from(list(MAKERS)) | CONTENTS), min_size=1, max_size=2
            ),
        ),
        _spoiled,
    ),
    "checkpoint archives": (st.tuples(st.sampled_from(["sample", "resume", "export"]), SHAPES), _checkpoint_archive),
    "checkpoint values": (
        st.tuples(
            st.sampled_from(["sample", "resume", "resume", "export"]),
            st.lists(
                st.tuples(st.integers(0, 9999), ANYTHING, st.sampled_from(["value", "value", "renamed", "removed"])),
                min_size=1,
                max_size=2,
            ),
        ),
        _checkpoint_values,
    ),
}
