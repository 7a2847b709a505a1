"""Data that never end: FIFOs, devices, sparse files and bombs in the place of data sets, caches and texts."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.array_files import ArrayFileError, read_npz
from gan_cli.data.cache import DamagedError, Store, deserialize_arrays, read_arrays, serialize_arrays
from gan_cli.data.idx import MAX_BYTES
from gan_cli.datasets.base import data_root
from gan_cli.datasets.cifar import Cifar10, Cifar100, CifarSplit
from gan_cli.datasets.idx import Idx
from gan_cli.datasets.mnist import FashionMnist, Mnist
from gan_cli.datasets.oracle import FILE, Oracle
from gan_cli.datasets.stl10 import Stl10
from gan_cli.datasets.svhn import Svhn
from gan_cli.datasets.text import Text, TokenUnit
from gan_cli.errors import ConfigError, DataError

SPARSE_BYTES = 100 * 2**30
MNIST, CIFAR = "mnist/train-images-idx3-ubyte", "cifar10/cifar-10-binary.tar.gz"
BATCH = "cifar10/cifar-10-batches-bin/test_batch.bin"


def sparse(path: Path, start: bytes = b"") -> None:
    path.write_bytes(start)
    os.truncate(path, SPARSE_BYTES)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another home directory, where stores are that cannot be elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


LOADS: dict[str, tuple[str, Callable[[str], object]]] = {
    "mnist": (MNIST, lambda root: Mnist(root, ()).load()),
    "gzipped mnist": (f"{MNIST}.gz", lambda root: Mnist(root, ()).load()),
    "fashion mnist": (f"fashion_{MNIST}", lambda root: FashionMnist(root, ()).load()),
    "cifar archive": (CIFAR, lambda root: Cifar10(root, ()).load()),
    "cifar batch": (BATCH, lambda root: Cifar10(root, (), CifarSplit.test).load()),
    "cifar100": ("cifar-100-binary.tar.gz", lambda root: Cifar100(root, ()).load()),
    "svhn": ("svhn/train_32x32.mat", lambda root: Svhn(root, ()).load()),
    "stl10": ("stl10/stl10_binary.tar.gz", lambda root: Stl10(root, ()).load()),
    "idx": ("x/images-idx3-ubyte", lambda root: Idx(f"{root}/x/images-idx3-ubyte").load()),
    "oracle": (str(FILE), lambda root: Oracle(root, length=2, count=2).load()),
    "text": ("text.txt", lambda root: Text(f"{root}/text.txt").load()),
}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("make", [os.mkfifo, device, sparse])
def test_file_without_end_costs_one_line(name: str, make: Callable[[Path], object], tmp_path: Path) -> None:
    file, load = LOADS[name]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    make(tmp_path / file)
    with bounded_memory(), pytest.raises(DataError) as caught:
        load(str(tmp_path))
    assert str(tmp_path / file) in str(caught.value)
    assert ("regular" if make is not sparse else "bytes") in str(caught.value) or name == "text"


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08\x08" + bytes(6), b"\0\0\x08\3" + struct.pack(">3I", 60_000, 28, 28)])
def test_sparse_file_with_a_header_is_not_read(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    sparse(tmp_path / MNIST, start)
    with pytest.raises(DataError, match=f"{SPARSE_BYTES} bytes; expected an IDX file"):
        Mnist(str(tmp_path), ()).load()


def test_gzip_bomb_is_unpacked_as_far_as_its_header_announces(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    header = b"\0\0\x08\3" + struct.pack(">3I", 50, 28, 28)
    (tmp_path / f"{MNIST}.gz").write_bytes(gzip.compress(header + bytes(10**8)))
    with bounded_memory(), pytest.raises(DataError, match="continues after the 39200 bytes"):
        Mnist(str(tmp_path), ()).load()
    (tmp_path / f"{MNIST}.gz").write_bytes(gzip.compress(b"\0\0\x08\1" + struct.pack(">I", MAX_BYTES + 1)))
    with pytest.raises(DataError, match=f"expected 1 to {MAX_BYTES}"):
        Mnist(str(tmp_path), ()).load()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archive(method: int = zipfile.ZIP_DEFLATED, encrypted: bool = False, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    content = stream.getvalue()
    if not encrypted:
        return content
    # The flag stands in the local header and in the central directory, six and eight bytes after their signatures.
    changed = bytearray(content)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        changed[content.index(signature) + offset] |= 1
    return bytes(changed)


SMALL = npy(np.zeros((5000, 32), np.float32))
HEADER = npy(np.zeros(0))[:128].replace(b"(0,), }   ", b"(9999999,)")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archive(embedding=SMALL[:128] + bytes(10**8)), "unpack to 100,000,128 bytes, more than"),
        (archive(embedding=SMALL, encrypted=True), "embedding.npy is encrypted"),
        (archive(zipfile.ZIP_BZIP2, embedding=SMALL), "another method than numpy.savez_compressed's"),
        (archive(zipfile.ZIP_LZMA, embedding=SMALL), "another method than numpy.savez_compressed's"),
        (archive(embedding=HEADER), "embedding.npy is"),
        (archive(embedding=SMALL[:-1]), "639999 bytes, where its header announces 640000"),
        (archive(embedding=npy(np.zeros(3, "V0"))), "embedding.npy is an array of"),
        (archive(embedding=b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535), "no array as NumPy stores it"),
        (archive(embedding=SMALL)[:-40], "no whole zip archive"),
    ],
    ids=lambda each: each if isinstance(each, str) else "archive",  # whose content has the time in it
)
def test_oracle_that_is_none_costs_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(content)
    with bounded_memory(), pytest.raises(DataError) as caught:
        Oracle(str(tmp_path), length=2, count=2).load()
    assert reason in str(caught.value)
    assert caught.value.exit_status == 3


def test_members_of_other_names_are_not_unpacked() -> None:
    content = archive(a=npy(np.arange(3)), bomb=bytes(10**8))
    with bounded_memory():
        arrays = read_npz(io.BytesIO(content), 1000, ("a",))
    assert {name: array.tolist() for name, array in arrays.items()} == {"a": [0, 1, 2]}
    with pytest.raises(ArrayFileError, match="100,000,152 bytes"):
        read_npz(io.BytesIO(content), 1000)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(3, dtype=">i2"),
        np.array(5, np.float32),
        np.zeros((0, 4), np.uint8),
        np.array(["ä", "bc"]),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
)
def test_arrays_of_all_kinds_come_back_as_numpy_reads_them(array: np.ndarray) -> None:
    stream = io.BytesIO()
    np.savez(stream, a=array)
    (read,) = read_npz(stream, 10_000).values()
    assert (read.dtype, read.shape, read.flags.writeable) == (array.dtype, array.shape, True)
    assert np.array_equal(read, array)


def test_arrays_of_objects_are_not_stored() -> None:
    with pytest.raises(TypeError, match="got objects in names"):
        serialize_arrays({"features": np.zeros(2), "names": np.array(["a", None], object)})


STORED = {"features": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "ä"])}


def forged(content: bytes) -> bytes:
    """The content of a stored file whose checksum is right."""
    return hashlib.sha256(content).hexdigest().encode() + content


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(forged(b"no archive")),
        lambda path: path.write_bytes(forged(archive(features=bytes(10**8)))),
        lambda path: path.write_bytes(forged(archive(zipfile.ZIP_STORED, features=HEADER))),
        lambda path: np.savez(path.open("wb"), features=np.array([{}], object)),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), sparse(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_stored_arrays_that_are_damaged_are_computed_again_with_a_warning(
    damage: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    store.load_or_compute("x", {}, lambda: STORED)
    (path,) = (tmp_path / "x").iterdir()
    damage(path)
    for _ in range(2):
        again = store.load_or_compute("x", {}, lambda: STORED)
        assert {name: array.tolist() for name, array in again.items()} == {
            name: array.tolist() for name, array in STORED.items()
        }
    (message,) = {record.getMessage() for record in caplog.records if "is damaged" in record.getMessage()}
    assert message.startswith(f"{path} is damaged (")
    assert "computed again" in message


def test_stored_arrays_of_other_kinds_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def check(arrays: object) -> None:
        raise DamagedError("another shape")

    store = Store(tmp_path)
    store.load_or_compute("x", {}, lambda: STORED)
    assert store.load_or_compute("x", {}, lambda: {"a": np.zeros(1)}, check).keys() == {"a"}
    assert "is damaged (another shape): it is computed again" in caplog.text


def test_store_that_cannot_be_written_still_gives_what_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert Store(tmp_path / "file").load_or_compute("x", {}, lambda: STORED) is STORED
    assert "cannot write x/" in caplog.text
    assert "computed again the next time" in caplog.text


def test_data_root_in_a_home_directory_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DATA", "~no-such-user/x")
    with pytest.raises(ConfigError, match=r"^no data root \(root: expected a folder .*\): .* GAN_DATA names one$"):
        data_root(None)
    assert data_root("/elsewhere") == Path("/elsewhere")


def test_store_needs_no_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gan_cli.data.cache.DEFAULT_ROOT", "~no-such-user/x")
    assert Store(tmp_path).load_or_compute("x", {}, lambda: STORED) is STORED
    assert Store(tmp_path).load_or_compute("x", {}, dict).keys() == STORED.keys()
    (tmp_path / "file").touch()
    assert Store(tmp_path / "file").load_or_compute("x", {}, lambda: STORED) is STORED
    assert "computed again the next time" in caplog.text


def test_arrays_are_checked_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(serialize_arrays(STORED))
    assert (
        read_arrays(tmp_path / "a").keys() == STORED.keys() == deserialize_arrays((tmp_path / "a").read_bytes()).keys()
    )
    sparse(tmp_path / "b")
    with pytest.raises(OSError, match="longer than"):
        read_arrays(tmp_path / "b")


@pytest.mark.parametrize("unit", TokenUnit)
def test_line_without_end_costs_one_line(unit: TokenUnit, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a b\n" + b"x " * 2**20)
    with (
        bounded_memory(),
        pytest.raises(DataError, match=r"text: line 2 is longer than 1,048,576 characters; expected sentences$"),
    ):
        Text(str(path), unit, encoding="latin-1").load()


def test_text_of_more_words_than_there_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.datasets.text.MAX_WORDS", 3)
    (tmp_path / "text").write_text("a b\nc d\n")
    with pytest.raises(DataError, match=r"text: more than 3 different words; dataset.tokens=characters has fewer$"):
        Text(str(tmp_path / "text")).load()


def test_text_of_more_sentences_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.datasets.text.data_memory", lambda: 100)
    (tmp_path / "text").write_text("a b\nc d\ne f\na b\n")
    with pytest.raises(DataError, match=r"text: more than 3 sentences of 4 tokens, .* smaller dataset.max_length"):
        Text(str(tmp_path / "text"), max_length=4).load()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "gb18030", "shift_jis", "utf-7"])
def test_lines_do_not_depend_on_where_the_chunks_end(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "日本 語\r\na日\n\r\nab\rあ\n" * 3
    (tmp_path / "text").write_bytes(content.encode(encoding))
    whole = Text(str(tmp_path / "text"), min_count=1, max_length=3, encoding=encoding).load()
    assert whole.to_sentences(whole.tokens) == ["日本 語", "a日", "ab", "あ"] * 3
    for size in (1, 2, 3, 5):
        monkeypatch.setattr("gan_cli.data.text_lines.CHUNK_BYTES", size)
        parts = Text(str(tmp_path / "text"), min_count=1, max_length=3, encoding=encoding).load()
        assert parts.words == whole.words
        assert np.array_equal(parts.tokens, whole.tokens)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("content", "encoding", "position"),
    [
        ("b\nc".encode("utf-16-le") + b"\0\xd8x\0", "utf-16", "line 2, character 2"),
        (b"\xef\xbb\xbfa\r\n\xc3\xa4b \xff", "utf-8", "line 2, character 4"),
        ("aß\r\nb".encode("utf-16") + b"\x00\xd8x\0", "utf-16", "line 2, character 2"),
        ("日\n本a".encode("gb18030") + b"\x81\x20", "gb18030", "line 2, character 3"),
        (b"a\rb\n\rx\0", "latin-1", "line 4, character 2"),
    ],
)
def test_place_of_what_is_no_text_does_not_depend_on_chunks(
    content: bytes, encoding: str, position: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_cli.data.text_lines.CHUNK_BYTES", size)
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(DataError, match=position):
        Text(str(tmp_path / "text"), encoding=encoding).load()
