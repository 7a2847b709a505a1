"""The two networks of a GAN as they are trained: seeded, with frozen blocks, on their device."""

from __future__ import annotations

import torch
from torch import nn

from gan_cli.algorithms.context import Context
from gan_cli.architectures.blocks import freeze_first
from gan_cli.protocols.architecture import Architecture


def build_networks(architecture: Architecture, context: Context) -> tuple[nn.Module, nn.Module]:
    """Build G and D with the weights of the run's seed; blocks that are not trained are frozen."""
    torch.manual_seed(context.seed)
    generator = freeze_first(architecture.generator(context.shape, context.condition), context.frozen_g)
    discriminator = freeze_first(architecture.discriminator(context.pack_shape, context.condition), context.frozen_d)
    return context.device.place(generator), context.device.place(discriminator)
