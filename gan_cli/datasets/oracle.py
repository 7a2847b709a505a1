"""The synthetic oracle of the SeqGAN paper: an LSTM with random weights that samples sequences and scores them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_cli.architectures.language_model import nll, sample_sequences
from gan_cli.architectures.lstm import LSTMLanguageModel
from gan_cli.components.ranges import Range, Seed, check_ranges
from gan_cli.data.array_files import ArrayFileError, read_npz
from gan_cli.data.memory import require_memory
from gan_cli.datasets.base import expand_path, is_present
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Sequences
from gan_cli.runtime.rng import seeded_generator
from gan_cli.storage.reading import open_regular

logger = logging.getLogger(__name__)

FILE = Path("seqgan", "oracle_lstm.npz")
VOCABULARY, EMBEDDING, HIDDEN = 5000, 32, 32
# The order in which the language model concatenates its gates.
GATES = ("input_gate", "forget_gate", "output_gate", "candidate")
# Entropy of the paper's oracle in nats a token, by length: mean NLL of 10,000 of its sequences, in float64.
KNOWN_ENTROPY = {20: 5.750, 40: 5.737}
# Sequences that the entropy of another oracle or length is estimated from.
ENTROPY_SAMPLES = 4096
# The oracle without a file, and the sequences of its estimate, are the same for all runs.
ORACLE_SEED = 0
# The weights in NumPy's longest type take 5.4 MB.
MAX_FILE_BYTES = 2**23
# While sequences are drawn: a uniform number, the token, and the token again as the blocks are joined.
BYTES_PER_TOKEN = 4 + 8 + 8
# Sequences sampled or scored at a time.
BLOCK = 2048


@dataclass(frozen=True)
class LSTMOracle:
    """The known distribution of sequences of an LSTM."""

    network: LSTMLanguageModel

    def nll(self, tokens: Tensor) -> Tensor:
        """Return the negative log-likelihood of sequences ``(N, T)``, in nats a token, ``(N,)``."""
        return torch.cat([nll(self.network, block).mean(1) for block in torch.split(tokens, BLOCK)])

    def draw(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """Draw tokens ``(count, length)`` int64, on the network's and generator's device."""
        uniform = torch.rand(count, length, generator=generator, device=generator.device)
        return torch.cat([sample_sequences(self.network, block) for block in torch.split(uniform, BLOCK)])


@dataclass(frozen=True)
class Oracle:
    """Sequences drawn once from an LSTM whose weights are N(0, 1) (Yu et al. 2017, section 4).

    Args:
        root: the data root; ``~`` is the home directory. The weights are ``<root>/seqgan/oracle_lstm.npz``; without
            that file, others are drawn, the same in every run.
        length: tokens in a sequence.
        count: sequences.
        seed: of the sequences.
    """

    root: str
    length: Annotated[int, Range(1, 1024)] = 20
    count: Annotated[int, Range(1, 10_000_000)] = 10_000
    seed: Seed = 0

    licence: ClassVar[str] = "Synthetic sequences, drawn from a random LSTM (Yu et al. 2017): free of rights."

    def __post_init__(self) -> None:
        expand_path("root", self.root)
        check_ranges(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def num_bytes(self) -> int:
        """Memory of the tokens of all sequences."""
        return 8 * self.count * self.length

    @property
    def classes(self) -> int:
        """The number of classes is 0: sequences have no labels."""
        return 0

    def load(self) -> Sequences:
        """Draw sequences of the oracle; a word is the number of its token.

        Raises:
            DataError: the file does not hold an oracle.
        """
        size = self.count * self.length * BYTES_PER_TOKEN
        require_memory(size, f"{self.count:,} sequences of {self.length} tokens", "a smaller dataset.count takes fewer")
        generator = seeded_generator(self.seed, "sequences of the oracle", torch.device("cpu"))
        tokens = self.oracle(torch.device("cpu")).draw(self.count, self.length, generator)
        return Sequences(tokens.numpy(), tuple(map(str, range(VOCABULARY))))

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Return tokens ``(N, length)`` unchanged."""
        return samples

    def oracle(self, device: torch.device) -> LSTMOracle:
        """Return the distribution, on the device."""
        if is_present(self._file):
            return LSTMOracle(_build_network(_read(self._file)).to(device))
        logger.info("%s: not there; an oracle of the same sizes with weights from N(0, 1) instead", self._file)
        return LSTMOracle(_build_network(_random_weights()).to(device))

    @property
    def entropy(self) -> float:
        """Entropy in nats a token: a known value for the paper's oracle, else estimated from sequences."""
        if is_present(self._file) and self.length in KNOWN_ENTROPY:
            return KNOWN_ENTROPY[self.length]
        oracle = self.oracle(torch.device("cpu"))
        generator = seeded_generator(ORACLE_SEED, "entropy of the oracle", torch.device("cpu"))
        return float(oracle.nll(oracle.draw(ENTROPY_SAMPLES, self.length, generator)).double().mean())

    @property
    def _file(self) -> Path:
        return expand_path("root", self.root) / FILE


def _array_shapes() -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each array in an oracle's file."""
    gates: dict[str, tuple[int, ...]] = {}
    for gate in GATES:
        gates |= {f"{gate}_w": (EMBEDDING, HIDDEN), f"{gate}_u": (HIDDEN, HIDDEN), f"{gate}_b": (HIDDEN,)}
    output = {"vocabulary_w": (HIDDEN, VOCABULARY), "vocabulary_b": (VOCABULARY,)}
    return {"embedding": (VOCABULARY, EMBEDDING), **gates, **output}


def _read(path: Path) -> dict[str, FloatArray]:
    """Read the arrays of a file, and check their shapes and values."""
    shapes = _array_shapes()
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise ArrayFileError(f"{size} bytes, where an oracle takes {MAX_FILE_BYTES} at most")
            arrays = read_npz(file, MAX_FILE_BYTES, shapes)
    except (OSError, ArrayFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read as an .npz file of numbers ({reason})") from error
    for key, shape in shapes.items():
        if key not in arrays:
            raise DataError(f"{path}: there is no array '{key}'; expected one of shape {shape}")
        array = arrays[key]
        if array.shape != shape or array.dtype.kind != "f":
            raise DataError(
                f"{path}: '{key}' is {array.dtype} of shape {array.shape}; expected floating-point numbers of shape"
                f" {shape}"
            )
        with np.errstate(over="ignore"):
            arrays[key] = array.astype(np.float32)
        if not np.isfinite(arrays[key]).all():
            raise DataError(f"{path}: '{key}' has numbers that are not finite")
    return arrays


def _random_weights() -> dict[str, FloatArray]:
    """Draw an oracle's arrays from N(0, 1)."""
    generator = seeded_generator(ORACLE_SEED, "weights of the oracle", torch.device("cpu"))
    return {key: torch.randn(shape, generator=generator).numpy() for key, shape in _array_shapes().items()}


@torch.no_grad()
def _build_network(arrays: Mapping[str, FloatArray]) -> LSTMLanguageModel:
    """Return the LSTM with those weights, without gradients."""
    network = LSTMLanguageModel(VOCABULARY, EMBEDDING, HIDDEN).requires_grad_(False)
    joined = {
        "embedding": arrays["embedding"],
        "input_w": np.concatenate([arrays[f"{gate}_w"] for gate in GATES], axis=1),
        "state_w": np.concatenate([arrays[f"{gate}_u"] for gate in GATES], axis=1),
        "gate_b": np.concatenate([arrays[f"{gate}_b"] for gate in GATES]),
        "vocabulary_w": arrays["vocabulary_w"],
        "vocabulary_b": arrays["vocabulary_b"],
    }
    network.load_state_dict({key: torch.from_numpy(array) for key, array in joined.items()})
    return network
