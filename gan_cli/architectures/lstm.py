"""An LSTM language model, and the convolutional discriminator of its sequences (Yu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gan_cli.architectures.language_model import START_TOKEN, LSTMState
from gan_cli.architectures.text_cnn import HighwayCNN
from gan_cli.components.ranges import Width, check_ranges
from gan_cli.protocols.architecture import SequenceDiscriminator

# Standard deviation of the language model's initial weights, as in the paper's code.
INIT_STD = 0.1


@dataclass(frozen=True)
class LSTM:
    """An LSTM language model and a discriminator of sequences.

    Attributes:
        embedding: dimensions of the token embeddings.
        hidden: dimensions of the hidden state, and of the cell.
        reader_model: architecture of the discriminator.
    """

    embedding: Width = 32
    hidden: Width = 32
    reader_model: HighwayCNN = field(default_factory=HighwayCNN)

    def __post_init__(self) -> None:
        check_ranges(self)

    def language_model(self, vocabulary: int) -> LSTMLanguageModel:
        """Build a language model over ``vocabulary`` tokens, whose start token is 0."""
        return LSTMLanguageModel(vocabulary, self.embedding, self.hidden)

    def discriminator(self, vocabulary: int, length: int) -> SequenceDiscriminator:
        """Build a network from ``(N, length)`` int64, or ``(N, length, vocabulary)`` weights, to ``(N,)`` logits."""
        return self.reader_model.build(vocabulary, length)


class LSTMLanguageModel(nn.Module):
    """An LSTM language model (Hochreiter & Schmidhuber 1997), from tokens to the logits of the next one.

    ``i, f, o = sigmoid(x W + h U + b)``, ``candidate = tanh(x W + h U + b)``, ``c' = f c + i candidate``,
    ``h' = o tanh(c')``, and the logits of the next token are ``h' vocabulary_w + vocabulary_b``.

    Attributes:
        embedding: ``(V, E)``.
        input_w: ``(E, 4 H)``, W of the gates i, f, o and of the candidate, side by side.
        state_w: ``(H, 4 H)``, U in the same order.
        gate_b: ``(4 H,)``, b in the same order.
        vocabulary_w: ``(H, V)``.
        vocabulary_b: ``(V,)``.
    """

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = _normal(vocabulary, embedding)
        self.input_w = _normal(embedding, 4 * hidden)
        self.state_w = _normal(hidden, 4 * hidden)
        self.gate_b = _normal(4 * hidden)
        self.vocabulary_w = _normal(hidden, vocabulary)
        self.vocabulary_b = _normal(vocabulary)

    @property
    def vocabulary(self) -> int:
        return len(self.vocabulary_b)

    def initial_state(self, count: int) -> LSTMState:
        zeros = self.gate_b.new_zeros(count, len(self.state_w))
        start = torch.full((count,), START_TOKEN, dtype=torch.int64, device=zeros.device)
        return self.step(start, LSTMState(zeros, zeros))

    def step(self, tokens: Tensor, state: LSTMState) -> LSTMState:
        return self._lstm_cell(self.gates(self.embedding[tokens]), state)

    def gates(self, embedded: Tensor) -> Tensor:
        """Compute the input part of the gates' pre-activations, ``(..., E) -> (..., 4 H)``."""
        return embedded @ self.input_w + self.gate_b

    def hidden(self, tokens: Tensor) -> Tensor:
        start = torch.full_like(tokens[:, :1], START_TOKEN)
        gates = self.gates(self.embedding[torch.cat([start, tokens[:, :-1]], dim=1)])
        zeros = gates.new_zeros(len(tokens), len(self.state_w))
        state, hidden_states = LSTMState(zeros, zeros), []
        for gate in gates.unbind(1):
            state = self._lstm_cell(gate, state)
            hidden_states.append(state.hidden)
        return torch.stack(hidden_states, dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute the logits of each token of ``(N, T)`` given the previous ones, ``(N, T, V)``."""
        return self.logits(self.hidden(tokens))

    def logits(self, hidden: Tensor) -> Tensor:
        """Compute the logits of the next token from hidden states, ``(..., H) -> (..., V)``."""
        return hidden @ self.vocabulary_w + self.vocabulary_b

    def _lstm_cell(self, gates: Tensor, state: LSTMState) -> LSTMState:
        gates = torch.addmm(gates, state.hidden, self.state_w)
        width = len(self.state_w)
        i, f, o = gates[:, : 3 * width].sigmoid().chunk(3, dim=1)
        cell = torch.addcmul(f * state.cell, i, gates[:, 3 * width :].tanh())
        return LSTMState(o * cell.tanh(), cell)


def _normal(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * INIT_STD)
