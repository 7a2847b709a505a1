"""Losses with mistakes that no CPU shows, to see that the pretended device does."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.components.losses import NonSaturating
from gan_cli.runtime.rng import seeded_generator


class _Mistaken(NonSaturating):
    """The non-saturating loss; D's loss adds zeros, computed in a way of its own."""

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return super().d_loss(real, fake) + 0 * self.mistake(real.detach())

    def mistake(self, logits: Tensor) -> Tensor | float:
        raise NotImplementedError


class MixesDevices(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return logits + torch.ones(logits.shape)


class IndexesHost(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return torch.ones(logits.shape)[logits.argsort() * 0]


class ReadsNumber(_Mistaken):
    def mistake(self, logits: Tensor) -> float:
        return logits.mean().item()


class Branches(_Mistaken):
    def mistake(self, logits: Tensor) -> float:
        return 1.0 if logits.mean() > 0 else 2.0


class SelectsRows(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return logits[logits > 0].sum()


class CopiesFromHost(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return torch.tensor([0.5], device=logits.device)


class CopiesToHost(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return logits.cpu().mean()


class UsesHostNumber(_Mistaken):
    """Right at the time of the capture; later changes of the number would not be seen."""

    def mistake(self, logits: Tensor) -> Tensor:
        return logits * torch.full((), 0.5)


class DrawsUnregistered(_Mistaken):
    generator: torch.Generator | None = None

    def mistake(self, logits: Tensor) -> Tensor:
        if DrawsUnregistered.generator is None:
            DrawsUnregistered.generator = seeded_generator(0, "unregistered", logits.device)
        return torch.rand(logits.shape, generator=DrawsUnregistered.generator, device=logits.device)


class MakesGenerator(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        generator = torch.Generator(logits.device)
        return torch.rand(logits.shape, generator=generator, device=logits.device)


class WaitsForDevice(_Mistaken):
    """Waits unheard by torch's debug mode, so that CUDA finds it, and refuses to end the capture."""

    def mistake(self, logits: Tensor) -> float:
        torch.cuda.synchronize(logits.device)
        return 1.0


class ReadsNumberLater(_Mistaken):
    """Reads a number where no rehearsal sees it: in the third call, which is captured."""

    calls = 0

    def mistake(self, logits: Tensor) -> float:
        self.calls += 1
        return logits.mean().item() if self.calls > 2 else 1.0


class AddsInAnyOrder(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return logits.cumsum(0).sum()


class CopiesFromPageableMemory(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        return torch.ones(logits.shape).to(logits.device, non_blocking=True)


class OverwritesBuffer(_Mistaken):
    def mistake(self, logits: Tensor) -> Tensor:
        buffer = torch.ones(logits.shape, pin_memory=True)
        copied = buffer.to(logits.device, non_blocking=True)
        buffer.zero_()
        return copied
