"""Features, moments and floors in the store: what is not whole is computed anew, and a line says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gan_cli.data.cache import Store, deserialize_arrays, serialize_arrays
from gan_cli.evaluation.backbones.base import BackboneOutput, Samples, to_floats
from gan_cli.evaluation.real_data import RealData, real_data
from gan_cli.evaluation.reference_features import ReferenceFeatures, cached_metrics, compute_reference
from gan_cli.metrics.frechet import frechet_distance
from gan_cli.protocols.data import Images
from tests.conftest import log_messages


class Flat:
    """A backbone whose features are pixels, and whose classes are those of their brightness."""

    name: ClassVar[str] = "flat"
    cacheable: ClassVar[bool] = True
    checksum = "none"
    facts: ClassVar[Mapping[str, Any]] = {}
    calls = 0

    def extract(self, samples: Samples) -> BackboneOutput:
        self.calls += len(samples) > 1
        features = to_floats(samples.reshape(len(samples), -1))  # type: ignore[arg-type]
        return BackboneOutput(features, (features.mean(axis=1) > 0).astype(np.int64))


def few_images() -> RealData:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    return real_data(Images(pixels, np.arange(60) % 2), None, 20, 0.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Store(tmp_path / "root")


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "root" / "references").iterdir())


def computed(store: Store) -> ReferenceFeatures:
    return compute_reference(few_images(), Flat(), 20, store)


def same(found: ReferenceFeatures, exact: ReferenceFeatures) -> None:
    assert found.checksum == exact.checksum
    assert np.array_equal(found.training, exact.training)
    assert np.array_equal(found.floor_samples.features, exact.floor_samples.features)
    assert found.floor_samples.predicted is not None
    assert exact.floor_samples.predicted is not None
    assert np.array_equal(found.floor_samples.predicted, exact.floor_samples.predicted)
    assert found.gaussian_moments is not None
    assert exact.gaussian_moments is not None
    assert frechet_distance(found.gaussian_moments, exact.gaussian_moments) == pytest.approx(0, abs=1e-12)


def rewritten(change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Callable[[Path], object]:
    """A change of the arrays in a file, with a checksum that fits."""
    return lambda path: path.write_bytes(serialize_arrays(change(deserialize_arrays(path.read_bytes()))))


def each(change: Callable[[Any], Any]) -> Callable[[Path], object]:
    """The same change of every array in a file."""
    return rewritten(lambda arrays: {name: change(array) for name, array in arrays.items()})


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**36)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"garbage" * 100),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no arrays": rewritten(lambda arrays: {}),
    "other names": rewritten(lambda arrays: {f"{name}s": array for name, array in arrays.items()}),
    "rows": each(lambda array: array[:-1] if array.ndim else array[None]),
    "columns": each(lambda array: np.repeat(array, 2, axis=-1) if array.ndim else array),
    "complex": each(lambda array: array.astype(np.complex128)),
    "text": each(lambda array: array.astype(str)),
    "not finite": each(lambda array: np.full_like(array, np.nan) if array.dtype.kind == "f" else array - 9),
    "no axis": each(lambda array: np.array(1.0)),
    "fifo": fifo,
    "sparse": sparse,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_whole_is_computed_anew(
    damage: str, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exact = computed(store)
    kept = files(tmp_path)
    assert len(kept) == 3  # features of two roles, and moments
    for path in kept:
        DAMAGE[damage](path)
    with caplog.at_level("WARNING", "gan_cli"):
        same(computed(store), exact)
    assert len([line for line in log_messages(caplog) if "computed again" in line]) == 3
    caplog.clear()
    with caplog.at_level("WARNING", "gan_cli"):
        backbone = Flat()
        same(compute_reference(few_images(), backbone, 20, store), exact)
    assert not log_messages(caplog)
    assert backbone.calls == 0


def test_classes_that_there_are_not_are_computed_anew(store: Store, tmp_path: Path) -> None:
    """Of a class of 10^12, a histogram would fill the memory."""
    exact = computed(store)
    for path in files(tmp_path):
        arrays = deserialize_arrays(path.read_bytes())
        if "predicted" in arrays:
            path.write_bytes(serialize_arrays({**arrays, "predicted": arrays["predicted"] + 10**12}))
    same(computed(store), exact)


METRICS: list[Mapping[str, Any]] = [
    {"names": np.array(["a"]), "values": np.array([1.0, 2.0])},
    {"names": np.array(["c"]), "values": np.array([1.0])},
    {"names": np.array([1]), "values": np.array([1.0])},
    {"names": np.array(["a"]), "values": np.array(["1"])},
    {"names": np.array("a"), "values": np.array(1.0)},
    {"values": np.array([1.0])},
]


@pytest.mark.parametrize("forged", METRICS)
def test_forged_metrics_are_computed_anew(
    forged: Mapping[str, Any], store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def measured() -> dict[str, float]:
        return cached_metrics(store, {"what": "floor"}, ("a", "b"), lambda: {"a": 3.0, "b": float("nan")})

    assert str(measured()) == "{'a': 3.0, 'b': nan}"
    (path,) = files(tmp_path)
    path.write_bytes(serialize_arrays(forged))
    with caplog.at_level("WARNING", "gan_cli"):
        assert str(measured()) == "{'a': 3.0, 'b': nan}"
    assert "computed again" in log_messages(caplog)[0]


def test_no_metrics_are_kept_as_none(store: Store) -> None:
    for _ in range(2):
        assert cached_metrics(store, {"what": "floor"}, ("a",), dict) == {}
