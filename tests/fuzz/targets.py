"""What is fed with broken input: each target makes a file or an argument of a drawn value and hands it to its reader."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.cli import bench, evaluate, export, report, sample
from gan_cli.cli import train as train_command
from gan_cli.config.compose import compose, register
from gan_cli.config.validate import validate_config
from gan_cli.data import cache
from gan_cli.data.idx import read_idx
from gan_cli.data.image_decoding import Target as Size
from gan_cli.data.image_decoding import decode
from gan_cli.datasets.oracle import Oracle
from gan_cli.datasets.text import Text, TokenUnit
from gan_cli.inference import generator
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from gan_cli.training import planning
from tests.fuzz import (
    archive_files,
    array_files,
    configuration,
    data_files,
    environment,
    evaluation,
    exported_models,
    image_files,
    labels,
    latents,
    node_kinds,
    numbers,
    run_directories,
    strategies,
    sweeps,
    table_files,
)
from tests.fuzz.commands import command
from tests.helpers.run_directories import write_run

CANARY = "canary"
IDX = b"\x00\x00\x08\x03" + struct.pack(">3I", 2, 3, 3) + bytes(18)


class Bomb:
    """Makes a folder once it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (CANARY,)


@dataclass(frozen=True)
class Fuzzed:
    """A reader and what it is fed with; it works in the present folder."""

    inputs: st.SearchStrategy[Any]
    read: Callable[[Any], object]


def _file(content: bytes, name: str = "file") -> Path:
    Path(name).write_bytes(content)
    return Path(name)


def _bytes_of(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def _pictures() -> list[bytes]:
    colours = Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint16).astype(np.uint8).reshape(12, 10, 3))
    deep = Image.fromarray((np.arange(100, dtype=np.uint16) * 600).reshape(10, 10))
    forms = [(colours, "PNG"), (colours, "JPEG"), (colours, "WEBP"), (colours, "BMP"), (colours.convert("P"), "PNG"),
             (colours.convert("CMYK"), "JPEG"), (colours.convert("LA"), "PNG"), (colours.convert("1"), "PNG"),
             (deep, "PNG"), (colours, "GIF"), (colours, "TIFF")]  # fmt: skip
    return [_bytes_of(lambda stream, each=each, form=form: each.save(stream, form)) for each, form in forms]  # type: ignore[misc]


def huge_png() -> bytes:
    """A few bytes that announce 60000x60000 pixels."""
    small = _bytes_of(lambda stream: Image.new("L", (1, 1)).save(stream, "PNG"))
    header = b"IHDR" + struct.pack(">II", 60000, 60000) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


def _image(content: bytes) -> None:
    with contextlib.suppress(Exception):  # it may refuse with any; its caller tells of each by name
        assert decode(content, Size((8, 8), 3)).shape == (3, 8, 8)


def _state() -> dict[str, Any]:
    return {"step": 3, "algorithm": {"classes": 0, "average": {"w": torch.zeros(3)}}}


def _states() -> list[bytes]:
    whole = _bytes_of(lambda stream: torch.save(_state(), stream))
    bomb = _bytes_of(lambda stream: torch.save({"step": Bomb()}, stream))
    return [whole, bomb, pickle.dumps(Bomb()), pickle.dumps(_state()["step"])]


def _checkpoint(content: bytes) -> None:
    shutil.rmtree("run", ignore_errors=True)
    Path("run").mkdir()
    _file(content, "run/last.pt")
    checkpoints.load_latest(Path("run"))


def whole_config() -> dict[str, Any]:
    register()
    config = compose(["dataset=ring8", "architecture=mlp", "architecture.generator_hidden=[8]"]).config
    plain = yaml.safe_load(OmegaConf.to_yaml(config))
    assert isinstance(plain, dict)
    return plain


WHOLE: dict[str, Any] = {}


def _run_with(config: str) -> Path:
    shutil.rmtree("run", ignore_errors=True)
    run = write_run(Path("run"))
    (run / ".hydra" / "config.yaml").write_text(config, errors="surrogatepass", encoding="utf-8")
    return run


def _paths(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = (
        [deeper for key, value in node.items() for deeper in _paths(value, (*path, key))]
        if isinstance(node, dict)
        else []
    )
    return [path, *inner] if path else inner


def _stored_config(drawn: tuple[int, Any]) -> None:
    place, value = drawn
    if not WHOLE:
        WHOLE.update(whole_config())
    config = yaml.safe_load(yaml.safe_dump(WHOLE))
    *above, last = _paths(config)[place % len(_paths(config))]
    node = config
    for key in above:
        node = node[key]
    node[last] = value
    stored = RunDirectory(_run_with(yaml.dump(config, Dumper=yaml.SafeDumper))).stored_config()
    planning.plan(stored)


def _stored_text(text: str) -> None:
    validate_config(RunDirectory(_run_with(text)).stored_config())


def _generator(drawn: tuple[Any, Any, Any]) -> None:
    """A checkpoint of tensors and plain values that are not those of the run."""
    if not WHOLE:
        WHOLE.update(whole_config())
    run = _run_with(yaml.safe_dump(WHOLE))
    (run / "checkpoints").mkdir()
    step, classes, weights = drawn
    torch.save({"step": step, "algorithm": {"classes": classes, "average": weights}}, run / "checkpoints" / "last.pt")
    generator.load_generator(RunCheckpoint(RunDirectory(run)))


def _report(drawn: tuple[str, str, str, str, bool]) -> None:
    metrics, summary, evaluation, hydra, page = drawn
    shutil.rmtree("run", ignore_errors=True)
    run = write_run(Path("run/0"))
    write_run(Path("run/1"), loss="wgan")
    for name, text in (("metrics.jsonl", metrics), ("summary.json", summary), ("evaluation.json", evaluation),
                       (".hydra/hydra.yaml", hydra)):  # fmt: skip
        (run / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    command(report.main, ["run", *(["--html", "page.html"] if page else [])])


def _npy(array: Any) -> bytes:
    return _bytes_of(lambda stream: np.save(stream, array))


def _store(content: bytes) -> None:
    with contextlib.suppress(cache.DamagedError):
        cache.deserialize_arrays(content)


TEXT = "a red bus\r\nein schöner Tag\n\n你好 世界\n".encode()
ENCODINGS = ("utf-8", "utf-16", "gb18030", "latin-1", "utf-7", "unicode_escape")


def _text(drawn: tuple[bytes, str, TokenUnit]) -> None:
    content, encoding, tokens = drawn
    loaded = Text(str(_file(content)), tokens, 4, min_count=1, encoding=encoding).load()
    assert 0 <= loaded.tokens.min() <= loaded.tokens.max() < len(loaded.words)
    assert all(loaded.to_sentences(loaded.tokens))
    "".join(loaded.words).encode()


def _npz(**arrays: Any) -> bytes:
    return _bytes_of(lambda stream: np.savez(stream, **arrays))


def _oracle(content: bytes) -> None:
    Path("seqgan").mkdir(exist_ok=True)
    _file(content, "seqgan/oracle_lstm.npz")
    Oracle(root=".", length=2, count=2).load()


def _overrides(overrides: list[str]) -> None:
    register()
    with contextlib.suppress(MemoryError):
        planning.plan(compose(overrides).config)


def _arguments(drawn: tuple[int, list[str]]) -> None:
    shutil.rmtree("run", ignore_errors=True)
    commands = (sample.main, evaluate.main, export.main, report.main, bench.main)
    place, arguments = drawn
    command(commands[place % len(commands)], [*(["dry_run=true"] if place % len(commands) == 4 else []), *arguments])


def _train(overrides: list[str]) -> None:
    command(train_command.main, ["dry_run=true", *overrides])


def _any_of(contents: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from(contents).flatmap(lambda content: st.just(content) | strategies.damaged(content))


YAML_TEXTS = st.sampled_from(
    ["", "{", "- a", "\0", "train: [1]", "a: &a [x]\nb: *a", "!!python/object/apply:os.mkdir [canary]", "a: " + "[" * 500,
     "? [a]\n: b", "1: 2", "x: !!binary aGk=", "d: 2001-01-01", "{" * 5000, "a: 9" + "9" * 5000, "'a': ${unique_dir:canary}"]
) | st.text(max_size=60) | strategies.VALUES.map(lambda value: yaml.safe_dump({"train": value, "seed": value}))  # fmt: skip

TARGETS: dict[str, Fuzzed] = {
    "idx": Fuzzed(_any_of([IDX, gzip.compress(IDX, mtime=0), IDX[:4] + b"\xff" * 12]), lambda content: read_idx(_file(content))),
    "image": Fuzzed(_any_of([*_pictures(), huge_png()]), _image),
    "checkpoint": Fuzzed(_any_of(_states()), _checkpoint),
    "weights": Fuzzed(
        st.tuples(*[st.one_of(strategies.SCALARS, st.lists(st.integers(), max_size=2), st.just(torch.zeros(2, dtype=torch.complex64)),
                              st.dictionaries(st.text(max_size=3), st.just(torch.zeros(2)) | st.none(), max_size=2))] * 3),
        _generator,
    ),
    "stored config": Fuzzed(st.tuples(st.integers(0, 500), strategies.VALUES), _stored_config),
    "stored yaml": Fuzzed(YAML_TEXTS, _stored_text),
    "report": Fuzzed(
        st.tuples(strategies.LINES, strategies.SUMMARIES, strategies.SUMMARIES, YAML_TEXTS, st.booleans()), _report
    ),
    "image cache": Fuzzed(image_files.CACHE, image_files.cache),
    "picture metadata": Fuzzed(image_files.METADATA, image_files.metadata),
    "tables": Fuzzed(table_files.TABLES, table_files.table),
    "class folders": Fuzzed(image_files.TREE, image_files.tree),
    "image archives": Fuzzed(archive_files.ARCHIVES, archive_files.archives),
    "pairs of IDX files": Fuzzed(archive_files.PAIRS, archive_files.pairs),
    "text": Fuzzed(
        st.tuples(_any_of([TEXT, b"\xef\xbb\xbf" + TEXT, TEXT.decode().encode("utf-16"), b"a b\0c\n" * 2, b"\r" * 9, b"a" * 99_999]),
                  st.sampled_from(ENCODINGS), st.sampled_from(TokenUnit)), _text
    ),
    "oracle": Fuzzed(_any_of([_npz(embedding=np.zeros((2, 2))), _npz(embedding=np.zeros((5000, 32), np.float32)),
                              _npz(embedding=np.array("x")), _npy(np.zeros(3)), b"PK\x03\x04"]), _oracle),
    "data files": Fuzzed(data_files.INPUTS, data_files.data_file),
    "store": Fuzzed(_any_of([cache.serialize_arrays({"a": np.zeros(3)})]), _store),
    "overrides": Fuzzed(strategies.OVERRIDES, _overrides),
    "command line of gan-train": Fuzzed(strategies.OVERRIDES, _train),
    "numbers": Fuzzed(numbers.INPUTS, numbers.read),
    "node kinds": Fuzzed(node_kinds.configurations(), node_kinds.read),
    "command lines": Fuzzed(st.tuples(st.integers(0, 4), strategies.ARGUMENTS), _arguments),
    **{name: Fuzzed(*kind) for name, kind in {**array_files.KINDS, **evaluation.KINDS, **exported_models.KINDS, **labels.KINDS, **latents.KINDS, **run_directories.KINDS, **configuration.KINDS, **sweeps.KINDS, **environment.KINDS}.items()},
}  # fmt: skip

__all__ = ["CANARY", "TARGETS", "Fuzzed"]
