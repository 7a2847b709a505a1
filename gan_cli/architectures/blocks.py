"""Blocks of a network in the order from its input, and the freezing of the first of them for fine-tuning.

FreezeD (Mo et al. 2020) fixes the lower layers of D, those nearest the image, FreezeG (Lee 2020) the early layers of G,
those nearest the latents: in both cases the first blocks from the input.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from torch import nn

from gan_cli.errors import ConfigError

# The modules of a block, in the order in which samples pass through them.
Block: TypeAlias = Sequence[nn.Module]
Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class InBlocks(Protocol):
    """A network that declares its blocks."""

    def blocks_from_input(self) -> Sequence[Block]:
        """Return its blocks from the input to the output; embeddings of labels belong to none of them."""
        ...


def blocks_of(network: nn.Module) -> list[Block]:
    """Return the blocks of a network from its input to its output.

    A network that declares none has a block for each of its children with a weight, in the order of their registration:
    children without a weight, such as activations, and normalisations belong to the one before.
    """
    if isinstance(network, InBlocks):
        return list(network.blocks_from_input())
    children = list(network.children())
    if len(children) == 1 and not isinstance(network, nn.Sequential):
        return blocks_of(children[0])
    return layers_as_blocks(children) if children else [[network]]


def layers_as_blocks(layers: Iterable[nn.Module]) -> list[Block]:
    """Group layers into blocks, each of a layer with a weight and of what follows up to the next one."""
    blocks: list[list[nn.Module]] = []
    for layer in layers:
        if _has_weight(layer) and (not blocks or any(map(_has_weight, blocks[-1]))):
            blocks.append([layer])
        elif blocks:
            blocks[-1].append(layer)
        else:
            blocks.append([layer])
    return [*blocks]


def freeze_first(network: Network, count: int) -> Network:
    """Fix the first ``count`` blocks of a network for good, and return the network.

    Their parameters need no gradient, and are in no optimizer. Their batch norm is in evaluation mode: it normalises by
    the statistics that it has, which stay as they are, so that a frozen block is one function throughout the run.
    """
    for block in blocks_of(network)[:count]:
        for module in block:
            module.requires_grad_(False)
            module.eval()
    return network


def require_blocks(key: str, network: nn.Module, name: str, count: int) -> None:
    """Raise ``ConfigError`` unless a network has more blocks than are to be fixed: one at least is trained."""
    number = len(blocks_of(network))
    if count >= number:
        raise ConfigError(
            f"{key}: expected an integer from 0 to {number - 1}: {name} has {number} blocks, of which one at least is"
            f" trained, got {count}"
        )


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode inside; afterwards each of its modules is in the mode that it was in."""
    trained = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True


def _has_weight(module: nn.Module) -> bool:
    return any(parameter.dim() > 1 for parameter in module.parameters())
