"""Plain loop of the same networks in eager PyTorch, on data that lie on the device: what a careful script does."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu, softplus

from benchmarks.gpu.speed.workloads import Workload
from gan_cli.protocols.data import Images
from gan_cli.training.planning import Plan

CLIP = 0.01


class PlainLoop:
    """Alternating updates of D and G, with torch's optimizers and autograd as they are."""

    def __init__(self, plan: Plan, workload: Workload, source: Any, *, reads_losses: bool) -> None:
        """``source`` are the data of the run; ``reads_losses``: both losses are read at every batch, to be printed."""
        device = plan.device.torch_device
        self.device, self.workload, self.reads_losses = device, workload, reads_losses
        self.batch_size, self.latent_dim = plan.config.train.batch_size, plan.architecture.latent_dim
        self.generator: nn.Module = plan.architecture.generator(plan.dataset.shape, 0).to(device)
        self.discriminator: nn.Module = plan.architecture.discriminator(plan.dataset.shape, 0).to(device)
        rate = plan.optimizer.lr
        make: Any = torch.optim.RMSprop if workload.loss == "wgan" else torch.optim.Adam
        self.optimizer_g = make(self.generator.parameters(), rate)
        self.optimizer_d = make(self.discriminator.parameters(), rate)
        self.images = torch.as_tensor(source.array, device=device) if isinstance(source, Images) else None
        self.density = None if isinstance(source, Images) else source.on(device)
        self.random = torch.Generator(device)

    @property
    def units_per_step(self) -> float:
        """Real images of a step; of a workload that is counted in steps, 1."""
        return 1.0 if self.workload.replicas else float(self.batch_size * self.workload.d_steps)

    def advance(self, steps: int) -> None:
        """Make steps: updates of D on fresh batches, then one of G."""
        for _ in range(steps):
            for _ in range(self.workload.d_steps):
                loss_d = self.update_discriminator()
            loss_g = self.update_generator()
            if self.reads_losses:
                float(loss_d), float(loss_g)

    def update_discriminator(self) -> Tensor:
        """Update D once, and return its loss."""
        real = self.real()
        self.optimizer_d.zero_grad()
        with self.precision():
            fake = self.generator(self.latents()).detach()
            logits = self.discriminator(real).float(), self.discriminator(fake).float()
        loss = self.loss_d(*logits)
        loss.backward()
        self.optimizer_d.step()
        if self.workload.loss == "wgan":
            for parameter in self.discriminator.parameters():
                parameter.data.clamp_(-CLIP, CLIP)
        return loss.detach()

    def update_generator(self) -> Tensor:
        """Update G once, and return its loss."""
        self.optimizer_g.zero_grad()
        with self.precision():
            logits = self.discriminator(self.generator(self.latents())).float()
        loss = softplus(-logits).mean() if self.workload.loss == "jsd" else -logits.mean()
        loss.backward()
        self.optimizer_g.step()
        return loss.detach()

    def loss_d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of D for logits ``(N,)`` of real and of generated samples."""
        if self.workload.loss == "wgan":
            return fake.mean() - real.mean()
        if self.workload.loss == "hinge":
            return relu(1 - real).mean() + relu(1 + fake).mean()
        ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
        return binary_cross_entropy_with_logits(real, ones) + binary_cross_entropy_with_logits(fake, zeros)

    def real(self) -> Tensor:
        """Gather a random batch of real samples, scaled to [-1, 1]."""
        if self.images is None:
            assert self.density is not None
            points: Tensor = self.density.draw(self.batch_size, self.random)
            return points
        rows = torch.randint(len(self.images), (self.batch_size,), device=self.device)
        return self.images[rows].float() / 127.5 - 1

    def latents(self) -> Tensor:
        """Draw latents from N(0, I)."""
        return torch.randn(self.batch_size, self.latent_dim, device=self.device)

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return autocast, or nothing for float32."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.workload.bf16 else contextlib.nullcontext()
