"""The pipeline from samples to D's logits: augmentation, packing, instance noise and D itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.forward import TrainingForward
from gan_cli.algorithms.gan.statistics import margins
from gan_cli.components.noise import add_noise
from gan_cli.protocols.adversarial import Augmentation, NoiseLevel, Objective, ScoredBatch, Side
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.rng import SeededStream


class DiscriminatorPipeline:
    """D after augmentation, packing and instance noise; all samples pass through them while D is trained."""

    def __init__(
        self,
        network: nn.Module,
        context: Context,
        *,
        noise: NoiseLevel,
        noise_stream: Stream,
        augment: Augmentation | None,
    ) -> None:
        device = context.device.torch_device
        self.network = network
        self._device = context.device
        self._group = context.group
        self._training_forward = TrainingForward(network, context.device, context.batch_norm_group)
        self._forward: Callable[..., Tensor] = self._training_forward
        self._pac = context.pac
        self._noise = noise
        self._noisy = not noise.is_zero
        self._noise_stream = noise_stream
        noise.place(device)
        # Added to the noise level's sigma: 0, unless a rollback raises it.
        self._extra = torch.zeros((), device=device)
        self._augment = augment
        self._augment_stream = context.stream("augment", context.batch_size)
        if augment is not None:
            augment.place(device)

    def set_step(self, step: int) -> None:
        """Bring the instance noise to its standard deviation at ``step``."""
        self._noise.set_step(step)

    def add_sigma(self, extra: float) -> None:
        """Raise the standard deviation of the instance noise permanently."""
        self._extra.add_(extra)
        self._noisy = self._noisy or extra > 0

    @contextlib.contextmanager
    def isolated(self, seed: int, name: str) -> Iterator[None]:
        """Score inside the context with separate random streams, which are a function of seed and name.

        The network is called directly: the compiled or captured one is specialized to the batch size of training.
        """
        training = (self._forward, self._noise_stream, self._augment_stream)
        device = self._device.torch_device
        self._forward = self._training_forward.uncompiled
        self._noise_stream, self._augment_stream = SeededStream(seed, name, device), SeededStream(seed, name, device)
        try:
            yield
        finally:
            self._forward, self._noise_stream, self._augment_stream = training

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The random generators of augmentation and instance noise, where there are any."""
        noise = self._noise_stream.rng_generators if self._noisy else ()
        return (*noise, *(() if self._augment is None else self._augment_stream.rng_generators))

    def __call__(self, samples: Tensor, labels: Tensor | None = None, batches: int = 1) -> Tensor:
        """Return logits ``(N / pac,)`` float32 of samples ``(N, *shape)``, augmented, packed and with instance noise.

        The samples may be those of several ``batches``, concatenated: batch norm then takes statistics of each apart.
        """
        if self._augment is not None:
            samples = self._augment(samples, self._augment_stream)
        packs = self._pack(samples)
        if self._noisy:
            packs = add_noise(packs, self._noise.sigma + self._extra, self._noise_stream)
        return self._forward(packs, labels, batches=batches).float()

    def _pack(self, samples: Tensor) -> Tensor:
        """Concatenate ``pac`` samples along channels or features (Lin et al. 2018).

        ``(N, C, ...) -> (N / pac, pac C, ...)``.
        """
        if self._pac == 1:
            return samples
        count, first, *rest = samples.shape
        return samples.reshape(count // self._pac, self._pac * first, *rest)

    def score_pair(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, gradient_sides: frozenset[Side]
    ) -> tuple[ScoredBatch, ScoredBatch]:
        """Score a real and a generated batch, both with the same labels, if there are any.

        Args:
            real: ``(N, *shape)``.
            fake: ``(N, *shape)``, detached from G.
            labels: ``(N,)`` or None.
            gradient_sides: the batches whose ``input_gradient`` will be used.
        """
        # One pass over both takes half the launches; but if one gradient is needed, it would be computed for both.
        if len(gradient_sides) == 1:
            return (
                self._score(real, labels, Side.real in gradient_sides),
                self._score(fake, labels, Side.fake in gradient_sides),
            )
        labels_twice = None if labels is None else torch.cat([labels, labels])
        scored = self._score(torch.cat([real, fake]), labels_twice, bool(gradient_sides), batches=2)
        samples, logits = scored.samples.chunk(2), scored.logits.chunk(2)
        gradients = cache(lambda: scored.input_gradient().chunk(2))
        return (
            ScoredBatch(samples[0], logits[0], lambda: gradients()[0]),
            ScoredBatch(samples[1], logits[1], lambda: gradients()[1]),
        )

    def _score(self, samples: Tensor, labels: Tensor | None, differentiable: bool, batches: int = 1) -> ScoredBatch:
        if differentiable:
            samples = samples.detach().requires_grad_()
        logits = self(samples, labels, batches)
        gradient = cache(lambda: torch.autograd.grad(logits.sum(), samples, create_graph=True)[0])
        return ScoredBatch(samples, logits, gradient)

    def observe(self, objective: Objective, real: Tensor, fake: Tensor) -> None:
        """Adapt augmentation and noise to D's logits ``(N,)`` of real and generated samples, over all processes."""
        if self._augment is None and not self._noise.is_adaptive:
            return
        margin_real, margin_fake = (
            self._group.all_gather(margin, dim=0) for margin in margins(objective, real.detach(), fake.detach())
        )
        if self._noise.is_adaptive:
            self._noise.observe((margin_real, margin_fake))
        if self._augment is not None:
            self._augment.observe(margin_real)

    def adaptive_tensors(self) -> list[Tensor]:
        """Return the tensors that :meth:`observe` changes in place."""
        noise = [self._noise.sigma] if self._noise.is_adaptive else []
        return noise if self._augment is None else [*noise, *self._augment.adaptive_tensors()]

    def metrics(self) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor on the device, of noise and augmentation."""
        noise = {"noise/sigma": self._noise.sigma + self._extra}
        return noise if self._augment is None else noise | self._augment.metrics()

    def state_dict(self) -> dict[str, Any]:
        """Return D's weights, the random streams, and the states of noise and augmentation."""
        return {
            "network": self.network.state_dict(),
            "level": self._noise.state_dict(),
            "extra": float(self._extra),
            "noise": self._noise_stream.get_state(),
            "augment": self._augment_stream.get_state(),
            "augmentation": {} if self._augment is None else self._augment.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; a network of another shape raises ``RuntimeError``."""
        self.network.load_state_dict(state["network"])
        self._noise.load_state_dict(state["level"])
        self._extra.fill_(float(state["extra"]))
        self._noisy = not self._noise.is_zero or bool(state["extra"])
        self._noise_stream.set_state(state["noise"])
        self._augment_stream.set_state(state["augment"])
        if self._augment is not None:
            self._augment.load_state_dict(state["augmentation"])
