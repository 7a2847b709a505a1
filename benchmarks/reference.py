"""Train a GAN as the popular scripts do, in one file and with no tricks: the loop to be measured against.

Written for this purpose in the idiom of those scripts: a ``DataLoader`` in the main process over PIL images with
``ToTensor``, ``Normalize`` and, where the size asks for it, ``Resize``; default optimizers; ``.item()`` and a printed
line at every batch; a sample grid now and then. It imports nothing of gan_cli, and is not slowed down on purpose.

    python benchmarks/reference.py mlp_wgan --data DIR --seconds 20

``DIR`` is a data root with ``mnist/train-images-idx3-ubyte[.gz]``. The last line of the output is a JSON object.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE = 64
LATENT_DIM = 100
SAMPLE_EVERY = 400
CLIP = 0.01
CRITIC_STEPS = 5

Updates = Iterator[int]


class PilDigits(Dataset[tuple[Tensor, int]]):
    """MNIST as torchvision serves it: an array turned into a PIL image and back for every sample."""

    def __init__(self, root: Path, size: int) -> None:
        self.images = read_images(root)
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index], mode="L")
        if image.size[0] != self.size:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return normalised(to_tensor(image)), 0


def read_images(root: Path) -> np.ndarray:
    """Read the training images of MNIST, ``(N, 28, 28)`` uint8."""
    path = root / "mnist" / "train-images-idx3-ubyte"
    content = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)


def to_tensor(image: Image.Image) -> Tensor:
    """Convert an image to a tensor ``(1, H, W)`` in [0, 1]."""
    pixels = torch.from_numpy(np.array(image, copy=True)).view(image.size[1], image.size[0], 1)
    return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def normalised(image: Tensor) -> Tensor:
    """Scale an image from [0, 1] to [-1, 1]."""
    mean, deviation = torch.as_tensor([0.5]), torch.as_tensor([0.5])
    return image.clone().sub_(mean.view(-1, 1, 1)).div_(deviation.view(-1, 1, 1))


def mlp_generator() -> nn.Module:
    """Build G, ``(N, 100) -> (N, 1, 28, 28)``; the scripts' 0.8 is the epsilon of ``BatchNorm1d``."""

    def block(before: int, after: int, normalise: bool = True) -> list[nn.Module]:
        layers: list[nn.Module] = [nn.Linear(before, after)]
        if normalise:
            layers.append(nn.BatchNorm1d(after, 0.8))
        return [*layers, nn.LeakyReLU(0.2, inplace=True)]

    return nn.Sequential(
        *block(LATENT_DIM, 128, normalise=False),
        *block(128, 256),
        *block(256, 512),
        *block(512, 1024),
        nn.Linear(1024, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def mlp_discriminator() -> list[nn.Module]:
    """Build the layers of D, ``(N, 1, 28, 28) -> (N, 1)`` logits."""
    return [
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(256, 1),
    ]


def dcgan_generator() -> nn.Module:
    """Build the G of DCGAN, ``(N, 100) -> (N, 1, 64, 64)``."""

    def block(before: int, after: int, stride: int, padding: int) -> list[nn.Module]:
        convolution = nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False)
        return [convolution, nn.BatchNorm2d(after), nn.ReLU(True)]

    return nn.Sequential(
        nn.Unflatten(1, (LATENT_DIM, 1, 1)),
        *block(LATENT_DIM, 512, 1, 0),
        *block(512, 256, 2, 1),
        *block(256, 128, 2, 1),
        *block(128, 64, 2, 1),
        nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    ).apply(dcgan_weights)


def dcgan_discriminator() -> nn.Module:
    """Build the D of DCGAN, ``(N, 1, 64, 64) -> (N, 1, 1, 1)`` probabilities."""

    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]

    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        *block(64, 128),
        *block(128, 256),
        *block(256, 512),
        nn.Conv2d(512, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    ).apply(dcgan_weights)


def dcgan_weights(layer: nn.Module) -> None:
    """Initialize convolutions from N(0, 0.02), scales of batch norm from N(1, 0.02)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def batches(root: Path, size: int) -> Iterator[tuple[int, int, Tensor]]:
    """Yield ``(epoch, number, images (64, 1, size, size))`` without end."""
    loader = DataLoader(PilDigits(root, size), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    epoch = 0
    while True:
        for number, (images, _) in enumerate(loader):
            yield epoch, number, images
        epoch += 1


def save_samples(images: Tensor, folder: Path, number: int) -> None:
    """Save 25 samples as one picture."""
    rows = images[:25].detach().reshape(5, 5, *images.shape[2:]).permute(0, 2, 1, 3).reshape(5 * images.shape[2], -1)
    pixels = rows.add(1).mul(127.5).clamp(0, 255).to(torch.uint8).numpy()
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / f"{number}.png")


def latents() -> Tensor:
    """Draw latents ``(64, 100)`` from N(0, I)."""
    return torch.FloatTensor(np.random.normal(0, 1, (BATCH_SIZE, LATENT_DIM)))  # noqa: NPY002 - as the scripts do


def mlp_wgan(root: Path, out: Path) -> Updates:
    """Train the WGAN: one G step for every five D steps, weights clipped, RMSprop at 5e-5."""
    generator, discriminator = mlp_generator(), nn.Sequential(*mlp_discriminator())
    optimizer_g = torch.optim.RMSprop(generator.parameters(), lr=5e-5)
    optimizer_d = torch.optim.RMSprop(discriminator.parameters(), lr=5e-5)
    for done, (epoch, number, real) in enumerate(batches(root, 28)):
        optimizer_d.zero_grad()
        z = latents()
        fake = generator(z).detach()
        loss_d = -torch.mean(discriminator(real)) + torch.mean(discriminator(fake))
        loss_d.backward()
        optimizer_d.step()
        for parameter in discriminator.parameters():
            parameter.data.clamp_(-CLIP, CLIP)
        if number % CRITIC_STEPS == 0:
            optimizer_g.zero_grad()
            loss_g = -torch.mean(discriminator(generator(z)))
            loss_g.backward()
            optimizer_g.step()
        print(f"[Epoch {epoch}] [Batch {number}] [D loss: {loss_d.item()}] [G loss: {loss_g.item()}]")
        if done % SAMPLE_EVERY == 0:
            save_samples(fake, out, done)
        yield BATCH_SIZE


def minimax(root: Path, out: Path, generator: nn.Module, discriminator: nn.Module, size: int) -> Updates:
    """Train G first, then D on the same generated batch; binary cross-entropy behind a sigmoid, Adam."""
    loss = nn.BCELoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for done, (epoch, number, real) in enumerate(batches(root, size)):
        valid, wrong = torch.ones(BATCH_SIZE), torch.zeros(BATCH_SIZE)
        optimizer_g.zero_grad()
        fake = generator(latents())
        loss_g = loss(discriminator(fake).view(-1), valid)
        loss_g.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        real_loss = loss(discriminator(real).view(-1), valid)
        fake_loss = loss(discriminator(fake.detach()).view(-1), wrong)
        loss_d = (real_loss + fake_loss) / 2
        loss_d.backward()
        optimizer_d.step()
        print(f"[Epoch {epoch}] [Batch {number}] [D loss: {loss_d.item()}] [G loss: {loss_g.item()}]")
        if done % SAMPLE_EVERY == 0:
            save_samples(fake, out, done)
        yield BATCH_SIZE


def mlp_gan(root: Path, out: Path) -> Updates:
    """Train the GAN: the same networks with a sigmoid, one step each."""
    return minimax(root, out, mlp_generator(), nn.Sequential(*mlp_discriminator(), nn.Sigmoid()), 28)


def dcgan64(root: Path, out: Path) -> Updates:
    """Train DCGAN at 64 x 64, one channel, width 64, one step each."""
    return minimax(root, out, dcgan_generator(), dcgan_discriminator(), 64)


ROWS: dict[str, Callable[[Path, Path], Updates]] = {"mlp_wgan": mlp_wgan, "mlp_gan": mlp_gan, "dcgan64": dcgan64}


def main() -> None:
    """Run the command: train for some seconds, and print the speed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", choices=tuple(ROWS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GAN_DATA", "~/.cache/gan_cli")).expanduser())
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path("outputs/reference"))
    arguments = parser.parse_args()
    images, start = 0, time.perf_counter()
    for count in ROWS[arguments.row](arguments.data, arguments.out):
        if images == 0:
            start = time.perf_counter()  # reading the files and the first batch are set-up
            images = 1
            continue
        images += count
        if time.perf_counter() - start > arguments.seconds:
            break
    seconds = time.perf_counter() - start
    print(json.dumps({"images": images - 1, "seconds": seconds, "images_per_second": (images - 1) / seconds}))


if __name__ == "__main__":
    main()
