"""What evaluation reads from outside: arrays of samples, stores of references and classifiers, numbers of commands."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from gan_cli import __version__
from gan_cli.cli import bench, evaluate, sample
from gan_cli.data.cache import DamagedError, Store, serialize_arrays
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.evaluation.backbones import classifier, classifier_network
from gan_cli.evaluation.backbones.classifier_network import Classifier
from gan_cli.evaluation.checkpoint_evaluations import CheckpointEvaluations
from gan_cli.evaluation.reference_features import cached_metrics, compute_reference
from gan_cli.evaluation.request import EvaluationRequest
from gan_cli.evaluation.run_evaluation import EvaluatedRun
from gan_cli.evaluation.runs_table import text_table
from gan_cli.evaluation.sample_files import ValueRange, read_samples
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory
from tests.evaluation.test_reference_features import Flat, few_images
from tests.fuzz.strategies import SCALARS, VALUES, damaged, json_text
from tests.helpers.run_directories import write_run

DTYPES = (
    "f2",
    "f4",
    "f8",
    ">f4",
    "g",
    "u1",
    "i1",
    "u2",
    "i4",
    "i8",
    "u8",
    "?",
    "c8",
    "U3",
    "S2",
    "M8[s]",
    "O",
    "f4,i4",
)
SHAPES: Any = st.sampled_from(
    [(12, 1, 8, 8), (12, 2), (12, 8, 8, 1), (12, 3, 8, 8), (0, 1, 8, 8), (3, 1, 8, 8), (), (12,), (12, 64)]
)
ENDS = st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 16.0), (-3.0, 3.0), (0.0, 65535.0), (0.0, 0.0),
                        (-1.002, 1.002), (5.0, 1e300), (-1e38, 1e38)])  # fmt: skip
ODD = st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 300.0])


def array_bytes(dtype: str, shape: tuple[int, ...], ends: tuple[float, float], odd: float | None, order: str) -> bytes:
    values = np.random.default_rng(0).uniform(0, 1, shape) * (ends[1] - ends[0]) + ends[0]
    if odd is not None and values.size:
        values.flat[values.size // 2] = odd
    with np.errstate(all="ignore"):
        array = np.full(shape, "a", dtype) if dtype in ("O", "U3", "S2") else values.astype(dtype)
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, order="F" if order == "F" else "C"), allow_pickle=True)
    return stream.getvalue()


def _archive(content: bytes) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, arr_0=np.frombuffer(content, np.uint8))
    return stream.getvalue()


ARRAYS = st.builds(
    array_bytes, st.sampled_from(DTYPES), SHAPES, ENDS, st.none() | ODD, st.sampled_from(["C", "F"])
)  # fmt: skip
RANGES = st.none() | st.builds(ValueRange, st.just(0.0), st.sampled_from([1.0, 16.0, 255.0, 65535.0]))


def _samples(drawn: tuple[bytes, bool, int | None, ValueRange | None]) -> None:
    content, points, count, value_range = drawn
    Path("samples.npy").write_bytes(content)
    dataset = Ring() if points else Digits()
    read = read_samples(Path("samples.npy"), dataset, count, value_range)
    assert read.samples.shape[1:] == dataset.shape
    assert read.samples.dtype == np.float32
    assert np.isfinite(read.samples).all()
    if not points:
        assert np.abs(read.samples).max() <= 1.02


def _npz(content: bytes, name: str, compressed: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def _pictures(contents: list[bytes], suffix: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for index, content in enumerate(contents):
            archive.writestr(f"{index}{suffix}", content)
    return stream.getvalue()


def _picture(size: tuple[int, int], mode: str, form: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, form)
    return stream.getvalue()


ENCODED = st.builds(
    _picture, st.sampled_from([(8, 8), (8, 8), (7, 8), (3000, 1)]), st.sampled_from(["L", "RGB", "1", "RGBA", "I;16", "P"]),
    st.just("PNG"),
)  # fmt: skip
WHOLE_PICTURES = [_picture((8, 8), "L", "PNG")] * 10
ANY_PICTURE = ENCODED.flatmap(lambda content: st.just(content) | damaged(content)) | st.binary(max_size=20)
PICTURES = st.builds(
    lambda drawn, suffix: _pictures([*WHOLE_PICTURES, *drawn], suffix),
    st.lists(ANY_PICTURE, max_size=4),
    st.sampled_from([".png", ".png", ".jpg", "/x.png", "\\x.tif"]),
)
NPZ = st.builds(_npz, ARRAYS, st.sampled_from(["samples.npy", "arr_0.npy", "x.npy", "x"]), st.booleans())


def _sample_sources(drawn: tuple[str, bytes, bool]) -> None:
    suffix, content, points = drawn
    file = Path(f"samples{suffix}")
    file.write_bytes(content)
    dataset = Ring() if points else Digits()
    read = read_samples(file, dataset)
    assert read.samples.shape[1:] == dataset.shape
    assert np.isfinite(read.samples).all()


STORED_NAMES = ("features", "predicted", "mean", "factor", "count", "names", "values", "x")
STORED_SHAPES: Any = st.sampled_from(
    [(), (0,), (1,), (16,), (40,), (20,), (40, 16), (20, 16), (16, 39), (40, 0), (2, 2)]
)


def _stored_array(dtype: str, shape: tuple[int, ...], value: float) -> Any:
    with np.errstate(all="ignore"):
        return np.full(shape, value).astype(dtype)


STORED_ARRAYS = st.builds(
    _stored_array, st.sampled_from(["f4", "f8", "i8", "i1", "c8", "U3", "?"]), STORED_SHAPES, st.just(1.0) | ODD
)
STORED = st.dictionaries(st.sampled_from(STORED_NAMES), STORED_ARRAYS, max_size=4).map(serialize_arrays)


def _reference_store(drawn: tuple[int, bytes]) -> None:
    """Replace one of the files of an evaluation: the metrics have the same names all the same."""
    place, content = drawn
    store, data = Store(Path.cwd() / "root"), few_images()

    def metrics() -> dict[str, float]:
        compute_reference(data, Flat(), 20, store)
        return cached_metrics(store, {"what": "floor"}, ("a",), lambda: {"a": 1.0})

    exact = metrics()
    files = sorted((Path.cwd() / "root" / "references").iterdir())
    files[place % len(files)].write_bytes(content)
    assert metrics().keys() <= exact.keys()


SMALL = {"format": 1, "data": "x", "recipe": {}, "shape": [1, 4, 4], "classes": 2}


def _classifier_file() -> bytes:
    network = Classifier((1, 4, 4), 2)
    stored = {**SMALL, "accuracy": 1.0, "measured_on": "4 images", "weights": network.state_dict(),
              "checksum": classifier_network.checksum(network.state_dict())}  # fmt: skip
    stream = io.BytesIO()
    torch.save(stored, stream)
    return stream.getvalue()


@st.composite
def _forged_classifiers(draw: Any) -> bytes:
    stored = torch.load(io.BytesIO(_classifier_file()), weights_only=True)
    for key in draw(st.lists(st.sampled_from(sorted(stored)), min_size=1, max_size=3)):
        inside = key == "weights" and isinstance(stored["weights"], dict) and draw(st.booleans())
        part = stored["weights"] if inside else stored
        name = draw(st.sampled_from(sorted(part))) if inside else key
        part[name] = draw(SCALARS | st.builds(torch.full, st.sampled_from([(), (1,), (2,), (32,), (2, 128)]), ODD))
    stream = io.BytesIO()
    torch.save(stored, stream)
    return stream.getvalue()


def _classifier(content: bytes) -> None:
    with contextlib.suppress(DamagedError):
        read = classifier._read(Path("classifier.pt"), content, SMALL, torch.device("cpu"))
        assert 0 <= read.facts["accuracy"] <= 1
        assert np.isfinite(read.extract(np.zeros((2, 1, 4, 4), np.uint8)).features).all()


NUMBERS = ("0", "-1", "1", "10", "12", "1e3", "1e9", "1e400", "nan", "-inf", str(10**12), str(2**63), str(2**63 - 1), "9" * 5000,
           "", " 7", "1_0", "0x5", "٣", "a", "é\udcff", "0.5", "-0", "1000001", "86401")  # fmt: skip
PLACES = (
    "new/a.npy",
    "a.png",
    "a.webp",
    "a.jpg",
    "folder",
    "folder/a.png",
    "file/a.npy",
    "run/x.png",
    "x" * 300 + ".png",
    "a.json",
)
COMMANDS: Mapping[str, tuple[Callable[[], Any], tuple[str, ...], tuple[str, ...]]] = {
    "sample": (sample.main, ("--n", "--seed", "--label", "--temperature"), ("--out", "--separate", "--walk")),
    "eval": (evaluate.main, ("--n", "--seed", "--likelihood"), ("--neighbours", "--samples")),
    "bench": (bench.main, ("--seconds",), ("--json", "--profile")),
}
COMMAND_LINES: Any = st.sampled_from(sorted(COMMANDS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(
            st.tuples(st.sampled_from(COMMANDS[name][1]), st.sampled_from(NUMBERS) | st.text(max_size=5)), max_size=3
        ),
        st.lists(st.tuples(st.sampled_from(COMMANDS[name][2]), st.sampled_from(PLACES)), max_size=1),
    )
)


def _command_line(drawn: tuple[str, list[tuple[str, str]], list[tuple[str, str]]]) -> None:
    """Give numbers and places of outputs to a command whose run has no checkpoint: a mistake costs one line before."""
    name, numbers, places = drawn
    Path("folder").mkdir(exist_ok=True)
    Path("file").write_text("")
    if not Path("run").exists():
        write_run(Path("run"))
    before = sorted(Path().iterdir())
    arguments = [text for pair in (*numbers, *places) for text in pair]
    subject = ["dataset=ring8", "dry_run=true"] if name == "bench" else ["run"]
    argv, sys.argv = sys.argv, [f"gan-{name}", *subject, *arguments]
    message = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(message):
            COMMANDS[name][0]()
    except SystemExit as left:
        assert left.code in (0, 2), left.code
    finally:
        sys.argv = argv
    assert "Traceback" not in message.getvalue()
    assert sorted(Path().iterdir()) == before


def _whole_line() -> dict[str, Any]:
    return {
        "step": 1,
        "figures": {"frechet/pixels": {"value": 1.5, "floor": None}},
        "generator": {"step": 1, "checksum": "0"},
        "samples": {"generated": 10},
        "seed": 0,
        "versions": {"gan_cli": __version__},
        "options": EvaluationRequest().options,
    }


def _changed_line(place: tuple[str, ...], value: Any) -> str:
    line = _whole_line()
    node: Any = line
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return json.dumps(line)


PLACES_OF_A_LINE = (
    *(("figures",), ("figures", "a\x1b[31m"), ("figures", "frechet/pixels", "value"), ("generator",)),
    *(("generator", "step"), ("generator", "checksum"), ("samples", "generated"), ("seed",), ("versions",)),
)
LINES = VALUES.map(json_text) | st.builds(_changed_line, st.sampled_from(PLACES_OF_A_LINE), VALUES)


def _evaluation_lines(lines: list[str]) -> None:
    """Read what was measured before, and make TensorBoard's curves of it with one more measurement."""
    run = RunDirectory(Path("run"))
    shutil.rmtree(run.path, ignore_errors=True)
    run.path.mkdir()
    run.evaluations.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    evaluated = EvaluatedRun(_whole_line())
    evaluations: Any = SimpleNamespace(of_checkpoint=lambda *which: evaluated, network_checksum=lambda *which: "0")
    checkpoints.write(run.checkpoints / "step_00000001.pt", {"step": 1})
    with contextlib.closing(CheckpointEvaluations(run, EvaluationRequest(), evaluations, str)) as measured:
        measured.evaluate_all()
    assert measured.documents.keys() == {1}
    text_table({"1": measured.documents[1]})


# Name -> inputs, and what they are handed to.
KINDS: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "sample arrays": (
        st.tuples(
            ARRAYS | ARRAYS.flatmap(damaged) | ARRAYS.map(_archive),
            st.booleans(),
            st.sampled_from([None, None, 1, 12, 13]),
            RANGES,
        ),
        _samples,
    ),
    "sample sources": (
        st.tuples(st.just(".npz"), NPZ | NPZ.flatmap(damaged), st.booleans())
        | st.tuples(st.sampled_from([".zip", ".npz"]), PICTURES | PICTURES.flatmap(damaged), st.booleans()),
        _sample_sources,
    ),
    "evaluation stores": (
        st.tuples(st.integers(0, 3), STORED | st.just(serialize_arrays({"mean": np.zeros(16)})).flatmap(damaged)),
        _reference_store,
    ),
    "command numbers": (COMMAND_LINES, _command_line),
    "evaluation lines": (st.lists(LINES, max_size=3), _evaluation_lines),
    "classifier stores": (_forged_classifiers() | st.builds(_classifier_file).flatmap(damaged), _classifier),
}
