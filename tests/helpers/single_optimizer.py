"""Parts that tests of trainers with a single optimizer share."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from gan_cli.algorithms.single_optimizer import SingleOptimizerTrainer
from gan_cli.protocols.algorithm import Algorithm

AlgorithmT = TypeVar("AlgorithmT", bound=Algorithm)


def after(steps: int, algorithm: AlgorithmT, start: int = 0) -> AlgorithmT:
    for step in range(start, start + steps):
        algorithm.update(step)
    return algorithm


def weights(algorithm: SingleOptimizerTrainer) -> Tensor:
    """All tensors of the networks and of their moving average, as one."""
    networks = (algorithm._network_state.network, algorithm.ema.network)
    return torch.cat([each.flatten() for network in networks for each in network.state_dict().values()]).clone()


def tensors_of(state: Any, path: str = "") -> dict[str, Any]:
    """Leaves of a state by path."""
    if isinstance(state, dict):
        return {name: leaf for key, each in state.items() for name, leaf in tensors_of(each, f"{path}/{key}").items()}
    if isinstance(state, list | tuple):
        return {n: leaf for i, each in enumerate(state) for n, leaf in tensors_of(each, f"{path}/{i}").items()}
    return {path: state}
