"""The autoencoder, without a prior: samples come from a Gaussian that is fitted to its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_cli.algorithms.autoencoders.base import LOSS_CHARTS, Coder, Look, moments
from gan_cli.components.likelihoods import root
from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.diagnostics.rules import Symptom
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.distributed import Group


class CodeMoments:
    """Mean and covariance of the codes, followed as the moving average follows the weights.

    Attributes:
        mean: ``(D,)``.
        covariance: ``(D, D)``. Both are those of N(0, I) before there are any codes.
    """

    def __init__(self, dimensions: int, half_life: float, device: torch.device) -> None:
        self.mean = torch.zeros(dimensions, device=device)
        self.covariance = torch.eye(dimensions, device=device)
        self._half_life = half_life

    @torch.no_grad()
    def update(self, codes: Tensor, step: int, group: Group) -> None:
        """Take in a batch ``(N, D)``, this process's share of it, in update number ``step``.

        Differences of means, not of second moments: nothing is lost where codes lie far from the origin.
        """
        half_life = min(self._half_life, (step + 1) / 2)
        # The first batch takes the place of N(0, I), which tells nothing of the codes.
        weight = 1.0 - 0.5 ** (1.0 / half_life) if half_life > 0 and step > 0 else 1.0
        count = len(codes) * group.size
        mean = group.total(codes.sum(0)) / count
        centred = codes - mean
        covariance = group.total(centred.T @ centred) / count
        moved = mean - self.mean
        self.mean.add_(moved, alpha=weight)
        self.covariance.add_(torch.outer(moved, moved), alpha=weight).lerp_(covariance, weight)


class Autoencoder(Coder):
    """Encoder and decoder that give samples back as likely as they can, ``log p(x | z)`` with ``z`` the code of x."""

    name: ClassVar[str] = "autoencoder"
    heads: ClassVar[int] = 1
    headline: ClassVar[Mapping[str, str]] = {
        "reconstruction": "autoencoder/reconstruction",
        "held out": "autoencoder/reconstruction_held_out",
    }
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "Are samples given back, also held-out ones?": (
            "autoencoder/reconstruction",
            "autoencoder/reconstruction_held_out",
        ),
        "How far apart are the codes?": ("autoencoder/code_variance",),
        **LOSS_CHARTS,
    }
    notes: ClassVar[Mapping[str, str]] = {
        "loss/total": "what is minimised: the reconstruction",
        "autoencoder/reconstruction": "-log p(x | z) with z the code of x, in nats per sample",
        "autoencoder/reconstruction_held_out": "the same by the moving average of the networks, of held-out samples (of"
        " other training samples where train.held_out is 0)",
        "autoencoder/code_variance": "mean variance of the dimensions of the codes",
    }
    compared_by: ClassVar[tuple[str, ...]] = ("autoencoder/reconstruction", "autoencoder/reconstruction_held_out")

    def _begin(self) -> None:
        self.moments = CodeMoments(self.latent_dim, self.context.half_life, self._device.torch_device)
        self._step = 0

    @classmethod
    def symptoms(cls, limits: DiagnosticsSection, loss: Any) -> list[Symptom]:
        """None."""
        return []

    def _set_clock(self, step: int) -> None:
        super()._set_clock(step)
        self._step = step

    def _beside(self) -> list[Tensor]:
        return [*super()._beside(), self.moments.mean, self.moments.covariance]

    def _look(self, target: Tensor, epsilon: Stream) -> Look:
        codes = self.live.encode(target)[:, 0]
        nll = -self.coders.likelihood(target, self.live.logits(codes))
        self.moments.update(codes.detach(), self._step, self.context.group)
        return Look(nll.mean(), {"reconstruction": nll, "moments": moments(codes.detach())})

    def _settle(self) -> None:
        """Let both decoders draw codes from the Gaussian as it is now; it is not part of what learns."""
        scale = root(self.moments.covariance.cpu().double())
        for coders in (self.coders, self.averaged):
            coders.drawing.prior.move(self.moments.mean, scale)

    def _said(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "autoencoder/reconstruction": values["reconstruction"].mean(),
            "autoencoder/code_variance": self._variances(values["moments"]).mean(),
        }

    def _held_out(self, target: Tensor, epsilon: Stream) -> dict[str, Tensor]:
        logits = self.calm.logits(self.calm.encode(target)[:, 0])
        return {"autoencoder/reconstruction_held_out": -self.averaged.likelihood(target, logits).mean()}

    def _histograms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"autoencoder/code_variance_per_dimension": self._variances(values["moments"])}

    def state_dict(self) -> dict[str, Any]:
        """What every coder keeps, and the moments of the codes."""
        return {**super().state_dict(), "codes": {"mean": self.moments.mean, "covariance": self.moments.covariance}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        super().load_state_dict(state)
        self.moments.mean.copy_(state["codes"]["mean"])
        self.moments.covariance.copy_(state["codes"]["covariance"])
