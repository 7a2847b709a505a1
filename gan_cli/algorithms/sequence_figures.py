"""What is measured of generated sequences: how likely they are, how likely real ones are to G, how varied both."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.data_protocols import Oracle
from gan_cli.writing import Writer, counted, nll

# Sequences at a time.
BLOCK = 1024


def nll_test(writer: Writer, tokens: Tensor, end: int | None, temperature: float) -> Tensor:
    """What G says of real sequences ``(N, T)`` that it never saw: nats a token up to their ends, 0-dimensional."""
    there = counted(tokens, end)
    scored = torch.cat([nll(writer, block, temperature) for block in torch.split(tokens, BLOCK)])
    return (scored * there).sum() / there.sum()


def nll_oracle(oracle: Oracle, tokens: Tensor) -> Tensor:
    """What the oracle says of G's sequences, in nats a token, 0-dimensional."""
    return oracle.nll(tokens).mean()


def distinct(tokens: Tensor, order: int, vocabulary: int, end: int | None) -> Tensor:
    """Different n-grams among all of sequences ``(N, T)``, as a share of these, 0-dimensional (Li et al. 2016).

    Args:
        tokens: the sequences.
        order: n.
        vocabulary: how many tokens there are; its n-th power has to fit an int64.
        end: the token that ends a sequence; what is behind it is not counted.
    """
    windows = tokens.unfold(1, order, 1)
    places = vocabulary ** torch.arange(order, device=tokens.device)
    names = (windows * places).sum(2)[counted(tokens, end)[:, order - 1 :] > 0]
    return torch.as_tensor(len(torch.unique(names)) / max(1, len(names)), device=tokens.device)


def diversity_figures(generated: Tensor, real: Tensor, vocabulary: int, end: int | None) -> dict[str, Tensor]:
    """``distinct-1`` and ``distinct-2`` of generated sequences, and of as many real ones."""
    count = min(len(generated), len(real))
    return {
        f"diagnosis/distinct_{order}{name}": distinct(tokens[:count], order, vocabulary, end)
        for order in (1, 2)
        for name, tokens in {"": generated, "_real": real}.items()
    }
