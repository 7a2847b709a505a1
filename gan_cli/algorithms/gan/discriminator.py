"""D and what stands before it: packs, augmentation and instance noise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.statistics import margins
from gan_cli.components.noise import add_noise
from gan_cli.protocols.adversarial import Augmentation, Judged, NoiseLevel, Objective, Side
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.batch_norm import separator
from gan_cli.runtime.rng import SeededStream


class Judge:
    """What D says of samples as they come; the only way that samples reach D while it learns."""

    def __init__(
        self,
        network: nn.Module,
        context: Context,
        *,
        noise: NoiseLevel,
        noise_stream: Stream,
        augment: Augmentation | None,
    ) -> None:
        on = context.device.torch_device
        self.network = network
        self._device = context.device
        self._group = context.group
        self._call = context.device.prepare(network)
        self._separate = separator(network, context.synchronising)
        self._pac = context.pac
        self._noise = noise
        self._noisy = not noise.silent
        self._noise_stream = noise_stream
        noise.place(on)
        # Instance noise beyond what the level says: none, unless a rollback asks for some.
        self._extra = torch.zeros((), device=on)
        self._augment = augment
        self._augment_stream = context.stream("augment", context.batch_size)
        if augment is not None:
            augment.place(on)

    def set_clock(self, step: int) -> None:
        """Bring the instance noise to its deviation at ``step``."""
        self._noise.set_clock(step)

    def add_sigma(self, extra: float) -> None:
        """Blur what D sees by so much more, for good."""
        self._extra.add_(extra)
        self._noisy = self._noisy or extra > 0

    def pack(self, samples: Tensor) -> Tensor:
        """``pac`` samples to one (Lin et al. 2018), along channels or features.

        ``(N, C, ...) -> (N / pac, pac C, ...)``.
        """
        if self._pac == 1:
            return samples
        count, first, *rest = samples.shape
        return samples.reshape(count // self._pac, self._pac * first, *rest)

    @contextlib.contextmanager
    def aside(self, seed: int, name: str) -> Iterator[None]:
        """Judge inside from random streams that are a function of seed and name, with the network as it is.

        Not through what was compiled or recorded for training, which is made for one size of batch.
        """
        ours = (self._call, self._noise_stream, self._augment_stream)
        on = self._device.torch_device
        self._call = self.network
        self._noise_stream, self._augment_stream = SeededStream(seed, name, on), SeededStream(seed, name, on)
        try:
            yield
        finally:
            self._call, self._noise_stream, self._augment_stream = ours

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """What judging draws from."""
        return (*self._noise_stream.generators, *self._augment_stream.generators)

    def __call__(self, packs: Tensor, labels: Tensor | None = None, batches: int = 1) -> Tensor:
        """Logits ``(N,)`` float32 of packs ``(N, *shape)``, through augmentation and the instance noise in force.

        The packs may be those of several ``batches``, one behind the other.
        """
        if self._augment is not None:
            count, first, *rest = packs.shape
            single = packs.reshape(count * self._pac, first // self._pac, *rest)
            packs = self.pack(self._augment(single, self._augment_stream))
        if self._noisy:
            packs = add_noise(packs, self._noise.sigma + self._extra, self._noise_stream)
        with self._device.precision(), self._separate(batches):
            logits: Tensor = self._call(packs) if labels is None else self._call(packs, labels)
        return logits.float()

    def both(self, real: Tensor, fake: Tensor, labels: Tensor | None, slopes: frozenset[Side]) -> tuple[Judged, Judged]:
        """Judge a real and a generated batch of packs, both with the same labels, if there are any.

        Args:
            real: ``(N, *shape)``.
            fake: ``(N, *shape)``, without a way back to G.
            labels: ``(N,)`` or None.
            slopes: the sides whose slope will be asked for.
        """
        # One pass over both costs half the launches. With one slope alone it would cost that of the other batch too.
        if len(slopes) == 1:
            return (
                self._judged(real, labels, Side.real in slopes),
                self._judged(fake, labels, Side.fake in slopes),
            )
        twice = None if labels is None else torch.cat([labels, labels])
        judged = self._judged(torch.cat([real, fake]), twice, bool(slopes), batches=2)
        halves = (slice(None, len(real)), slice(len(real), None))
        of_real, of_fake = (
            Judged(judged.samples[half], judged.logits[half], partial(_part, judged, half)) for half in halves
        )
        return of_real, of_fake

    def _judged(self, packs: Tensor, labels: Tensor | None, with_slope: bool, batches: int = 1) -> Judged:
        if with_slope:
            packs = packs.detach().requires_grad_()
        logits = self(packs, labels, batches)
        return Judged(packs, logits, cache(lambda: torch.autograd.grad(logits.sum(), packs, create_graph=True)[0]))

    def observe(self, objective: Objective, real: Tensor, fake: Tensor) -> None:
        """Tell augmentation and noise how D fares, from its logits ``(N,)`` of real and generated samples."""
        if self._augment is None and not self._noise.watches:
            return
        above, below = (
            self._group.gathered(margin, dim=0) for margin in margins(objective, real.detach(), fake.detach())
        )
        if self._noise.watches:
            self._noise.observe((above, below))
        if self._augment is not None:
            self._augment.observe(above)

    def adapted(self) -> list[Tensor]:
        """The tensors that :meth:`observe` changes."""
        noise = [self._noise.sigma] if self._noise.watches else []
        return noise if self._augment is None else [*noise, *self._augment.adapted()]

    def figures(self) -> dict[str, Tensor]:
        """Tag -> 0-dimensional tensor on the device."""
        own = {"noise/sigma": self._noise.sigma + self._extra}
        return own if self._augment is None else own | self._augment.figures()

    def state_dict(self) -> dict[str, Any]:
        """D's weights, the random streams, the noise in force and the augmentation's state."""
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
        self._noisy = not self._noise.silent or bool(state["extra"])
        self._noise_stream.set_state(state["noise"])
        self._augment_stream.set_state(state["augment"])
        if self._augment is not None:
            self._augment.load_state_dict(state["augmentation"])


def _part(judged: Judged, half: slice) -> Tensor:
    return judged.slope()[half]
