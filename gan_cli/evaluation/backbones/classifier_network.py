"""The small convolutional classifier whose penultimate layer is the backbone ``classifier``, and its training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gan_cli.protocols.arrays import ByteArray, IntArray
from gan_cli.runtime.rng import seeded_generator

WIDTH = 128
# Larger images are averaged down to this side first, which is enough to tell classes apart.
MAX_SIDE = 32
BLOCK = 500


@dataclass(frozen=True)
class ClassifierSettings:
    """Training settings of the classifier: Adam, one cycle of the learning rate, cross-entropy.

    The names of these fields are part of cached files.

    Attributes:
        seed: seed of the weights and of the order of samples.
        batch_size: samples per update.
        epochs: passes over the data, within the bounds below.
        fewest: minimum number of updates, for small data.
        most: maximum number of updates, for large data.
        lr: the highest learning rate.
    """

    seed: int = 0
    batch_size: int = 128
    epochs: int = 3
    fewest: int = 400
    most: int = 4000
    lr: float = 3e-3

    def steps(self, count: int) -> int:
        """Return the number of updates for that many samples."""
        return int(np.clip(self.epochs * count // self.batch_size, self.fewest, self.most))


class Classifier(nn.Module):
    """Network of three convolutions and two linear layers, for images of at least 4 pixels a side."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.sides = (min(height, MAX_SIDE), min(width, MAX_SIDE))
        reduced = [max(1, side // 2 // 2) for side in self.sides]
        self.body = nn.Sequential(
            *_convolution(channels, 32),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 64),
            nn.Flatten(),
            nn.Linear(64 * reduced[0] * reduced[1], WIDTH),
            nn.ReLU(),
        )
        self.head = nn.Linear(WIDTH, classes)

    def features(self, images: Tensor) -> Tensor:
        """Map bytes ``(N, C, H, W)`` to the penultimate layer's features ``(N, 128)``."""
        values = images.float() / 127.5 - 1
        if values.shape[2:] != self.sides:
            values = nn.functional.adaptive_avg_pool2d(values, self.sides)
        features: Tensor = self.body(values)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Map bytes ``(N, C, H, W)`` to logits ``(N, classes)``."""
        logits: Tensor = self.head(self.features(images))
        return logits


def _convolution(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def train(
    pixels: ByteArray,
    labels: IntArray,
    classes: int,
    settings: ClassifierSettings,
    device: torch.device | None = None,
    after_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Classifier:
    """Train a classifier and return it in evaluation mode; bitwise equal for one seed, machine and number of threads.

    The global random state of torch is not changed.

    Args:
        pixels: ``(N, C, H, W)``.
        labels: ``(N,)`` in [0, classes).
        classes: number of classes.
        settings: training settings.
        device: where to train; None: on the CPU.
        after_step: called after each update, with the number of those made and of all.
    """
    device = device or torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = Classifier(pixels.shape[1:], classes)
    network.to(device).train()
    steps = settings.steps(len(pixels))
    optimizer = torch.optim.Adam(network.parameters(), settings.lr / 25)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=steps)
    order = seeded_generator(settings.seed, "classifier", torch.device("cpu"))
    pending = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        while len(pending) < settings.batch_size:
            pending = torch.cat([pending, torch.randperm(len(pixels), generator=order)])
        rows, pending = pending[: settings.batch_size].numpy(), pending[settings.batch_size :]
        images = torch.from_numpy(pixels[rows]).to(device)
        loss = nn.functional.cross_entropy(network(images), torch.from_numpy(labels[rows]).to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        after_step(step + 1, steps)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def features_and_classes(network: Classifier, pixels: ByteArray) -> tuple[Tensor, Tensor]:
    """Return features ``(N, 128)`` float32 and the likeliest classes ``(N,)`` int64, on the CPU."""
    device = next(network.parameters()).device
    features, classes = [], []
    for start in range(0, len(pixels), BLOCK):
        block = network.features(torch.from_numpy(pixels[start : start + BLOCK]).to(device))
        features.append(block.cpu())
        classes.append(network.head(block).argmax(dim=1).cpu())
    return torch.cat(features), torch.cat(classes)


def accuracy(network: Classifier, pixels: ByteArray, labels: IntArray) -> float:
    """Return the share of images whose likeliest class is their label."""
    _, predicted = features_and_classes(network, pixels)
    return float((predicted.numpy() == labels).mean())


def checksum(weights: dict[str, Tensor]) -> str:
    """Return the SHA-256 over the names, shapes and values of weights, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
