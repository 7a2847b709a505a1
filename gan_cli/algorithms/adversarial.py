"""The adversarial game: k steps of D on fresh minibatches, then one step of G (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_cli.accumulators import Window
from gan_cli.config import LossSection
from gan_cli.device import Device, RandomState, seeded_generator
from gan_cli.latents import fixed_latents
from gan_cli.noise import add_noise
from gan_cli.optim import MovingAverage, Recipe
from gan_cli.protocols import (
    Architecture,
    FloatArray,
    Preview,
    Report,
    Sampler,
    Schedule,
    Surface,
)

SURFACE_RESOLUTION = 128


@dataclass(frozen=True)
class Context:
    """What a run settles before there is an algorithm.

    Attributes:
        shape: shape of one sample.
        device: where and how to compute.
        seed: of the run.
        batch_size: samples per update.
        log_every: steps between two reports.
        sample_count: samples in a preview.
        half_life: of the generator's moving average, in steps.
        points: ``(M, 2)`` real points to show beside generated ones, where the data are 2-D.
    """

    shape: tuple[int, ...]
    device: Device
    seed: int
    batch_size: int
    log_every: int
    sample_count: int
    half_life: float
    points: FloatArray | None = None


class Adversarial:
    """G against D. The objective says what each minimises; everything else here is the same for all of them."""

    def __init__(
        self,
        *,
        context: Context,
        architecture: Architecture,
        loss: LossSection,
        noise: Schedule | None,
        optimizer: Recipe,
        sampler: Sampler,
    ) -> None:
        self._context = context
        self._device = context.device
        self._loss = loss
        self._noise = noise
        self._sampler = sampler
        on = self._device.torch_device
        torch.manual_seed(context.seed)
        self.generator = self._device.place(architecture.generator(context.shape))
        self.discriminator = self._device.place(architecture.discriminator(context.shape))
        self.average = MovingAverage(self.generator, context.half_life)
        self._generate = self._device.prepare(self.generator)
        self._discriminate = self._device.prepare(self.discriminator)
        self._parameters_g: list[Tensor] = list(self.generator.parameters())
        self._parameters_d: list[Tensor] = list(self.discriminator.parameters())
        self._optimizer_g = optimizer.for_generator(self._parameters_g)
        self._optimizer_d = optimizer.for_discriminator(self._parameters_d)

        self._latent_dim = architecture.latent_dim
        self._latent_stream = seeded_generator(context.seed, "latents", on)
        self._noise_stream = seeded_generator(context.seed, "noise", on)
        self._global_random = RandomState(on)
        self._sigma = torch.zeros((), device=on)
        self._sigma_value = 0.0
        self._updates_d = 0
        self._norms = {"grad_norm/d": 0.0, "grad_norm/g": 0.0}
        rows = context.log_every
        self._real_logits = Window(rows * loss.d_steps, context.batch_size, on)
        self._fake_logits = Window(rows * loss.d_steps, context.batch_size, on)
        self._game_logits = Window(rows, context.batch_size, on)
        self._preview_latents = fixed_latents(
            context.seed, context.sample_count * (16 if len(context.shape) == 1 else 1), self._latent_dim
        ).to(on)

    @property
    def images_seen(self) -> int:
        """Real samples shown to D so far."""
        return self._updates_d * self._context.batch_size

    def update(self, step: int) -> None:
        """D's steps, then G's, then the moving average. Launches work and waits for none of it."""
        self._set_clock(step)
        for _ in range(self._loss.d_steps_at(step)):
            self._update_discriminator()
        self._update_generator()
        self.average.update(step)

    def _set_clock(self, step: int) -> None:
        self._optimizer_d.set_step(step)
        self._optimizer_g.set_step(step)
        if self._noise is not None:
            self._sigma_value = self._noise(step)
            self._sigma.fill_(self._sigma_value)

    def _update_discriminator(self) -> None:
        real = self._device.layout(self._sampler.next())
        with torch.no_grad():
            fake = self._fake()
        logits_real, logits_fake = self._logits(real), self._logits(fake)
        loss = self._loss.objective.d_loss(logits_real, logits_fake).mean()
        self._optimizer_d.optimizer.zero_grad()
        loss.backward()
        self._optimizer_d.optimizer.step()
        if self._loss.constraint is not None:
            self._loss.constraint.project(self._parameters_d)
        self._updates_d += 1
        self._real_logits.add(logits_real)
        self._fake_logits.add(logits_fake)

    def _update_generator(self) -> None:
        logits = self._logits(self._fake())
        loss = self._loss.objective.g_loss(logits).mean()
        self._optimizer_g.optimizer.zero_grad()
        # D's parameters are not among the inputs: autograd neither computes nor keeps their gradients.
        loss.backward(inputs=self._parameters_g)
        self._optimizer_g.optimizer.step()
        self._game_logits.add(logits)

    def _fake(self) -> Tensor:
        """A batch of generated samples from fresh latents."""
        z = torch.randn(
            self._context.batch_size,
            self._latent_dim,
            generator=self._latent_stream,
            device=self._device.torch_device,
        )
        with self._device.precision():
            fake: Tensor = self._generate(z)
        return fake

    def _logits(self, samples: Tensor) -> Tensor:
        """What D says of samples, through the instance noise in force; ``(N,)`` float32."""
        if self._noise is not None:
            samples = add_noise(samples, self._sigma, self._noise_stream)
        with self._device.precision():
            logits: Tensor = self._discriminate(samples)
        return logits.float()

    @torch.no_grad()
    def report(self) -> Report:
        """Everything of design section 7 over the updates since the last report (or the latest of many)."""
        objective = self._loss.objective
        real, fake, game = self._real_logits.values(), self._fake_logits.values(), self._game_logits.values()
        scores = {"d_real": objective.score(real), "d_fake": objective.score(fake)}
        figures = {
            "loss/d": objective.d_loss(real, fake).mean(),
            "loss/g": objective.g_loss(game).mean(),
            f"divergence/{objective.divergence_name}": objective.divergence(real, fake),
            "d/accuracy_real": (real > 0).float().mean(),
            "d/accuracy_fake": (fake < 0).float().mean(),
        }
        for name, values in scores.items():
            figures[f"{name}/mean"] = values.mean()
            figures[f"{name}/std"] = values.std(correction=0)
            figures[f"{name}/min"] = values.min()
            figures[f"{name}/max"] = values.max()
        # The one place where training waits for the device: a single transfer for all figures.
        numbers = torch.stack(list(figures.values())).tolist()
        scalars = dict(zip(figures, numbers, strict=True))
        scalars |= self._gradient_norms()
        scalars["noise/sigma"] = self._sigma_value
        scalars["lr/d"] = self._optimizer_d.rate
        scalars["lr/g"] = self._optimizer_g.rate
        histograms = {name: values.flatten().cpu().numpy() for name, values in scores.items()}
        for window in self._windows().values():
            window.clear()
        headline = {
            "loss D": scalars["loss/d"],
            "loss G": scalars["loss/g"],
            "D(x)": scalars["d_real/mean"],
            "D(G(z))": scalars["d_fake/mean"],
        }
        return Report(scalars, histograms, headline)

    def _gradient_norms(self) -> dict[str, float]:
        """Global norms of the last update's gradients; right after a resume, those the checkpoint brought."""
        if self._parameters_g[0].grad is not None:
            self._norms = {
                "grad_norm/d": _global_norm(self._parameters_d),
                "grad_norm/g": _global_norm(self._parameters_g),
            }
        return self._norms

    @torch.no_grad()
    def preview(self) -> Preview:
        """Samples of the moving average from the run's fixed latents."""
        with self._device.precision():
            samples: Tensor = self.average.network(self._preview_latents)
        surface = None if self._context.points is None else self._surface(samples, self._context.points)
        return Preview(samples.float().cpu().numpy(), surface)

    def _surface(self, samples: Tensor, points: FloatArray) -> Surface:
        """D over a square that holds all real points and, unless they fly far, all generated ones."""
        reach = float(np.abs(points).max())
        extent = 1.15 * min(max(reach, float(samples.abs().max())), 2 * reach)
        ticks = torch.linspace(-extent, extent, SURFACE_RESOLUTION, device=self._device.torch_device)
        y, x = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        with self._device.precision():
            logits = self._discriminate(torch.stack([x.flatten(), y.flatten()], dim=1)).float()
        scores = self._loss.objective.score(logits).reshape(x.shape)
        return Surface(scores.cpu().numpy(), points, extent)

    def _windows(self) -> dict[str, Window]:
        return {"real": self._real_logits, "fake": self._fake_logits, "game": self._game_logits}

    def state_dict(self) -> dict[str, Any]:
        """Weights, moving average, optimizers, random streams, sampler, accumulators and counters."""
        return {
            "generator": self.generator.state_dict(),
            "average": self.average.network.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer_g": self._optimizer_g.state_dict(),
            "optimizer_d": self._optimizer_d.state_dict(),
            "random": {
                "global": self._global_random.state_dict(),
                "latents": self._latent_stream.get_state(),
                "noise": self._noise_stream.get_state(),
            },
            "sampler": self._sampler.state_dict(),
            "windows": {name: window.state_dict() for name, window in self._windows().items()},
            "updates_d": self._updates_d,
            "gradient_norms": self._gradient_norms(),
            "sigma": self._sigma_value,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        self.generator.load_state_dict(state["generator"])
        self.average.network.load_state_dict(state["average"])
        self.discriminator.load_state_dict(state["discriminator"])
        self._optimizer_g.load_state_dict(state["optimizer_g"])
        self._optimizer_d.load_state_dict(state["optimizer_d"])
        self._global_random.load_state_dict(state["random"]["global"])
        self._latent_stream.set_state(state["random"]["latents"])
        self._noise_stream.set_state(state["random"]["noise"])
        self._sampler.load_state_dict(state["sampler"])
        for name, window in self._windows().items():
            window.load_state_dict(state["windows"][name])
        self._updates_d = int(state["updates_d"])
        self._norms = dict(state["gradient_norms"])
        self._sigma_value = float(state["sigma"])

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self._sampler.close()


def _global_norm(parameters: list[Tensor]) -> float:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
