from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_cli.datasets.oracle import FILE, KNOWN_ENTROPY, Oracle
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.protocols.data import KnownDistribution
from tests.conftest import real_data_root

CPU = torch.device("cpu")
GATES = ("input_gate", "forget_gate", "output_gate", "candidate")


def arrays() -> dict[str, npt.NDArray[np.float32]]:
    draw = np.random.default_rng(0).standard_normal
    shapes: dict[str, tuple[int, ...]] = {"embedding": (5000, 32), "vocabulary_w": (32, 5000), "vocabulary_b": (5000,)}
    for gate in GATES:
        shapes |= {f"{gate}_w": (32, 32), f"{gate}_u": (32, 32), f"{gate}_b": (32,)}
    return {key: draw(shape).astype(np.float32) for key, shape in shapes.items()}


def save(root: Path, content: dict[str, npt.NDArray[np.generic]]) -> Oracle:
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **content)  # type: ignore[arg-type]
    return Oracle(str(root), count=8)


def by_hand(w: dict[str, npt.NDArray[np.float64]], tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Nats a token of each sequence in float64, by the description of the file."""
    count, length = tokens.shape
    h, c, before = np.zeros((count, 32)), np.zeros((count, 32)), np.zeros(count, dtype=np.int64)
    total = np.zeros(count)
    for place in range(length):
        x = w["embedding"][before]
        i, f, o, candidate = (x @ w[f"{g}_w"] + h @ w[f"{g}_u"] + w[f"{g}_b"] for g in GATES)
        c = c / (1 + np.exp(-f)) + np.tanh(candidate) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        logits = h @ w["vocabulary_w"] + w["vocabulary_b"]
        logits -= logits.max(1, keepdims=True)
        before = tokens[:, place]
        total += np.log(np.exp(logits).sum(1)) - logits[np.arange(count), before]
    return total / length


def test_scores_are_those_of_the_file_in_float64(tmp_path: Path) -> None:
    content = arrays()
    oracle = save(tmp_path, content).oracle(CPU)
    tokens = torch.randint(5000, (16, 6), generator=torch.Generator().manual_seed(0))
    expected = by_hand({key: array.astype(np.float64) for key, array in content.items()}, tokens.numpy())
    np.testing.assert_allclose(oracle.nll(tokens).numpy(), expected, rtol=1e-5)


def test_the_papers_oracle_scores_its_own_sequences_at_its_entropy() -> None:
    root = real_data_root()
    dataset = Oracle(str(root), count=10_000)
    if not (root / FILE).exists():
        pytest.skip(f"needs {FILE} below GAN_DATA")
    tokens = torch.from_numpy(dataset.load().tokens)
    assert float(dataset.oracle(CPU).nll(tokens).mean()) == pytest.approx(5.750, abs=0.01)
    assert dataset.entropy == KNOWN_ENTROPY[20]
    uniform = torch.randint(5000, (1000, 20), generator=torch.Generator().manual_seed(0))
    assert float(dataset.oracle(CPU).nll(uniform).mean()) == pytest.approx(11.416, abs=0.05)


def test_without_a_file_the_same_other_weights_are_drawn_and_this_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = Oracle(str(tmp_path), count=50, length=5)
    with caplog.at_level(logging.INFO):
        first = dataset.load()
    assert "weights from N(0, 1) instead" in caplog.text
    assert str(tmp_path / FILE) in caplog.text
    again = Oracle(str(tmp_path), count=50, length=5).load()
    np.testing.assert_array_equal(first.tokens, again.tokens)
    other = Oracle(str(tmp_path), count=50, length=5, seed=1).load()
    assert (first.tokens != other.tokens).any()
    weights = dataset.oracle(CPU).network.vocabulary_w
    assert float(weights.std()) == pytest.approx(1.0, abs=0.01)


def test_an_entropy_that_nobody_measured_is_estimated(tmp_path: Path) -> None:
    dataset = Oracle(str(tmp_path), count=1000, length=3)
    assert isinstance(dataset, KnownDistribution)
    own = dataset.oracle(CPU).nll(torch.from_numpy(dataset.load().tokens)).mean()
    assert dataset.entropy == pytest.approx(float(own), abs=0.15)
    assert dataset.entropy == dataset.entropy


def test_sequences_are_words_and_have_a_shape(tmp_path: Path) -> None:
    dataset = Oracle(str(tmp_path), count=3, length=4)
    sequences = dataset.load()
    assert (dataset.shape, dataset.classes) == ((4,), 0)
    assert sequences.tokens.shape == (3, 4)
    assert sequences.tokens.dtype == np.int64
    assert sequences.end is None
    assert sequences.to_sentences(np.array([[4, 0, 17, 4999]]))[0] == "4 0 17 4999"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"embedding": np.zeros((5000, 16), np.float32)},
            r"'embedding' is float32 of shape \(5000, 16\); .*\(5000, 32\)",
        ),
        ({"forget_gate_b": np.zeros(33, np.float32)}, r"'forget_gate_b' is float32 of shape \(33,\); .*\(32,\)"),
        ({"vocabulary_b": np.zeros(5000, np.int64)}, r"'vocabulary_b' is int64 of shape \(5000,\)"),
        ({"candidate_u": np.full((32, 32), np.nan, np.float32)}, r"'candidate_u' has numbers that are not finite"),
        ({"output_gate_w": None}, r"there is no array 'output_gate_w'; expected one of shape \(32, 32\)"),
    ],
)
def test_files_of_other_things_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    content = {key: array for key, array in (arrays() | change).items() if array is not None}
    dataset = save(tmp_path, content)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message) as error:
        dataset.load()
    assert str(tmp_path / FILE) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00v\x00{}"])
def test_files_that_are_no_archive_are_refused(tmp_path: Path, content: bytes) -> None:
    dataset = save(tmp_path, {})
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DataError, match="npz"):
        dataset.load()


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    dataset = save(tmp_path, {})
    with (tmp_path / FILE).open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"cannot be read as an \.npz file of numbers \(no whole zip"):
        dataset.load()


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    dataset = save(tmp_path, {**arrays(), "embedding": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        dataset.load()


@pytest.mark.parametrize("wrong", [{"length": 0}, {"count": 0}, {"seed": -1}, {"root": ""}])
def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        Oracle(**({"root": str(tmp_path)} | wrong))  # type: ignore[arg-type]
