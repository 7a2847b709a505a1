"""A probability that adapts to D's overfitting (Karras et al. 2020, section 3.1), all on the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor

from gan_cli.components.ranges import Count, Range, Share


@dataclass(kw_only=True)
class AdaptiveProbability:
    """Base of augmentations whose probability adapts to D's overfitting.

    The overfitting heuristic is ``r_t = E[sign(margin)]`` over real samples: about 0 for an untrained D, 1 where D
    classifies all real samples as real. After every ``every``-th D update the probability goes up where ``r_t`` is
    above ``target``, else down.

    Attributes:
        probability: to begin with.
        target: the ``r_t`` to hold; 0.6 in the paper.
        every: D updates between two changes; 4 in the paper.
        images: real samples that it takes from probability 0 to 1 at the fastest; 500,000 in the paper.
    """

    probability: Share = 0.0
    target: Annotated[float, Range(-1, 1, above=True, below=True)] = 0.6
    every: Count = 4
    images: Count = 500_000
    _p: Tensor = field(init=False, repr=False)
    _seen: Tensor = field(init=False, repr=False)
    _measure: Tensor = field(init=False, repr=False)
    _observed: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._p = torch.tensor(self.probability)
        self._seen, self._measure, self._observed = torch.zeros(()), torch.zeros(()), torch.zeros(())

    def place(self, device: torch.device) -> None:
        """Move its tensors to the device."""
        self._p, self._seen, self._measure, self._observed = (
            tensor.to(device) for tensor in (self._p, self._seen, self._measure, self._observed)
        )

    @torch.no_grad()
    def observe(self, margins: Tensor) -> None:
        """Accumulate the signs of D's margins on real samples, ``(N,)``, and adapt the probability when it is due."""
        self._seen += margins.sign().mean()
        self._observed += 1
        # A tensor and no branch on the host, so that a replayed CUDA graph counts correctly.
        due = self._observed == self.every
        self._measure.copy_(torch.where(due, self._seen / self.every, self._measure))
        step = len(margins) * self.every / self.images
        self._p.add_((self._measure - self.target).sign() * due, alpha=step).clamp_(0.0, 1.0)
        self._seen *= ~due
        self._observed *= ~due

    def adaptive_tensors(self) -> list[Tensor]:
        """Return the tensors that :meth:`observe` changes in place."""
        return [self._p, self._seen, self._measure, self._observed]

    def metrics(self) -> dict[str, Tensor]:
        """Return the present probability, and the overfitting heuristic that it is adapted to."""
        return {"augment/p": self._p, "augment/overfitting": self._measure}

    def state_dict(self) -> dict[str, Any]:
        """Return the probability, the heuristic and the sums for its next value."""
        tensors = {"p": self._p, "seen": self._seen, "measure": self._measure, "observed": self._observed}
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned."""
        for name, tensor in (("p", self._p), ("seen", self._seen), ("measure", self._measure)):
            tensor.copy_(state[name])
        self._observed.copy_(state["observed"])
