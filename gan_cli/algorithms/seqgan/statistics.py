"""Metrics of generated sequences: their likelihood, that of real ones under G, and the diversity of both."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.architectures.language_model import LanguageModel, nll, token_mask
from gan_cli.metrics.distinct import distinct
from gan_cli.protocols.data import Oracle

# Sequences in one forward pass.
BLOCK = 1024


def nll_test(model: LanguageModel, tokens: Tensor, end: int | None, temperature: float) -> Tensor:
    """Compute G's mean NLL of held-out sequences ``(N, T)``, in nats a token up to their ends, 0-dimensional."""
    mask = token_mask(tokens, end)
    scored = torch.cat([nll(model, block, temperature) for block in torch.split(tokens, BLOCK)])
    return (scored * mask).sum() / mask.sum()


def nll_oracle(oracle: Oracle, tokens: Tensor) -> Tensor:
    """Compute the oracle's mean NLL of G's sequences, in nats a token, 0-dimensional."""
    return oracle.nll(tokens).mean()


def distinct_metrics(generated: Tensor, real: Tensor, end: int | None) -> dict[str, Tensor]:
    """Compute ``distinct-1`` and ``distinct-2`` of generated and of as many real sequences. Waits for the device."""
    count = min(len(generated), len(real))
    sides = {"": generated[:count].cpu().numpy(), "_real": real[:count].cpu().numpy()}
    return {
        f"diagnosis/distinct_{order}{name}": torch.as_tensor(distinct(tokens, order, end), device=generated.device)
        for order in (1, 2)
        for name, tokens in sides.items()
    }
