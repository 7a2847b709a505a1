"""Residual networks of SNGAN (Miyato et al. 2018, tables 3 and 4), for images of any height and width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from gan_cli.architectures.blocks import Block
from gan_cli.architectures.conditioning import embed_vectors, initialize_embedding
from gan_cli.architectures.layers import Norm, ProjectionDiscriminator, embedding, norm_2d, upsample
from gan_cli.architectures.pyramid import Pyramid, Size, pyramid
from gan_cli.architectures.spectral_norm import apply_spectral_norm
from gan_cli.components.ranges import Width, check_ranges
from gan_cli.protocols.conditions import Condition, VectorCondition

# Up to this image size all layers have the same width, above it each halving doubles the width (tables 3 and 4).
MAX_UNIFORM_SIZE = 32
# Doublings in G, of which the first has no block of D's, and in D.
MAX_DOUBLINGS_G, MAX_DOUBLINGS_D = 5, 4
# Initialisation gain of residual branches, for the ReLU before each convolution; shortcuts have 1.
BRANCH_GAIN = math.sqrt(2.0)


class Pooling(Enum):
    """Poolings of D's last feature map to one vector."""

    sum = "sum"
    mean = "mean"


@dataclass(frozen=True)
class ResNet:
    """Pre-activation residual blocks; nearest-neighbour upsampling in G, mean pooling in D.

    Images of up to 32 pixels have one width throughout and two more blocks at D's smallest size, like the paper's
    network for CIFAR-10. Larger ones double the width with each halving, like its network for STL-10.

    Attributes:
        latent_dim: dimensions of z.
        width_g: channels of G's blocks, or of its largest feature map above 32 pixels; None: 256, or 64.
        width_d: channels of D's blocks, or of its largest feature map above 32 pixels; None: 128, or 64.
        norm_g: normalisation in G; with labels, its scale and shift depend on the label (conditional batch norm).
        norm_d: normalisation in D: none in the SNGAN paper, ``layer`` in some implementations of WGAN-GP.
        pooling: of D's last feature map: ``sum`` in the SNGAN paper, ``mean`` in WGAN-GP's code.
        spectral_norm: divide D's weights by their largest singular value.
    """

    latent_dim: Width = 128
    width_g: Width | None = None
    width_d: Width | None = None
    norm_g: Norm = Norm.batch
    norm_d: Norm = Norm.none
    pooling: Pooling = Pooling.sum
    spectral_norm: bool = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, latent_dim) -> (N, C, H, W)`` in [-1, 1]; raises ``ConfigError`` where it cannot."""
        fit = pyramid("resnet", shape)
        if max(fit.sizes[0]) <= MAX_UNIFORM_SIZE:
            widths = [self.width_g or 256] * (fit.levels + 1)
        else:
            widths = [(self.width_g or 64) << min(level, MAX_DOUBLINGS_G) for level in reversed(range(fit.levels + 1))]
        return _Generator(self.latent_dim, fit, widths, self.norm_g, classes)

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, C, H, W) -> (N,)`` of logits; raises ``ConfigError`` where it cannot."""
        fit = pyramid("resnet", shape)
        if max(fit.sizes[0]) <= MAX_UNIFORM_SIZE:
            # Table 3 halves 32 to 8 pixels, and has two more blocks there.
            halvings = fit.halvings[: max(1, fit.levels - 1)]
            downsampling_widths = [self.width_d or 128] * len(halvings)
            same_size_widths = downsampling_widths[:1] * 2
        else:
            # Table 4 halves 48 to 3 pixels, and has one more block there.
            halvings = [*fit.halvings, (fit.base, Size(fit.base.height // 2, fit.base.width // 2))]
            *downsampling_widths, last = [
                (self.width_d or 64) << min(level, MAX_DOUBLINGS_D) for level in range(len(halvings) + 1)
            ]
            same_size_widths = [last]
        blocks: list[nn.Module] = [_FirstBlock(fit.channels, downsampling_widths[0], *halvings[0])]
        blocks += [
            _DownBlock(*channels, self.norm_d, _mean_pool(*sizes))
            for channels, sizes in zip(pairwise(downsampling_widths), halvings[1:], strict=True)
        ]
        blocks += [
            _DownBlock(*channels, self.norm_d, pool=None)
            for channels in pairwise([downsampling_widths[-1], *same_size_widths])
        ]
        features = nn.Sequential(*blocks, nn.ReLU(), _Pool(self.pooling), nn.Flatten())
        network = ProjectionDiscriminator(
            features, _linear(same_size_widths[-1], 1), embedding(classes, same_size_widths[-1])
        )
        return apply_spectral_norm(network) if self.spectral_norm else network


class _ClassNorm(nn.Module):
    """Normalisation whose scale and shift depend on the class, if there are classes (Dumoulin et al. 2017)."""

    def __init__(self, norm: Norm, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.Sequential(*norm_2d(norm, channels, affine=not classes))
        self.scale = nn.Embedding(classes, channels) if classes else None
        self.shift = nn.Embedding(classes, channels) if classes else None
        if self.scale is not None and self.shift is not None:
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        normalised: Tensor = self.norm(features)
        if self.scale is None or self.shift is None:
            return normalised
        scale: Tensor = self.scale(labels)[:, :, None, None]
        shift: Tensor = self.shift(labels)[:, :, None, None]
        return normalised * scale + shift


class _VectorNorm(nn.Module):
    """Normalisation with a scale and a shift to which embeddings of a vector are added, 0 at first."""

    def __init__(self, norm: Norm, channels: int, condition: VectorCondition) -> None:
        super().__init__()
        self.norm = nn.Sequential(*norm_2d(norm, channels))
        self.scale, self.shift = embed_vectors(condition, channels), embed_vectors(condition, channels)
        for each in (self.scale, self.shift):
            initialize_embedding(each, 0.0)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        scale: Tensor = self.scale(labels)[:, :, None, None]
        shift: Tensor = self.shift(labels)[:, :, None, None]
        normalised: Tensor = self.norm(features)
        return normalised * (1 + scale) + shift


def _label_norm(norm: Norm, channels: int, condition: Condition) -> _ClassNorm | _VectorNorm:
    if isinstance(condition, VectorCondition):
        return _VectorNorm(norm, channels, condition)
    return _ClassNorm(norm, channels, condition)


class _Generator(nn.Module):
    """A linear map from z to the smallest feature map, blocks that double its size, and a 3x3 convolution with tanh."""

    def __init__(self, latent_dim: int, fit: Pyramid, widths: list[int], norm: Norm, classes: Condition) -> None:
        super().__init__()
        self.dense = _linear(latent_dim, widths[0] * fit.base.height * fit.base.width)
        self.unflatten = nn.Unflatten(1, (widths[0], *fit.base))
        self.blocks = nn.ModuleList(
            _UpBlock(*channels, norm, classes, size)
            for channels, size in zip(pairwise(widths), fit.sizes[-2::-1], strict=True)
        )
        self.norm = nn.Sequential(*norm_2d(norm, widths[-1]))
        self.last = _conv(widths[-1], fit.channels, 3)

    def blocks_from_input(self) -> Sequence[Block]:
        """Return the linear map, the residual blocks, and the last convolution."""
        return [[self.dense], *([block] for block in self.blocks), [self.norm, self.last]]

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.unflatten(self.dense(z))
        for block in self.blocks:
            features = block(features, labels)
        images: Tensor = self.last(relu(self.norm(features))).tanh()
        return images


class _UpBlock(nn.Module):
    """A block that doubles the size: norm, ReLU, upsampling, 3x3, norm, ReLU, 3x3; its shortcut upsampling and 1x1."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm, classes: Condition, size: Size) -> None:
        super().__init__()
        self.size = size
        self.norm1, self.norm2 = _label_norm(norm, in_channels, classes), _label_norm(norm, out_channels, classes)
        self.conv1 = _conv(in_channels, out_channels, 3, BRANCH_GAIN)
        self.conv2 = _conv(out_channels, out_channels, 3, BRANCH_GAIN)
        self.shortcut = _conv(in_channels, out_channels, 1)

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        branch: Tensor = self.conv1(upsample(relu(self.norm1(features, labels)), self.size))
        branch = self.conv2(relu(self.norm2(branch, labels)))
        # 1x1 before upsampling: the same values for a quarter of the work.
        upsampled: Tensor = branch + upsample(self.shortcut(features), self.size)
        return upsampled


class _FirstBlock(nn.Module):
    """The first block, which halves the size: 3x3, ReLU, 3x3, pooling; the shortcut is pooling and 1x1.

    Unlike later blocks, it has no ReLU before the first convolution, whose inputs are pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, before: Size, after: Size) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, out_channels, 3, BRANCH_GAIN)
        self.conv2 = _conv(out_channels, out_channels, 3, BRANCH_GAIN)
        self.shortcut = _conv(in_channels, out_channels, 1)
        self.pool = _mean_pool(before, after)

    def forward(self, images: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.conv2(relu(self.conv1(images)))) + self.shortcut(self.pool(images))
        return pooled


class _DownBlock(nn.Module):
    """A block of norm, ReLU, 3x3, norm, ReLU, 3x3, and pooling if it halves the size.

    The shortcut is a 1x1 convolution, pooled likewise, or the identity where neither size nor width change.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Norm, pool: nn.AvgPool2d | None) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.Sequential(*norm_2d(norm, in_channels)), nn.Sequential(*norm_2d(norm, out_channels))
        self.conv1 = _conv(in_channels, out_channels, 3, BRANCH_GAIN)
        self.conv2 = _conv(out_channels, out_channels, 3, BRANCH_GAIN)
        self.shortcut = _conv(in_channels, out_channels, 1) if pool or in_channels != out_channels else nn.Identity()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        branch = self.conv2(relu(self.norm2(self.conv1(relu(self.norm1(features))))))
        # The 1x1 convolution and the mean commute: branch and shortcut are pooled together.
        outputs: Tensor = branch + self.shortcut(features)
        return outputs if self.pool is None else self.pool(outputs)


class _Pool(nn.Module):
    """Sum or mean over all pixels, ``(N, C, H, W) -> (N, C, 1, 1)``."""

    def __init__(self, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling

    def forward(self, features: Tensor) -> Tensor:
        over = (2, 3)
        if self.pooling is Pooling.sum:
            return features.sum(over, keepdim=True)
        return features.mean(over, keepdim=True)


def _mean_pool(before: Size, after: Size) -> nn.AvgPool2d:
    """Build the mean over 2x2 pixels, along an axis that keeps its length over one; fewer at the end of an odd one."""
    rows, columns = (1 if small == large else 2 for large, small in zip(before, after, strict=True))
    rounds_up = rows * after.height > before.height or columns * after.width > before.width
    return nn.AvgPool2d((rows, columns), ceil_mode=rounds_up)


def _conv(in_channels: int, out_channels: int, kernel: int, gain: float = 1.0) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _linear(in_features: int, out_features: int) -> nn.Linear:
    layer = nn.Linear(in_features, out_features)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
