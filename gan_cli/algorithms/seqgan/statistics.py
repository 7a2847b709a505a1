"""What is measured of generated sequences: how likely they are, how likely real ones are to G, how varied both."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.architectures.language_model import LanguageModel, nll, token_mask
from gan_cli.metrics.distinct import distinct
from gan_cli.protocols.data import Oracle

# Sequences at a time.
BLOCK = 1024


def nll_test(writer: LanguageModel, tokens: Tensor, end: int | None, temperature: float) -> Tensor:
    """What G says of real sequences ``(N, T)`` that it never saw: nats a token up to their ends, 0-dimensional."""
    there = token_mask(tokens, end)
    scored = torch.cat([nll(writer, block, temperature) for block in torch.split(tokens, BLOCK)])
    return (scored * there).sum() / there.sum()


def nll_oracle(oracle: Oracle, tokens: Tensor) -> Tensor:
    """What the oracle says of G's sequences, in nats a token, 0-dimensional."""
    return oracle.nll(tokens).mean()


def distinct_metrics(generated: Tensor, real: Tensor, end: int | None) -> dict[str, Tensor]:
    """``distinct-1`` and ``distinct-2`` of generated sequences, and of as many real ones. Waits for the device."""
    count = min(len(generated), len(real))
    sides = {"": generated[:count].cpu().numpy(), "_real": real[:count].cpu().numpy()}
    return {
        f"diagnosis/distinct_{order}{name}": torch.as_tensor(distinct(tokens, order, end), device=generated.device)
        for order in (1, 2)
        for name, tokens in sides.items()
    }
