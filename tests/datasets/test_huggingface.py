"""Hugging Face datasets: real parquet files read by the real library, and a hub on this machine."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from gan_cli.datasets.huggingface import HuggingFace
from gan_cli.errors import ConfigError, DataError, InvalidValueError
from tests.conftest import Command
from tests.datasets.test_image_folder import picture, reference

SIZE = 16
COUNT = 7


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """The library, kept from looking anything up on the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets", reason="needs gan-cli[huggingface]")


def encoded(seed: int) -> bytes:
    stream = io.BytesIO()
    picture(seed, 20, 24).save(stream, "PNG")
    return stream.getvalue()


def table(folder: Path, name: str = "train-00000-of-00001.parquet", count: int = COUNT, **columns: list) -> Path:
    """A parquet file as the hub stores images: pairs of bytes and path, without a word about the library."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs gan-cli[huggingface]")
    import pyarrow

    images = [{"bytes": encoded(seed), "path": None} for seed in range(count)]
    defaults = {"image": images, "file": [encoded(seed) for seed in range(count)], "label": [0, 2, 1] * 20}
    words = {"animal": ["dog", "cat", "eel"] * 20, "weight": [0.5] * count}
    content = {**defaults, **words, **columns}
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({key: values[:count] for key, values in content.items()}), folder / name)
    return folder


def dataset(folder: Path, root: Path, **settings: object) -> HuggingFace:
    return HuggingFace(**{"name": str(folder), "root": str(root), "size": SIZE, **settings})  # type: ignore[arg-type]


def expected(count: int = COUNT, mode: str = "RGB") -> np.ndarray:
    return np.stack([reference(picture(seed, 20, 24), SIZE, mode) for seed in range(count)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "animals"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def caches(root: Path) -> list[Path]:
    return sorted(path.parent for path in (root / "huggingface").glob("*/meta.json"))


@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl", "train/a.png", "metadata.csv", "data.zip"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_folder_with_a_file_that_never_ends(
    library: object, folder: Path, root: Path, name: str, make: Callable[[Path], object]
) -> None:
    table(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    make(folder / name)
    with pytest.raises(DataError, match=rf"{name}: cannot be read \(not a regular file\)$"):
        dataset(folder, root).load()


@pytest.mark.parametrize("name", ["train-1.parquet", "train-1.jsonl", "metadata.csv"])
def test_sparse_file_costs_one_line(library: object, folder: Path, root: Path, name: str) -> None:
    table(folder)
    (folder / name).touch()
    os.truncate(folder / name, 100 * 2**30)
    with pytest.raises(DataError) as caught:
        dataset(folder, root).load()
    assert "\n" not in str(caught.value)


def test_run_below_the_data_is_not_learned(library: object, folder: Path, root: Path) -> None:
    table(folder)
    run = folder / "outputs" / "1"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").touch()
    with pytest.raises(DataError, match=r"outputs/1: a run directory below the data, .* move it, or the data$"):
        dataset(folder, root).load()


@pytest.mark.parametrize("column", ["image", "file"])
@pytest.mark.parametrize("channels", [1, 3])
def test_parquet_files_are_read_in_order(library: object, folder: Path, root: Path, column: str, channels: int) -> None:
    table(folder)
    data = dataset(folder, root, column=column, channels=channels)
    images = data.load()
    assert images.pixels.shape == (COUNT, *data.shape)
    assert np.array_equal(images.pixels, expected(mode="L" if channels == 1 else "RGB"))
    assert (images.labels, data.classes) == (None, 0)


def test_the_librarys_own_images_and_classes(library: object, folder: Path, root: Path) -> None:
    """A column of images and one of classes, as the library writes them."""
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["z", "y", "x"])})  # type: ignore[attr-defined]
    rows = {"image": [picture(seed, 20, 24) for seed in range(COUNT)], "label": [2, 0, 2, 2, 0, 2, 2]}
    written = library.Dataset.from_dict(rows, features=features)  # type: ignore[attr-defined]
    folder.mkdir()
    written.to_parquet(folder / "train.parquet")
    images = dataset(folder, root, label_column="label").load()
    assert np.array_equal(images.pixels, expected())
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == rows["label"]


def test_several_files_and_splits(library: object, folder: Path, root: Path) -> None:
    table(folder, "train-00000-of-00002.parquet")
    table(folder, "train-00001-of-00002.parquet", count=3)
    table(folder, "test-00000-of-00001.parquet", count=2)
    assert np.array_equal(dataset(folder, root).load().pixels, np.concatenate([expected(), expected(3)]))
    assert np.array_equal(dataset(folder, root, split="test").load().pixels, expected(2))


@pytest.mark.parametrize(
    ("column", "labels"),
    [("label", [0, 2, 1, 0, 2, 1, 0]), ("animal", [1, 0, 2, 1, 0, 2, 1])],
    ids=["numbers", "words"],
)
def test_labels_are_numbered_in_their_order(
    library: object, folder: Path, root: Path, column: str, labels: list[int]
) -> None:
    data = dataset(table(folder), root, label_column=column)
    assert data.classes is None
    for _ in range(2):  # the second time from the cache
        images = data.load()
        assert images.labels is not None
        assert images.labels.tolist() == labels


def test_second_load_decodes_nothing_but_a_change_makes_another_cache(
    library: object, folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(folder)
    first = dataset(folder, root).load()
    with monkeypatch.context() as patched:
        patched.setattr("gan_cli.data.image_decoding.decode", None)
        second = dataset(folder, root).load()
    assert isinstance(second.pixels, np.memmap)
    assert np.array_equal(first.pixels, second.pixels)
    dataset(folder, root, size=SIZE + 1).load()
    dataset(folder, root, column="file").load()
    table(folder, count=3)
    assert len(dataset(folder, root).load().pixels) == 3
    assert len(caches(root)) == 4


def test_images_that_cannot_be_decoded(
    library: object, folder: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, missing, and a path that leads out of the dataset."""
    (folder.parent / "secret.png").write_bytes(encoded(9))
    images = [{"bytes": encoded(seed), "path": None} for seed in range(COUNT)]
    images[1] = {"bytes": b"no image", "path": "1.png"}
    images[3] = {"bytes": None, "path": str(folder.parent / "secret.png")}
    images[4] = None  # type: ignore[call-overload]
    table(folder, image=images)
    loaded = dataset(folder, root, label_column="label").load()
    assert np.array_equal(loaded.pixels, expected()[[0, 2, 5, 6]])
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 1, 0]
    assert "left out 3 of 7 images that cannot be decoded, first row 1 (no PNG" in caplog.text
    with pytest.raises(DataError, match=r"animals: row 1: cannot be decoded \(no PNG.*dataset.strict=false"):
        dataset(folder, root, strict=True).load()


def test_paths_within_the_dataset_are_read(library: object, folder: Path, root: Path) -> None:
    """A folder of files with a table of their names, as the library's "imagefolder" has it."""
    (folder / "train").mkdir(parents=True)
    for seed in range(3):
        (folder / "train" / f"{seed}.png").write_bytes(encoded(seed))
    lines = [f'{{"file_name": "{seed}.png", "kind": "k{seed % 2}"}}' for seed in range(3)]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(lines))
    loaded = dataset(folder, root, label_column="kind").load()
    assert np.array_equal(loaded.pixels, expected(3))
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"column": "imag"},
            r"there is no column 'imag'\. Did you mean 'image'\? There are: image, file, label, animal",
        ),
        ({"label_column": "lable"}, r"there is no column 'lable'\. Did you mean 'label'\?"),
        ({"column": "animal"}, "column 'animal' holds .*string.*; expected images or their files' bytes"),
        ({"label_column": "weight"}, "row 0 has the label 0.5 in column 'weight'; expected an integer or a word"),
        ({"split": "trian"}, r"there is no split 'trian'\. Did you mean 'train'\? There are: train"),
        ({"subset": "other"}, "cannot be read .*other"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    library: object, folder: Path, root: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        dataset(table(folder), root, **settings).load()
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert caches(root) == []


def test_classes_without_a_label_are_refused(library: object, folder: Path, root: Path) -> None:
    """-1 is how the hub marks the withheld labels of a test set."""
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["a", "b"])})  # type: ignore[attr-defined]
    rows = {"image": [picture(0), picture(1)], "label": [1, -1]}
    folder.mkdir()
    library.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="row 1 has the label -1 in column 'label'; expected 0 to 1"):
        dataset(folder, root, label_column="label").load()


def test_damaged_and_empty_folders(library: object, folder: Path, root: Path) -> None:
    place = table(folder) / "train-00000-of-00001.parquet"
    place.write_bytes(place.read_bytes()[:-50])
    with pytest.raises(DataError, match="animals: cannot be read"):
        dataset(folder, root).load()
    place.unlink()
    with pytest.raises(DataError, match="animals: cannot be read"):
        dataset(folder, root).load()
    table(folder, image=[{"bytes": b"no image", "path": None}] * COUNT)
    with pytest.raises(DataError, match=r"animals: none of the 7 images can be decoded, first row 0 \("):
        dataset(folder, root).load()
    assert caches(root) == []


def test_a_folder_that_is_not_there_is_never_looked_up_on_the_hub(library: object, folder: Path, root: Path) -> None:
    table(folder)
    with pytest.raises(DataError, match=r"there is no folder .*/animal\. Did you mean 'animals'\?"):
        dataset(folder.parent / "animal", root).load()


@pytest.mark.parametrize(
    ("release", "message"),
    [(None, r"is not installed: pip install 'gan-cli\[huggingface\]'"), ("3.6.0", "run code that a dataset brings")],
)
def test_a_missing_or_old_library_is_reported_before_anything_is_done(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch, release: str | None, message: str
) -> None:
    def version(name: str) -> str:
        if release is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return release

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ConfigError, match=message) as caught:
        dataset(folder, root).load()
    assert caught.value.exit_status == 2
    assert not root.exists()


def test_a_broken_library_is_reported(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise ImportError(f"{name} has no pyarrow")

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.0.0")
    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ConfigError, match=r"fails \(datasets has no pyarrow\): pip install"):
        dataset(folder, root).load()


@pytest.mark.parametrize(
    "settings",
    [
        {"name": None},
        {"name": ""},
        {"root": ""},
        {"column": ""},
        {"label_column": ""},
        {"label_column": "image"},
        {"split": ""},
        {"size": 3},
        {"channels": 2},
        {"workers": 0},
    ],
)
def test_wrong_values_are_refused_before_anything_is_read(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        HuggingFace(**{"name": "owner/name", "root": "data", **settings})  # type: ignore[arg-type]
    assert [caught.value.key] == list(settings)


COMMIT = "c0ffee" + 34 * "0"


@pytest.fixture
def hub(folder: Path) -> Iterator[str]:
    """A hub with one dataset, ``owner/animals``: what the library asks the real one for, answered from ``folder``."""
    files = {"README.md": b"---\nlicense: mit\n---\n"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.update({f"data/{path.name}": path.read_bytes() for path in folder.glob("*.parquet")})
            path = urlsplit(self.path).path
            repository = "/datasets/owner/animals/"
            if path == f"/api{repository}revision/{COMMIT}":
                self.answer({"id": "owner/animals", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
            elif path == f"/api{repository}tree/{COMMIT}":
                self.answer([{"type": "directory", "path": "data", "oid": COMMIT, "size": 0}])
            elif path == f"/api{repository}tree/{COMMIT}/data":
                parquet = [name for name in files if name.startswith("data/")]
                entries = [{"path": name, "oid": COMMIT, "size": len(files[name])} for name in parquet]
                self.answer([{"type": "file", **entry} for entry in entries])
            elif path.startswith(repository) and (name := path.split("/", 6)[-1]) in files:
                self.send(files[name])
            else:
                missing = "EntryNotFound" if path.startswith(repository) else "RepoNotFound"
                self.send(b"", 404, {"X-Error-Code": missing})

        do_HEAD = do_GET  # noqa: N815

        def answer(self, content: object) -> None:
            self.send(json.dumps(content).encode(), headers={"Content-Type": "application/json"})

        def send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
            whole, wanted = len(content), self.headers.get("Range")
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT, **(headers or {})}
            if wanted and status == 200:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                content, status = content[int(first) : int(last) + 1], 206
                headers["Content-Range"] = f"bytes {first}-{int(first) + len(content) - 1}/{whole}"
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


LOAD = """
import sys
import numpy as np
from gan_cli.datasets.huggingface import HuggingFace
from gan_cli.errors import DataError
try:
    images = HuggingFace(sys.argv[1], sys.argv[2], size=16, label_column="label").load()
except DataError as error:
    sys.exit(f"DataError: {error}")
np.savez(sys.argv[3], pixels=images.pixels, labels=images.labels)
"""


def from_hub(name: str, root: Path, endpoint: str, out: Path) -> str:
    """Load in a process of its own, as the library reads its settings once; returns what went wrong."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(root / "home"), "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    command = [sys.executable, "-c", LOAD, name, str(root), str(out)]
    done = subprocess.run(command, env={**kept, **settings}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or "DataError: " in done.stderr, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_dataset_of_the_hub(folder: Path, root: Path, hub: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs gan-cli[huggingface]")
    table(folder)
    assert "DataError" not in from_hub("owner/animals", root, hub, tmp_path / "out.npz")
    loaded = np.load(tmp_path / "out.npz")
    assert np.array_equal(loaded["pixels"], expected())
    assert loaded["labels"].tolist() == [0, 2, 1, 0, 2, 1, 0]
    assert len(caches(root)) == 1
    output = from_hub("owner/nothing", root, hub, tmp_path / "out.npz")
    assert "DataError: owner/nothing: cannot be read (Dataset 'owner/nothing' doesn't exist" in output


def test_it_trains(library: object, folder: Path, gan_train: Command) -> None:
    table(folder)
    done = gan_train(
        "dataset=huggingface",
        f"dataset.name={folder}",
        "dataset.size=8",
        "architecture=mlp",
        "train.steps=2",
        "train.batch_size=4",
        "train.sample_count=4",
        "train.log_every=1",
    )
    assert done.status == 0, done.err
