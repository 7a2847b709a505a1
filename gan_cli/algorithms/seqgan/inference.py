"""Load the trained language model of a run from its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_cli.architectures import language_model
from gan_cli.architectures.lstm import LSTMLanguageModel
from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.errors import truncated_repr
from gan_cli.inference.loading import checkpoint_errors, data_identity_in, run_dataset
from gan_cli.protocols.architecture import SequenceArchitecture
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import MAX_WORD_LENGTH, Dataset, Sequences
from gan_cli.runtime.rng import seeded_generator
from gan_cli.storage.stored_model import StoredModel

# Sequences sampled at a time.
BLOCK = 1024
# A checkpoint with more words is damaged; memory for them would be allocated before any other check.
MAX_WORDS = 1_000_000


@dataclass(frozen=True)
class TrainedLanguageModel:
    """The trained language model of a run.

    Attributes:
        network: the LSTM, in evaluation mode; on the CPU, unless it was moved.
        vocabulary: its words and end token, as ``Sequences`` without rows.
        dataset: the dataset it learned.
        step: number of steps it was trained for.
        data: identity of the data that it was trained on, as the checkpoint has it; None: unknown.
    """

    network: LSTMLanguageModel
    vocabulary: Sequences
    dataset: Dataset
    step: int
    data: Mapping[str, Any] | None

    def sample(self, count: int, seed: int, temperature: float = 1.0) -> IntArray:
        """Sample tokens ``(count, T)``: the same for the same seed; a lower temperature favours likelier tokens."""
        stream = seeded_generator(seed, "written", torch.device("cpu"))
        # Drawn on the CPU: the same numbers whichever device the network lies on.
        uniform = torch.rand(count, *self.dataset.shape, generator=stream).to(self.network.vocabulary_w.device)
        blocks = [
            language_model.sample_sequences(self.network, block, self.vocabulary.end, temperature)
            for block in torch.split(uniform, BLOCK)
        ]
        tokens: IntArray = torch.cat(blocks).cpu().numpy()
        return tokens

    def nll(self, tokens: Tensor) -> Tensor:
        """Return the negative log-likelihood of sequences ``(N, T)``, up to their ends, in nats a token, ``(N,)``."""
        mask = language_model.token_mask(tokens, self.vocabulary.end)
        return (language_model.nll(self.network, tokens) * mask).sum(1) / mask.sum(1)


def load_language_model(model: StoredModel) -> TrainedLanguageModel:
    """Load the language model of a stored model.

    Raises:
        ConfigError: no run directory, no checkpoint, or one of other networks.
    """
    typed = validate_config(model.stored_config())
    dataset = run_dataset(model)
    architecture: SequenceArchitecture = Node.parse(typed.architecture, "architecture", SequenceArchitecture).build()
    state = model.load_state()
    with checkpoint_errors(model.weights_path):
        algorithm = state["algorithm"]
        vocabulary = _vocabulary(algorithm, dataset)
        network = architecture.language_model(len(vocabulary.words))
        network.load_state_dict(algorithm["generator"])
        step, data = int(state["step"]), data_identity_in(state)
    assert isinstance(network, LSTMLanguageModel)
    return TrainedLanguageModel(network.eval().requires_grad_(False), vocabulary, dataset, step, data)


def _vocabulary(algorithm: Mapping[str, Any], dataset: Dataset) -> Sequences:
    """Return the words of a checkpoint as ``Sequences`` without rows; raises ``ValueError`` where they are damaged."""
    words, end, between = algorithm["words"], algorithm["end"], algorithm["between"]
    if not 0 < len(words) <= MAX_WORDS:
        raise ValueError(f"it has {len(words)} words")
    if not all(isinstance(word, str) and len(word) <= MAX_WORD_LENGTH for word in (*words, between)):
        raise ValueError(f"expected words of {MAX_WORD_LENGTH} characters at most")
    if end is not None and not (isinstance(end, int) and 0 <= end < len(words)):
        raise ValueError(f"expected the end token below {len(words)}, got {truncated_repr(end)}")
    no_rows: IntArray = np.empty((0, *dataset.shape), np.int64)
    return Sequences(no_rows, tuple(words), end, between)
