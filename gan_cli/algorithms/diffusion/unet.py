"""A small U-Net for images of any height and width (Ho et al. 2020, appendix B), with group norm and self-attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from gan_cli.algorithms.diffusion.networks import Conditioning, zero_initialized
from gan_cli.architectures.layers import upsample
from gan_cli.architectures.pyramid import MIN_SIDE, image_size
from gan_cli.components.ranges import Range, Width, check_ranges
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.conditions import Condition

# Smallest side of the lowest feature map.
MIN_BASE = 4


@dataclass(frozen=True)
class UNet:
    """Residual blocks at resolutions that halve, with self-attention at the lowest, and back up with skip connections.

    Attributes:
        width: channels at the side of the image.
        multipliers: factors on ``width`` at each resolution, the image's first; one fewer are the halvings.
        blocks: residual blocks at each resolution on the way down, and one more on the way up.
        groups: of group norm, a divisor of all numbers of channels.
        heads: of self-attention, a divisor of the channels at the lowest resolution.
        dropout: share of features dropped inside the residual blocks in training.
    """

    width: Width = 32
    multipliers: tuple[Annotated[int, Range(1, 1024)], ...] = (1, 2, 2)
    blocks: Annotated[int, Range(1, 256)] = 1
    groups: Width = 8
    heads: Width = 1
    dropout: Annotated[float, Range(0, 1, below=True)] = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)
        factors = self.multipliers
        require(len(factors) >= 1, "multipliers", list(factors), "a list of integers >= 1")
        require(self.width % self.groups == 0, "groups", self.groups, f"a divisor of width, {self.width}")
        lowest = self.width * factors[-1]
        require(lowest % self.heads == 0, "heads", self.heads, f"a divisor of {lowest}, width times the last")

    def denoiser(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, C, H, W), (N,), (N,) labels -> (N, C, H, W)``, 0 before it is trained.

        Raises:
            ConfigError: the samples are no images, or a side is too short to be halved that many times, or too long.
        """
        if len(shape) != 3:
            raise ConfigError(
                f"architecture: unet takes images, but a sample of this dataset has shape {shape}. Use"
                " architecture=denoiser_mlp"
            )
        halvings = len(self.multipliers) - 1
        image_size(f"unet with {len(self.multipliers)} multipliers", shape, max(MIN_SIDE, MIN_BASE << halvings))
        return _UNet(shape[0], classes, self)


class _UNet(nn.Module):
    def __init__(self, channels: int, classes: Condition, sizes: UNet) -> None:
        super().__init__()
        embedding = 4 * sizes.width
        widths = [sizes.width * factor for factor in sizes.multipliers]
        self.conditioning = Conditioning(embedding, classes)
        self.first = nn.Conv2d(channels, sizes.width, 3, padding=1)

        def block(before: int, after: int) -> _ResidualBlock:
            return _ResidualBlock(before, after, embedding, sizes.groups, sizes.dropout)

        self.down, self.downsample = nn.ModuleList(), nn.ModuleList()
        current, skipped = sizes.width, [sizes.width]
        for level, after in enumerate(widths):
            for _ in range(sizes.blocks):
                self.down.append(block(current, after))
                current = after
                skipped.append(current)
            if level < len(widths) - 1:
                self.downsample.append(nn.Conv2d(current, current, 3, stride=2, padding=1))
                skipped.append(current)
        self.middle = nn.ModuleList([block(current, current), block(current, current)])
        self.attention = _SelfAttention(current, sizes.groups, sizes.heads)
        self.up, self.upsample = nn.ModuleList(), nn.ModuleList()
        for level, after in reversed(list(enumerate(widths))):
            for _ in range(sizes.blocks + 1):
                self.up.append(block(current + skipped.pop(), after))
                current = after
            if level:
                self.upsample.append(nn.Conv2d(current, current, 3, padding=1))
        self.norm = nn.GroupNorm(sizes.groups, current)
        self.last = zero_initialized(nn.Conv2d(current, channels, 3, padding=1))
        self.blocks = sizes.blocks

    def forward(self, samples: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        embedded, hidden = self.conditioning(time, labels), self.first(samples)
        skipped = [hidden]
        halvings, doublings = iter(self.downsample), iter(self.upsample)
        for index, block in enumerate(self.down, start=1):
            hidden = block(hidden, embedded)
            skipped.append(hidden)
            if index % self.blocks == 0 and index < len(self.down):
                hidden = next(halvings)(hidden)
                skipped.append(hidden)
        hidden = self.middle[1](self.attention(self.middle[0](hidden, embedded)), embedded)
        for index, block in enumerate(self.up, start=1):
            hidden = block(torch.cat([hidden, skipped.pop()], dim=1), embedded)
            if index % (self.blocks + 1) == 0 and index < len(self.up):
                hidden = next(doublings)(upsample(hidden, skipped[-1].shape[2:]))
        predicted: Tensor = self.last(silu(self.norm(hidden)))
        return predicted


class _ResidualBlock(nn.Module):
    """Two convolutions, shifted and scaled in between by the embedding (Nichol & Dhariwal 2021, appendix A)."""

    def __init__(self, before: int, after: int, embedding: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.GroupNorm(groups, before), nn.GroupNorm(groups, after)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * after)
        self.dropout = nn.Dropout(dropout)
        self.second = zero_initialized(nn.Conv2d(after, after, 3, padding=1))
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        scale, shift = self.modulation(embedded)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm_out(self.first(silu(self.norm_in(hidden)))) * (1 + scale) + shift
        added: Tensor = self.skip(hidden) + self.second(self.dropout(silu(inner)))
        return added


class _SelfAttention(nn.Module):
    """Self-attention between the pixels of a feature map; adds nothing at first."""

    def __init__(self, channels: int, groups: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.inputs = nn.Conv2d(channels, 3 * channels, 1)
        self.output = zero_initialized(nn.Conv2d(channels, channels, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        count, channels, height, width = hidden.shape
        joint = self.inputs(self.norm(hidden)).reshape(count, 3, self.heads, channels // self.heads, height * width)
        query, key, value = joint.transpose(3, 4).unbind(1)
        mixed = scaled_dot_product_attention(query, key, value)
        output: Tensor = self.output(mixed.transpose(2, 3).reshape(count, channels, height, width))
        return hidden + output
